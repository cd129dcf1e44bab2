package identity_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/identity"
	"countersign/problem"
)

func no() *bool { v := false; return &v }

func TestTokenSignsItsUserIn(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.service("poller", "a", in("a", identity.ViewOnly))
	v, secret, err := f.CreateToken(t.Context(), f.admin, identity.NewToken{UserID: "poller", Name: "nightly poll_2-b"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(secret, "cst_") || len(secret) != len("cst_")+43 {
		t.Errorf("token of %d characters, want cst_ and 43 of base64url", len(secret))
	}
	if v.Status != identity.Valid || !v.Enabled || v.CreatedBy != f.admin.UserID || v.LastUsedAt != nil {
		t.Errorf("token %+v", v)
	}
	c := f.signIn(secret)
	if c.UserID != "poller" || c.Name != "poller" || c.UserType != identity.Service || c.TokenID != v.ID || c.PrimaryAccount != "a" {
		t.Errorf("caller %+v", c)
	}
	if !c.May(identity.ReadTrail, "a") {
		t.Error("the caller lacks its user's grant")
	}
	if _, second, err := f.CreateToken(t.Context(), f.admin, identity.NewToken{UserID: "poller", Name: "other"}); err != nil || second == secret {
		t.Errorf("second token: same text %v, error %v", second == secret, err)
	}
}

func TestTokenExpiresAtTheEndOfItsDayInUTC(t *testing.T) {
	f := setUp(t)
	v, secret, err := f.CreateToken(t.Context(), f.admin, identity.NewToken{UserID: identity.Me, Name: "today", EndDate: "2026-01-15"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		now string
		ok  bool
	}{
		{"2026-01-15T10:30:00Z", true},
		{"2026-01-15T23:59:58Z", true},
		{"2026-01-15T23:59:59Z", true},
		{"2026-01-15T23:59:59.999Z", true},
		{"2026-01-16T00:00:00Z", false},
		{"2026-01-15T23:30:00-02:00", false},
		{"2026-01-16T01:00:00+02:00", true},
		{"2027-01-01T00:00:00Z", false},
	} {
		f.clock.Set(at(tt.now))
		c, err := f.Authenticate(t.Context(), identity.Credential{Token: secret})
		if (err == nil) != tt.ok {
			t.Errorf("at %s: %v", tt.now, err)
		}
		if err != nil {
			wantKind(t, err, problem.Unauthenticated, "")
			if c.UserID != "" {
				t.Errorf("at %s: refused, with caller %+v", tt.now, c)
			}
		}
		want := identity.Valid
		if !tt.ok {
			want = identity.Expired
		}
		if got, err := f.Token(t.Context(), f.admin, v.ID); err != nil || got.Status != want {
			t.Errorf("at %s: status %s, %v; want %s", tt.now, got.Status, err, want)
		}
	}
}

func TestRefusedSignInsLookAllTheSame(t *testing.T) {
	f := setUp(t)
	f.account("a")
	for _, id := range []string{"disabled", "expired", "removed", "deleted", "purged"} {
		f.service(id, "a")
	}
	secrets := map[string]string{"": "no token", "cst_unknown": "unknown", strings.Repeat("x", 600): "over-long"}
	make := func(n identity.NewToken) string {
		t.Helper()
		n.Name = "t"
		v, secret, err := f.CreateToken(t.Context(), f.admin, n)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join([]string{v.ID, secret}, " ")
	}
	add := func(idAndSecret, why string) { secrets[strings.Fields(idAndSecret)[1]] = why }
	add(make(identity.NewToken{UserID: "disabled", Enabled: no()}), "disabled")
	add(make(identity.NewToken{UserID: "expired", EndDate: "2026-01-15"}), "expired")
	removed := make(identity.NewToken{UserID: "removed"})
	add(removed, "unknown")
	add(make(identity.NewToken{UserID: "deleted"}), "unknown")
	add(make(identity.NewToken{UserID: "purged"}), "unknown")
	for _, status := range []identity.UserStatus{identity.Locked, identity.Pending} {
		if _, err := f.CreateUser(t.Context(), f.admin, identity.NewUser{
			ID: string(status), Type: identity.Service, FriendlyName: "x", Status: status, PrimaryAccountID: "a",
		}); err != nil {
			t.Fatal(err)
		}
		add(make(identity.NewToken{UserID: string(status)}), string(status))
	}
	if err := f.DeleteToken(t.Context(), f.admin, strings.Fields(removed)[0]); err != nil {
		t.Fatal(err)
	}
	if err := f.DeleteUser(t.Context(), f.admin, "deleted", false); err != nil {
		t.Fatal(err)
	}
	if err := f.DeleteUser(t.Context(), f.admin, "purged", true); err != nil {
		t.Fatal(err)
	}
	f.clock.Add(24 * time.Hour)

	for secret, why := range secrets {
		_, err := f.Authenticate(t.Context(), identity.Credential{Token: secret})
		wantKind(t, err, problem.Unauthenticated, "")
		e := err.(*problem.Error)
		if e.Detail != "the API token is missing or not valid" || e.Value != "" {
			t.Errorf("%s: told %q %q", why, e.Detail, e.Value)
		}
		if e.Cause == nil || !strings.Contains(e.Cause.Error(), why) {
			t.Errorf("cause %v, want one that says %q", e.Cause, why)
		}
		if secret != "" && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error holds the token", why)
		}
	}
}

func TestChangesAreInForceAtOnce(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.service("u", "a")
	id, secret := f.token("u", "t")
	c := f.signIn(secret)
	if c.May(identity.ReadTrail, "a") {
		t.Fatal("reads without a grant")
	}
	if _, err := f.Grant(t.Context(), f.admin, "u", in("a", identity.ViewOnly)); err != nil {
		t.Fatal(err)
	}
	if !f.signIn(secret).May(identity.ReadTrail, "a") {
		t.Error("the grant is not in force")
	}
	if c, err := f.Renew(c); err != nil || !c.May(identity.ReadTrail, "a") {
		t.Errorf("renewed: %v, %v", c, err)
	}
	if err := f.Revoke(t.Context(), f.admin, "u", in("a", identity.ViewOnly)); err != nil {
		t.Fatal(err)
	}
	if f.signIn(secret).May(identity.ReadTrail, "a") {
		t.Error("the grant is still in force")
	}
	if err := f.DeleteToken(t.Context(), f.admin, id); err != nil {
		t.Fatal(err)
	}
	_, err := f.Renew(c)
	wantKind(t, err, problem.Unauthenticated, "")
}

func TestChangeIsJudgedByTheRightsOfNow(t *testing.T) {
	f := setUp(t)
	f.account("a")
	was := f.caller("manager", "a", in("a", identity.AccountAdmin))
	if err := f.Revoke(t.Context(), f.admin, "manager", in("a", identity.AccountAdmin)); err != nil {
		t.Fatal(err)
	}
	_, err := f.CreateUser(t.Context(), was, identity.NewUser{Type: identity.Service, FriendlyName: "x", PrimaryAccountID: "a"})
	wantDenied(t, err, "")
	if err := f.DeleteUser(t.Context(), f.admin, "manager", false); err != nil {
		t.Fatal(err)
	}
	_, err = f.CreateUser(t.Context(), was, identity.NewUser{Type: identity.Service, FriendlyName: "x", PrimaryAccountID: "a"})
	wantKind(t, err, problem.Unauthenticated, "")
}

func TestLastUseIsCoarseAndSurvivesAStop(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.service("u", "a")
	id, secret := f.token("u", "t")
	lastUsed := func() string {
		t.Helper()
		v, err := f.Token(t.Context(), f.admin, id)
		if err != nil {
			t.Fatal(err)
		}
		if v.LastUsedAt == nil {
			return "never"
		}
		return v.LastUsedAt.Format(time.RFC3339)
	}
	if got := lastUsed(); got != "never" {
		t.Errorf("before: %s", got)
	}
	f.clock.Set(at("2026-01-15T11:22:33Z"))
	f.signIn(secret)
	if got := lastUsed(); got != "2026-01-15T11:22:00Z" {
		t.Errorf("after: %s", got)
	}
	f.account("b") // a change swaps the snapshot, and must keep the use
	if got := lastUsed(); got != "2026-01-15T11:22:00Z" {
		t.Errorf("after a change: %s", got)
	}
	if err := f.SaveUsage(); err != nil {
		t.Fatal(err)
	}
	f.clock.Set(at("2026-01-15T11:23:01Z"))
	f.signIn(secret)
	f.reopen()
	f.admin = f.signIn(f.secret)
	if got := lastUsed(); got != "2026-01-15T11:23:00Z" {
		t.Errorf("after a stop: %s", got)
	}
}

func TestTokensAreSeenAndDeletedByThoseWhoManageThem(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.account("b")
	adminOfA := f.caller("admin-a", "a", in("a", identity.AccountAdmin))
	adminOfB := f.caller("admin-b", "b", in("b", identity.AccountAdmin))
	viewer := f.caller("viewer", "a", in("a", identity.ViewOnly))
	f.service("u", "a")
	id, _ := f.token("u", "t")
	f.service("both", "a", in("b", identity.ViewOnly))
	shared, _ := f.token("both", "t")

	list := func(c identity.Caller, user string) (names []string, err error) {
		vs, total, err := f.Tokens(t.Context(), c, user, identity.Page{})
		if total != len(vs) {
			t.Errorf("total %d of %d", total, len(vs))
		}
		for _, v := range vs {
			names = append(names, v.UserID)
		}
		return names, err
	}
	if got, err := list(adminOfA, ""); err != nil || fmt.Sprint(got) != "[admin-a viewer u]" {
		t.Errorf("the administrator of a sees tokens of %v, %v", got, err)
	}
	if got, err := list(adminOfA, "u"); err != nil || fmt.Sprint(got) != "[u]" {
		t.Errorf("tokens of u: %v, %v", got, err)
	}
	if got, err := list(viewer, ""); err != nil || fmt.Sprint(got) != "[viewer]" {
		t.Errorf("a viewer sees tokens of %v, %v", got, err)
	}
	if got, err := list(viewer, identity.Me); err != nil || fmt.Sprint(got) != "[viewer]" {
		t.Errorf("a viewer sees of its own %v, %v", got, err)
	}
	_, err := list(viewer, "u")
	wantDenied(t, err, "")
	_, err = list(adminOfB, "u")
	wantKind(t, err, problem.NotFound, "")
	_, err = f.Token(t.Context(), adminOfB, id)
	wantKind(t, err, problem.NotFound, "")
	wantKind(t, f.DeleteToken(t.Context(), adminOfB, id), problem.NotFound, "")
	// Neither of two administrators manages whom they share.
	wantKind(t, f.DeleteToken(t.Context(), adminOfA, shared), problem.NotFound, "")
	wantKind(t, f.DeleteToken(t.Context(), adminOfA, "unknown"), problem.NotFound, "")
	wantKind(t, f.DeleteToken(t.Context(), viewer, viewer.TokenID), problem.Denied, "")
	wantKind(t, f.DeleteToken(t.Context(), f.admin, f.admin.TokenID), problem.Conflict, "id")
	if err := f.DeleteToken(t.Context(), adminOfA, id); err != nil {
		t.Error(err)
	}
	wantKind(t, f.DeleteToken(t.Context(), adminOfA, id), problem.NotFound, "")
}

func TestBadTokensAreRefusedByField(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.service("u", "a")
	f.token("u", "taken")
	f.service("gone", "a")
	if err := f.DeleteUser(t.Context(), f.admin, "gone", false); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		n     identity.NewToken
		kind  problem.Kind
		field string
	}{
		{"no user", identity.NewToken{Name: "x"}, problem.Invalid, "user_id"},
		{"unknown user", identity.NewToken{UserID: "nobody", Name: "x"}, problem.Invalid, "user_id"},
		{"deleted user", identity.NewToken{UserID: "gone", Name: "x"}, problem.Conflict, "user_id"},
		{"no name", identity.NewToken{UserID: "u"}, problem.Invalid, "name"},
		{"name of blanks", identity.NewToken{UserID: "u", Name: " "}, problem.Invalid, "name"},
		{"name with a dot", identity.NewToken{UserID: "u", Name: "a.b"}, problem.Invalid, "name"},
		{"name not UTF-8", identity.NewToken{UserID: "u", Name: "a\xff"}, problem.Invalid, "name"},
		{"long name", identity.NewToken{UserID: "u", Name: strings.Repeat("x", 257)}, problem.Invalid, "name"},
		{"taken name", identity.NewToken{UserID: "u", Name: "taken"}, problem.Conflict, "name"},
		{"impossible date", identity.NewToken{UserID: "u", Name: "x", EndDate: "2026-02-30"}, problem.Invalid, "end_date"},
		{"other form of date", identity.NewToken{UserID: "u", Name: "x", EndDate: "2026/02/03"}, problem.Invalid, "end_date"},
		{"past date", identity.NewToken{UserID: "u", Name: "x", EndDate: "2026-01-14"}, problem.Invalid, "end_date"},
		{"unknown account", identity.NewToken{UserID: "u", Name: "x", Accounts: []string{"a", "nowhere"}}, problem.Invalid, "accounts[1]"},
		{"account twice", identity.NewToken{UserID: "u", Name: "x", Accounts: []string{"a", "a"}}, problem.Invalid, "accounts[1]"},
		{"empty accounts", identity.NewToken{UserID: "u", Name: "x", Accounts: []string{}}, problem.Invalid, "accounts"},
		{"empty sources", identity.NewToken{UserID: "u", Name: "x", Sources: []string{}}, problem.Invalid, "sources"},
		{"bad source", identity.NewToken{UserID: "u", Name: "x", Sources: []string{"A"}}, problem.Invalid, "sources[0]"},
		{"our source", identity.NewToken{UserID: "u", Name: "x", Sources: []string{"countersign/server"}}, problem.Invalid, "sources[0]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, secret, err := f.CreateToken(t.Context(), f.admin, tt.n)
			wantKind(t, err, tt.kind, tt.field)
			if secret != "" {
				t.Error("a refused token has a text")
			}
		})
	}
}

