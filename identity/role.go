package identity

import (
	"context"
	"slices"
)

// Permission is one thing that a role may allow.
type Permission uint8

// The permissions.
const (
	ReadTrail      Permission = iota // read entries, without the server's own records of reading and running
	ReadOwn                          // read those records too
	ExportTrail                      // exports, proofs, reports and packs
	ViewUsers                        // see users
	ManageUsers                      // create and delete users
	ViewAccounts                     // see accounts and their divisions
	ManageAccounts                   // on the whole server: create and delete accounts; in an account: its divisions
	ManageTokens                     // see, create and delete the tokens of users
	ManageRoles                      // grant and revoke
	WriteEvents                      // record events
	ReadTiles                        // the tiles of entries
	Operate                          // configuration, backup, metrics, sources
	Erase                            // erase
)

// permissionActs says each permission as what a caller may not do.
var permissionActs = [...]string{
	ReadTrail:      "read the trail",
	ReadOwn:        "read the server's own records",
	ExportTrail:    "export the trail",
	ViewUsers:      "see users",
	ManageUsers:    "manage users",
	ViewAccounts:   "see accounts",
	ManageAccounts: "manage accounts",
	ManageTokens:   "manage tokens",
	ManageRoles:    "manage roles",
	WriteEvents:    "write events",
	ReadTiles:      "read the tiles of entries",
	Operate:        "operate the server",
	Erase:          "erase",
}

func (p Permission) String() string { return permissionActs[p] }

// Role is a named set of permissions.
type Role string

// The roles. The first three bear the vendor's names, since scripts and people know them.
const (
	AccountAdmin   Role = "AM_ACCOUNT_ADMIN"
	UserManager    Role = "AM_USER_MANAGER"
	ViewOnly       Role = "AM_VIEW_ONLY"
	Auditor        Role = "AUDITOR"
	EventWriter    Role = "EVENT_WRITER"
	Monitor        Role = "MONITOR"
	ServerOperator Role = "SERVER_OPERATOR"
	ErasureOfficer Role = "ERASURE_OFFICER"
)

// roleRule is what a role means.
type roleRule struct {
	role Role
	may  []Permission
	// serverOnly: what the role allows belongs to no account, so it is granted on the whole server only.
	serverOnly bool
	// byServerAdmin: only a server-wide administrator gives it, in an account too. Whoever runs an account
	// must not be able to make themselves the one who erases its trail.
	byServerAdmin bool
	// divisible: what the role allows can be cut down to divisions. Users, tokens and writing cannot.
	divisible bool
}

// roleRules is the table of roles. A user manager sees accounts because every user it makes names one, and
// because the vendor's tutorial promises that its steps work with each of the first three roles.
var roleRules = []roleRule{
	{role: AccountAdmin, divisible: true, may: []Permission{ReadTrail, ReadOwn, ExportTrail, ViewUsers, ManageUsers,
		ViewAccounts, ManageAccounts, ManageTokens, ManageRoles}},
	{role: UserManager, divisible: true, may: []Permission{ReadTrail, ViewUsers, ManageUsers, ViewAccounts}},
	{role: ViewOnly, divisible: true, may: []Permission{ReadTrail, ViewUsers, ViewAccounts}},
	{role: Auditor, divisible: true, may: []Permission{ReadTrail, ReadOwn, ExportTrail}},
	{role: EventWriter, may: []Permission{WriteEvents}},
	{role: Monitor, serverOnly: true, may: []Permission{ReadTiles}},
	{role: ServerOperator, serverOnly: true, may: []Permission{Operate}},
	{role: ErasureOfficer, divisible: true, byServerAdmin: true, may: []Permission{Erase}},
}

// roleIndex is roleRules by name, permissions as bits: every request asks it several times.
var roleIndex = func() map[Role]indexedRole {
	m := make(map[Role]indexedRole, len(roleRules))
	for _, rule := range roleRules {
		x := indexedRole{roleRule: rule}
		for _, p := range rule.may {
			x.bits |= 1 << p
		}
		m[rule.role] = x
	}
	return m
}()

type indexedRole struct {
	roleRule
	bits uint16
}

// Roles returns all roles in the order of the table.
func Roles() []Role {
	out := make([]Role, len(roleRules))
	for i, rule := range roleRules {
		out[i] = rule.role
	}
	return out
}

// RoleRule is a role with what it allows.
type RoleRule struct {
	Role        Role
	Permissions []Permission
}

// RoleRules returns all roles, in the order of the table, to a caller who may see users.
func (d *Directory) RoleRules(_ context.Context, c Caller) ([]RoleRule, error) {
	if !c.mayAnywhere(ViewUsers) {
		return nil, mayNot(ViewUsers)
	}
	out := make([]RoleRule, len(roleRules))
	for i, rule := range roleRules {
		out[i] = RoleRule{rule.role, slices.Clone(rule.may)}
	}
	return out, nil
}

// Has reports whether the role allows p where it is granted. A name that is no role allows nothing.
func (r Role) Has(p Permission) bool { return roleIndex[r].bits&(1<<p) != 0 }
