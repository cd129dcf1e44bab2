package identity_test

import (
	"slices"
	"testing"

	"countersign/identity"
)

// The table of docs: what each role allows, written out again so that a slip in one of the two shows.
func TestRolesAllowWhatTheTableSays(t *testing.T) {
	const (
		readTrail = iota
		readOwn
		exportTrail
		viewUsers
		manageUsers
		viewAccounts
		manageAccounts
		manageTokens
		manageRoles
		writeEvents
		readTiles
		operate
		erase
	)
	tests := []struct {
		role identity.Role
		may  []int
	}{
		{identity.AccountAdmin, []int{readTrail, readOwn, exportTrail, viewUsers, manageUsers, viewAccounts, manageAccounts, manageTokens, manageRoles}},
		{identity.UserManager, []int{readTrail, viewUsers, manageUsers, viewAccounts}},
		{identity.ViewOnly, []int{readTrail, viewUsers, viewAccounts}},
		{identity.Auditor, []int{readTrail, readOwn, exportTrail}},
		{identity.EventWriter, []int{writeEvents}},
		{identity.Monitor, []int{readTiles}},
		{identity.ServerOperator, []int{operate}},
		{identity.ErasureOfficer, []int{erase}},
		{"", nil},
		{"AM_DEFAULT_USER", nil},
	}
	for _, tt := range tests {
		t.Run(string(tt.role), func(t *testing.T) {
			for i, p := range identity.Permissions() {
				want := slices.Contains(tt.may, i)
				if got := tt.role.Has(p); got != want {
					t.Errorf("Has(%s) = %v", p, got)
				}
				// The same through a caller: on the server, in its account, nowhere else.
				here := identity.MakeCaller([]identity.Grant{in("a", tt.role)}, nil, nil)
				if here.May(p, "a") != want || here.May(p, "b") || here.MayServer(p) {
					t.Errorf("granted in a, %s: May(a) = %v, May(b) = %v, MayServer = %v", p, here.May(p, "a"), here.May(p, "b"), here.MayServer(p))
				}
				all := identity.MakeCaller([]identity.Grant{onServer(tt.role)}, nil, nil)
				if all.May(p, "b") != want || all.MayServer(p) != want {
					t.Errorf("granted on the server, %s: May(b) = %v, MayServer = %v", p, all.May(p, "b"), all.MayServer(p))
				}
				bound := identity.MakeCaller([]identity.Grant{onServer(tt.role)}, []string{"a"}, nil)
				if bound.May(p, "a") != want || bound.May(p, "b") || bound.MayServer(p) {
					t.Errorf("bound to a, %s: May(a) = %v, May(b) = %v, MayServer = %v", p, bound.May(p, "a"), bound.May(p, "b"), bound.MayServer(p))
				}
				part := identity.MakeCaller([]identity.Grant{in("a", tt.role, "d")}, nil, nil)
				if part.May(p, "a") != (want && (i == viewUsers || i == viewAccounts)) {
					t.Errorf("limited to a division, %s: May(a) = %v", p, part.May(p, "a"))
				}
			}
		})
	}
	if got := len(identity.Roles()); got != len(tests)-2 {
		t.Errorf("%d roles, the table has %d", got, len(tests)-2)
	}
	var nobody identity.Caller
	for _, p := range identity.Permissions() {
		if nobody.May(p, "a") || nobody.MayServer(p) {
			t.Errorf("the zero caller may %s", p)
		}
	}
}

func TestMayWriteKeepsToAccountsAndSources(t *testing.T) {
	writer := []identity.Grant{in("a", identity.EventWriter), in("b", identity.EventWriter)}
	everywhere := []identity.Grant{onServer(identity.EventWriter)}
	tests := []struct {
		name            string
		caller          identity.Caller
		account, source string
		field           string
		ok              bool
	}{
		{name: "granted account", caller: identity.MakeCaller(writer, nil, nil), account: "a", source: "x/y", ok: true},
		{name: "other account", caller: identity.MakeCaller(writer, nil, nil), account: "c", source: "x/y", field: "account.id"},
		{name: "bound account", caller: identity.MakeCaller(writer, []string{"a"}, nil), account: "a", source: "x/y", ok: true},
		{name: "granted but not bound", caller: identity.MakeCaller(writer, []string{"a"}, nil), account: "b", source: "x/y", field: "account.id"},
		{name: "server-wide", caller: identity.MakeCaller(everywhere, nil, nil), account: "any", source: "x/y", ok: true},
		{name: "server-wide but bound", caller: identity.MakeCaller(everywhere, []string{"a"}, nil), account: "b", source: "x/y", field: "account.id"},
		{name: "bound source", caller: identity.MakeCaller(writer, nil, []string{"x/y"}), account: "a", source: "x/y", ok: true},
		{name: "other source", caller: identity.MakeCaller(writer, nil, []string{"x/y"}), account: "a", source: "x/z", field: "source"},
		{name: "longer source", caller: identity.MakeCaller(writer, nil, []string{"x/y"}), account: "a", source: "x/y/z", field: "source"},
		{name: "our source", caller: identity.MakeCaller(everywhere, nil, nil), account: "a", source: "countersign/server", field: "source"},
		{name: "our bare source", caller: identity.MakeCaller(everywhere, nil, nil), account: "a", source: "countersign", field: "source"},
		{name: "a source that only begins alike", caller: identity.MakeCaller(everywhere, nil, nil), account: "a", source: "countersign-lab/x", ok: true},
		{name: "reader", caller: identity.MakeCaller([]identity.Grant{onServer(identity.AccountAdmin)}, nil, nil), account: "a", source: "x/y"},
		{name: "nobody", account: "a", source: "x/y"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.caller.MayWrite(tt.account, tt.source)
			if tt.ok {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantDenied(t, err, tt.field)
		})
	}
}
