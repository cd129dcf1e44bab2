package digicertone

import (
	"net/http"

	"countersign/dialect/answer"
	"countersign/identity"
)

// The applications that roles belong to: the vendor's own, and this server, which has roles that the vendor
// does not know.
const (
	accountManager = "account_manager"
	countersign    = "countersign"
)

// permissionNames says each permission in the form of the vendor's; those with CS are ours.
var permissionNames = [...]string{
	identity.ReadTrail:      "VIEW_AM_AUDIT_LOG",
	identity.ReadOwn:        "VIEW_CS_OWN_RECORDS",
	identity.ExportTrail:    "EXPORT_CS_AUDIT_LOG",
	identity.ViewUsers:      "VIEW_AM_USER",
	identity.ManageUsers:    "MANAGE_AM_USER",
	identity.ViewAccounts:   "VIEW_AM_ACCOUNT",
	identity.ManageAccounts: "MANAGE_AM_ACCOUNT",
	identity.ManageTokens:   "MANAGE_AM_API_TOKEN",
	identity.ManageRoles:    "MANAGE_AM_ROLE",
	identity.WriteEvents:    "WRITE_CS_EVENTS",
	identity.ReadTiles:      "VIEW_CS_TILES",
	identity.Operate:        "MANAGE_CS_SERVER",
	identity.Erase:          "ERASE_CS_AUDIT_LOG",
}

// applicationOf returns the application that the role belongs to.
func applicationOf(r identity.Role) string {
	switch r {
	case identity.AccountAdmin, identity.UserManager, identity.ViewOnly:
		return accountManager
	}
	return countersign
}

// roles answers GET /role: those of the application that application_code names, all without it. A code that
// no role has finds none.
func (h *Handler) roles(w http.ResponseWriter, c call) error {
	rules, err := h.identity.RoleRules(c.Context(), c.caller)
	if err != nil {
		return err
	}
	code := c.params.first("application_code")
	var found []identity.RoleRule
	for _, r := range rules {
		if code == "" || code == applicationOf(r.Role) {
			found = append(found, r)
		}
	}
	answer.SetHeaders(w.Header(), contentType)
	renderArray(w, nil, found, appendRole, "")
	return nil
}

func appendRole(b []byte, r identity.RoleRule) []byte {
	b = appendMember(append(b, '{'), "id", string(r.Role))
	b = appendMember(append(b, ','), "name", string(r.Role))
	b = appendMember(append(b, ','), "application_code", applicationOf(r.Role))
	b = append(b, `,"permissions":`...)
	b = appendArray(b, r.Permissions, func(b []byte, p identity.Permission) []byte { return appendString(b, permissionNames[p]) })
	return append(b, '}')
}
