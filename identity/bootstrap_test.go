package identity_test

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"countersign/identity"
	"countersign/problem"
)

func TestBootstrap(t *testing.T) {
	const chosen = "0123456789abcdef0123456789abcdef"
	for _, tt := range []struct {
		name, token string
		ok          bool
	}{
		{"none", "", true},
		{"32 characters", chosen, true},
		{"blanks inside", "correct horse battery staple, and ~ more", true},
		{"31 characters", chosen[1:], false},
		{"blank before", " " + chosen, false},
		{"blank after", chosen + " ", false},
		{"line end", chosen + "\n", false},
		{"not ASCII", chosen + "é", false},
		{"513 characters", strings.Repeat("x", 513), false},
		{"512 characters", strings.Repeat("x", 512), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := identity.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"), identity.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			shown, created, err := d.Bootstrap(t.Context(), tt.token)
			if !tt.ok {
				wantKind(t, err, problem.Invalid, "bootstrap token")
				if created || shown != "" || strings.Contains(err.Error(), tt.token) {
					t.Errorf("created %v, shown %q, error %v", created, shown, err)
				}
				return
			}
			if err != nil || !created || (shown == "") != (tt.token != "") {
				t.Fatalf("shown %q, created %v, error %v", shown, created, err)
			}
			token := tt.token + shown
			c, err := d.Authenticate(t.Context(), identity.Credential{Token: token})
			if err != nil {
				t.Fatal(err)
			}
			if c.PrimaryAccount != "countersign" || c.UserType != identity.Service {
				t.Errorf("caller %+v", c)
			}
			for _, p := range identity.Permissions() {
				if !c.MayServer(p) {
					t.Errorf("may not %s", p)
				}
			}
			if f, err := c.Restrict(identity.ReadTrail, nil); err != nil || f != nil {
				t.Errorf("is restricted to %v, %v", f, err)
			}
			if err := c.MayWrite("any", "any/source"); err != nil {
				t.Error(err)
			}
			if a, err := d.Account(t.Context(), c, "countersign"); err != nil || a.Name != "Countersign" {
				t.Errorf("account %+v, %v", a, err)
			}
			// With somebody there it does nothing, whatever is given.
			for _, again := range []string{"", chosen + "other", "short"} {
				if shown, created, err := d.Bootstrap(t.Context(), again); shown != "" || created || err != nil {
					t.Errorf("again: %q, %v, %v", shown, created, err)
				}
			}
			if _, total, err := d.Users(t.Context(), c, identity.UserFilter{}); err != nil || total != 1 {
				t.Errorf("%d users, %v", total, err)
			}
		})
	}
}

func TestBootstrapAtOnceMakesOneAdministrator(t *testing.T) {
	d, err := identity.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"), identity.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var wg sync.WaitGroup
	tokens := make(chan string, 8)
	for range cap(tokens) {
		wg.Go(func() {
			if shown, created, err := d.Bootstrap(t.Context(), ""); err != nil || created != (shown != "") {
				t.Errorf("%q, %v, %v", shown, created, err)
			} else if created {
				tokens <- shown
			}
		})
	}
	wg.Wait()
	if len(tokens) != 1 {
		t.Fatalf("%d administrators", len(tokens))
	}
	if _, err := d.Authenticate(t.Context(), identity.Credential{Token: <-tokens}); err != nil {
		t.Error(err)
	}
}