func TestTokensGiveNobodyMoreThanTheyHave(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.account("b")
	adminOfA := f.caller("admin-a", "a", in("a", identity.AccountAdmin))
	manager := f.caller("manager", "a", in("a", identity.UserManager))
	f.service("root", "a", onServer(identity.ViewOnly))
	f.service("eraser", "a", in("a", identity.ErasureOfficer))
	f.service("elsewhere", "a", in("b", identity.ViewOnly))
	f.service("plain", "a", in("a", identity.EventWriter))
	for _, tt := range []struct {
		name string
		c    identity.Caller
		user string
		ok   bool
	}{
		{"a user of the account", adminOfA, "plain", true},
		{"themselves", adminOfA, identity.Me, true},
		{"a server-wide user", adminOfA, "root", false},
		{"one who may erase", adminOfA, "eraser", false},
		{"one with rights elsewhere", adminOfA, "elsewhere", false},
		{"by a user manager", manager, "plain", false},
		{"by a user manager for themselves", manager, identity.Me, false},
		{"one who may erase, by the server's administrator", f.admin, "eraser", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := f.CreateToken(t.Context(), tt.c, identity.NewToken{UserID: tt.user, Name: "escalation"})
			if tt.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantDenied(t, err, "")
		})
	}

	// A token that is bound makes no token that is bound less, and has no rights on the server.
	f.service("admin-2", "a", in("a", identity.AccountAdmin), in("b", identity.AccountAdmin))
	_, secret, err := f.CreateToken(t.Context(), f.admin, identity.NewToken{UserID: "admin-2", Name: "bound", Accounts: []string{"a", "b"}, Sources: []string{"x", "y"}})
	if err != nil {
		t.Fatal(err)
	}
	bound := f.signIn(secret)
	for _, tt := range []struct {
		name string
		n    identity.NewToken
		ok   bool
	}{
		{"unbound", identity.NewToken{}, false},
		{"unbound sources", identity.NewToken{Accounts: []string{"a"}}, false},
		{"unbound accounts", identity.NewToken{Sources: []string{"x"}}, false},
		{"other source", identity.NewToken{Accounts: []string{"a"}, Sources: []string{"x", "z"}}, false},
		{"narrower", identity.NewToken{Accounts: []string{"a"}, Sources: []string{"x"}}, true},
	} {
		tt.n.UserID, tt.n.Name = identity.Me, tt.name
		if _, _, err := f.CreateToken(t.Context(), bound, tt.n); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		} else if err != nil {
			wantDenied(t, err, "")
		}
	}
	_, secret, err = f.CreateToken(t.Context(), f.admin, identity.NewToken{UserID: identity.Me, Name: "bound", Accounts: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	boundRoot := f.signIn(secret)
	_, err = f.CreateAccount(t.Context(), boundRoot, identity.NewAccount{Name: "c"})
	wantDenied(t, err, "")
	_, _, err = f.CreateToken(t.Context(), boundRoot, identity.NewToken{UserID: identity.Me, Name: "free"})
	wantDenied(t, err, "")
	if _, err := f.Account(t.Context(), boundRoot, "b"); problem.KindOf(err) != problem.NotFound {
		t.Errorf("account b through a token bound to a: %v", err)
	}
}

// Promise: secrets are in no file, error, log or printed value.
func TestSecretsAreNowhere(t *testing.T) {
	var log bytes.Buffer
	clk := &clock{}
	clk.Set(at("2026-01-15T10:30:00Z"))
	dir := t.TempDir()
	d, err := identity.Open(t.Context(), filepath.Join(dir, "control.db"), identity.Options{Now: clk.Now, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	const chosen = "a token that somebody chose: 0123456789"
	if shown, created, err := d.Bootstrap(t.Context(), chosen); err != nil || !created || shown != "" {
		t.Fatalf("Bootstrap = %q, %v, %v", shown, created, err)
	}
	cred := identity.Credential{Token: chosen}
	admin, err := d.Authenticate(t.Context(), cred)
	if err != nil {
		t.Fatal(err)
	}
	v, secret, err := d.CreateToken(t.Context(), admin, identity.NewToken{UserID: identity.Me, Name: "t", EndDate: "2026-01-20"})
	if err != nil {
		t.Fatal(err)
	}
	me, err := d.User(t.Context(), admin, identity.Me)
	if err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "credential", cred, "caller", admin)
	clk.Add(24 * 365 * time.Hour)
	_, expired := d.Authenticate(t.Context(), identity.Credential{Token: secret})
	_, unknown := d.Authenticate(t.Context(), identity.Credential{Token: secret + "x"})
	text, _ := cred.MarshalText()
	said := strings.Join([]string{
		cred.String(), fmt.Sprintf("%v %+v %#v %s %q", cred, cred, cred, cred, cred), string(text),
		fmt.Sprintf("%v %+v %#v", admin, v, me), expired.Error(), unknown.Error(), log.String(),
	}, "\n")
	for where, have := range readFiles(t, dir, said) {
		for what, s := range map[string]string{"the chosen token": chosen, "the made token": secret, "its random part": strings.TrimPrefix(secret, "cst_")} {
			if strings.Contains(have, s) {
				t.Errorf("%s holds %s", where, what)
			}
		}
	}
	hash := identity.HashOf(secret)
	if !strings.Contains(strings.Join(values(readFiles(t, dir, "")), ""), string(hash[:])) {
		t.Error("the hash is in no file: this test looks in the wrong place")
	}
}

func values(m map[string]string) (out []string) {
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// readFiles returns the content of all files of the folder, and said.
func readFiles(t *testing.T, dir, said string) map[string]string {
	t.Helper()
	out := map[string]string{"what was said": said}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(name)] = string(b)
	}
	return out
}

func FuzzAuthenticateAdmitsNobodyUnknown(f *testing.F) {
	x := setUp(f)
	for _, seed := range []string{"", "cst_", x.secret[:len(x.secret)-1], x.secret + " ", strings.ToUpper(x.secret), "\x00", strings.Repeat("a", 1000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		c, err := x.Authenticate(t.Context(), identity.Credential{Token: token})
		if token == x.secret {
			return
		}
		wantKind(t, err, problem.Unauthenticated, "")
		if c.UserID != "" || c.MayServer(identity.ReadTrail) {
			t.Fatalf("%q is refused, with caller %+v", token, c)
		}
	})
}
