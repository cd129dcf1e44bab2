package identity_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/identity"
	"countersign/problem"
)

func TestOpenMakesAFileForItsOwnerOnly(t *testing.T) {
	f := setUp(t)
	names, err := filepath.Glob(filepath.Join(filepath.Dir(f.path), "*"))
	if err != nil || len(names) < 2 {
		t.Fatalf("files %v, %v: the log should be there", names, err)
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

func TestOpenWarnsOfAFileThatOthersMayRead(t *testing.T) {
	f := setUp(t)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(f.path, 0o640); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	d, err := identity.Open(t.Context(), f.path, identity.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if !strings.Contains(log.String(), "-rw-r-----") {
		t.Errorf("log %q", log.String())
	}
}

func TestDedupKeyIsMadeOnce(t *testing.T) {
	f := setUp(t)
	key := f.DedupKey()
	if len(key) != 32 || bytes.Equal(key, make([]byte, 32)) {
		t.Fatalf("key of %d bytes", len(key))
	}
	f.DedupKey()[0] ^= 1 // a copy: nobody changes the directory's own
	f.reopen()
	if !bytes.Equal(key, f.DedupKey()) {
		t.Error("another key after a restart")
	}
	if bytes.Equal(key, setUp(t).DedupKey()) {
		t.Error("two directories have one key")
	}
}

func TestOpenRefuses(t *testing.T) {
	// write makes a database that identity did not make in this form.
	sql := func(statements string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			t.Helper()
			d, err := identity.Open(t.Context(), path, identity.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if _, _, err := d.Bootstrap(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			if err := d.Exec(statements); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name  string
		make  func(t *testing.T, path string)
		opts  identity.Options
		wants string
	}{
		{"a newer schema", sql(`INSERT INTO schema_version VALUES (99, 0)`), identity.Options{}, "version 99, newer than"},
		{"somebody else's database", sql(`PRAGMA foreign_keys=off; DROP TABLE schema_version`), identity.Options{}, "something else"},
		{"a reference to nothing", sql(`PRAGMA foreign_keys=off; DELETE FROM accounts`), identity.Options{}, "refers to one that is not there"},
		{"a key that was cut", sql(`UPDATE meta SET value = x'00'`), identity.Options{}, "key has 1 bytes"},
		{"applications that are no JSON", sql(`UPDATE users SET applications = '['`), identity.Options{}, "read users: user "},
		{"bytes of something else", func(t *testing.T, path string) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("not a database "), 1000), 0o600); err != nil {
				t.Fatal(err)
			}
		}, identity.Options{}, "not a database"},
		{"a damaged page", func(t *testing.T, path string) {
			sql("VACUUM")(t, path)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 4096; i < len(b); i += 4096 { // the header of every page but the first
				b[i] = 0x55
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}, identity.Options{}, "malformed"},
		{"a missing file that must be there", func(*testing.T, string) {}, identity.Options{MustExist: true}, "no such file"},
		{"an empty file that must be full", func(t *testing.T, path string) {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, identity.Options{MustExist: true}, "it is empty"},
		{"a folder that is not there", func(*testing.T, string) {}, identity.Options{}, "no such file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "control.db")
			if strings.HasPrefix(tt.name, "a folder") {
				path = filepath.Join(path, "control.db")
			}
			tt.make(t, path)
			d, err := identity.Open(t.Context(), path, tt.opts)
			if err == nil {
				d.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), tt.wants) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want one that says %q and names the file", err, tt.wants)
			}
			if _, err := os.Stat(path); tt.opts.MustExist && tt.wants == "no such file" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the file was made: %v", err)
			}
		})
	}
}

func TestOpenRefusesWhatIsOpenAlready(t *testing.T) {
	f := setUp(t)
	d, err := identity.Open(t.Context(), f.path, identity.Options{})
	if err == nil {
		d.Close()
		t.Fatal("opened twice: each would answer from a snapshot of its own")
	}
	if !strings.Contains(err.Error(), "locked") {
		t.Error(err)
	}
}

func TestPathsAreTakenAsTheyAre(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?mode=memory&x#%41.db")
	d, err := identity.Open(t.Context(), path, identity.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestClosedDirectoryRefusesChangesAndStillReads(t *testing.T) {
	f := setUp(t)
	for range 2 {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := f.CreateAccount(t.Context(), f.admin, identity.NewAccount{Name: "x"})
	wantKind(t, err, problem.Unavailable, "")
	if _, err := f.User(t.Context(), f.admin, identity.Me); err != nil {
		t.Error(err)
	}
}

func TestCancelledChangeIsNotBegun(t *testing.T) {
	f := setUp(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.CreateAccount(ctx, f.admin, identity.NewAccount{ID: "x", Name: "x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	_, err := f.Account(t.Context(), f.admin, "x")
	wantKind(t, err, problem.NotFound, "")
}

// What cannot be written is refused whole, reads go on, and so do writes when there is room again.
func TestFullDiskKeepsNothingInPart(t *testing.T) {
	f := setUp(t)
	f.account("a")
	if err := f.Exec(`PRAGMA max_page_count = 1`); err != nil { // SQLite takes the present size for less
		t.Fatal(err)
	}
	made := 0
	var err error
	for ; made < 1000; made++ {
		if _, err = f.CreateUser(t.Context(), f.admin, identity.NewUser{
			ID: fmt.Sprint(made), Type: identity.Service, FriendlyName: "x", Description: strings.Repeat("x", 4000), PrimaryAccountID: "a",
			Grants: []identity.Grant{in("a", identity.ViewOnly)},
		}); err != nil {
			break
		}
	}
	wantKind(t, err, problem.Unavailable, "")
	if e := err.(*problem.Error); e.Cause == nil || strings.Contains(e.Detail, "full") {
		t.Errorf("told %q, cause %v", e.Detail, e.Cause)
	}
	check := func() {
		t.Helper()
		if _, total, err := f.Users(t.Context(), f.admin, identity.UserFilter{Account: "a"}); err != nil || total != made {
			t.Errorf("%d users, %v; %d were acknowledged", total, err, made)
		}
	}
	check()
	if err := f.Exec(`PRAGMA max_page_count = 100000`); err != nil {
		t.Fatal(err)
	}
	f.service("after", "a")
	made++
	check()
	f.reopen()
	check()
}

func TestPurgedValuesAreOverwritten(t *testing.T) {
	f := setUp(t)
	f.account("a")
	// Among many rows of many sizes, so that pages are split and merged around the one to go.
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 60 {
		if _, err := f.CreateUser(t.Context(), f.admin, identity.NewUser{
			ID: fmt.Sprint("u", i), Type: identity.Standard, UserName: fmt.Sprint("Ersilia-", i), FirstName: "Ersilia", Email: fmt.Sprintf("ersilia%d@example.com", i),
			Phone: "+1 555 0100", Description: "Ersilia " + strings.Repeat("x", r.IntN(4000)), PrimaryAccountID: "a",
			Applications: []identity.Application{{Name: "Ersilia's"}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	holds := func() (out []string) {
		for name, have := range readFiles(t, filepath.Dir(f.path), "") {
			if strings.Contains(strings.ToLower(have), "ersilia") {
				out = append(out, name)
			}
		}
		return out
	}
	if len(holds()) == 0 {
		t.Fatal("the name is in no file: this test looks in the wrong place")
	}
	for i := range 60 {
		if err := f.DeleteUser(t.Context(), f.admin, fmt.Sprint("u", i), true); err != nil {
			t.Fatal(err)
		}
	}
	if got := holds(); len(got) != 0 {
		t.Errorf("%v still hold the purged name", got)
	}
}

// A crash between the purge and the overwriting leaves a note, and the next start does it.
func TestOpenFinishesAPurge(t *testing.T) {
	f := setUp(t)
	f.account("a")
	if err := f.Exec(`PRAGMA secure_delete = off; PRAGMA wal_autocheckpoint = 0`); err != nil {
		t.Fatal(err)
	}
	f.service("Ersilia", "a")
	if err := f.Exec(`DELETE FROM users WHERE id = 'Ersilia'; INSERT INTO meta VALUES ('scrub', x'01')`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(f.path); err != nil || !bytes.Contains(b, []byte("Ersilia")) {
		t.Fatalf("%v: the name is gone already, so nothing is shown", err)
	}
	f.open()
	for name, have := range readFiles(t, filepath.Dir(f.path), "") {
		if strings.Contains(have, "Ersilia") {
			t.Errorf("%s still holds the purged name", name)
		}
	}
}

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

// Readers, writers and sign-ins at once: no reader ever sees half a change.
func TestReadersNeverSeeHalfAChange(t *testing.T) {
	f := setUp(t)
	f.account("a")
	f.account("b")
	f.service("u", "a")
	_, secret := f.token("u", "t")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := f.Authenticate(t.Context(), identity.Credential{Token: secret})
				if err != nil {
					t.Error(err)
					return
				}
				me, err := f.User(t.Context(), c, identity.Me)
				if err != nil {
					t.Errorf("%+v, %v", me, err)
					return
				}
				for _, g := range me.Grants { // a grant never stands without its membership
					found := false
					for _, a := range me.Accounts {
						found = found || a.ID == g.Account
					}
					if !found {
						t.Errorf("granted in %s, which is not among %v", g.Account, me.Accounts)
						return
					}
				}
				if _, _, err := f.Tokens(t.Context(), f.admin, "", identity.Page{}); err != nil {
					t.Error(err)
					return
				}
				if _, err := c.Restrict(identity.ReadTrail, nil); err != nil && problem.KindOf(err) != problem.Denied {
					t.Error(err)
					return
				}
			}
		})
	}
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			for i := range 15 {
				id := fmt.Sprintf("w%d-%d", w, i)
				if _, err := f.CreateUser(t.Context(), f.admin, identity.NewUser{ID: id, Type: identity.Service, FriendlyName: id, PrimaryAccountID: "a"}); err != nil {
					t.Error(err)
				}
				role := identity.Roles()[w]
				if _, err := f.Grant(t.Context(), f.admin, "u", in("b", role)); err != nil {
					t.Error(err)
				}
				if err := f.Revoke(t.Context(), f.admin, "u", in("b", role)); err != nil {
					t.Error(err)
				}
				if err := f.SaveUsage(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	wg.Wait()
	if _, total, err := f.Users(t.Context(), f.admin, identity.UserFilter{Account: "a"}); err != nil || total != 46 {
		t.Errorf("%d users, %v", total, err)
	}
}

// The rights that the database gives back are those of a model that only knows sets, restarts included.
func TestRightsFollowARandomHistory(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	f := setUp(t)
	accounts, users := []string{"a", "b", "c"}, []string{"u", "v", "w"}
	for _, a := range accounts {
		f.account(a)
		f.division(a, "1")
		f.division(a, "2")
	}
	secrets := map[string]string{}
	for _, u := range users {
		f.service(u, accounts[r.IntN(len(accounts))])
		_, secrets[u] = f.token(u, "t")
	}
	type key struct {
		user string
		role identity.Role
		at   string
	}
	model := map[key]identity.Grant{}
	for step := range 400 {
		k := key{user: users[r.IntN(len(users))], role: identity.Roles()[r.IntN(len(identity.Roles()))]}
		g := identity.Grant{Role: k.role, Server: r.IntN(5) == 0 || k.role == identity.Monitor || k.role == identity.ServerOperator}
		if !g.Server {
			k.at = accounts[r.IntN(len(accounts))]
			if g.Account = k.at; r.IntN(2) == 0 && k.role != identity.EventWriter {
				g.Divisions = [][]string{{"1"}, {"2", "1"}}[r.IntN(2)]
			}
		}
		_, there := model[k]
		switch r.IntN(3) {
		case 0:
			err := f.Revoke(t.Context(), f.admin, k.user, g)
			if there != (err == nil) {
				t.Fatalf("seed %d, step %d: revoke %+v of %s: %v", seed, step, g, k.user, err)
			}
			delete(model, k)
		default:
			_, err := f.Grant(t.Context(), f.admin, k.user, g)
			if there == (err == nil) {
				t.Fatalf("seed %d, step %d: grant %+v to %s: %v", seed, step, g, k.user, err)
			}
			if !there {
				model[k] = g
			}
		}
		if r.IntN(50) == 0 {
			f.reopen()
		}
		for _, u := range users {
			c := f.signIn(secrets[u])
			for _, p := range identity.Permissions() {
				onServer := false
				for _, a := range accounts {
					want := false
					for k, g := range model {
						if k.user != u || !k.role.Has(p) {
							continue
						}
						onServer = onServer || g.Server
						want = want || g.Server || k.at == a && (g.Divisions == nil || p == identity.ViewUsers || p == identity.ViewAccounts)
					}
					if c.May(p, a) != want {
						t.Fatalf("seed %d, step %d: %s may %s in %s: %v, want %v", seed, step, u, p, a, !want, want)
					}
				}
				if c.MayServer(p) != onServer {
					t.Fatalf("seed %d, step %d: %s may %s on the server: %v", seed, step, u, p, !onServer)
				}
			}
		}
	}
}

// writerPath is set in the process that TestAcknowledgedChangesSurviveAKill starts and kills.
const writerPath = "IDENTITY_TEST_WRITER"

func TestAcknowledgedChangesSurviveAKill(t *testing.T) {
	if path := os.Getenv(writerPath); path != "" {
		writeUntilKilled(t, path)
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "control.db")
	const chosen = "0123456789abcdef0123456789abcdef"
	acknowledged := map[string]bool{}
	for round := range 5 {
		cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestAcknowledgedChangesSurviveAKill$")
		cmd.Env = append(os.Environ(), writerPath+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if n == 10+round*7 {
				cmd.Process.Kill()
			}
			if id, ok := strings.CutPrefix(lines.Text(), "made "); ok {
				acknowledged[id] = true
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the writer ended by itself")
		}
		d, err := identity.Open(t.Context(), path, identity.Options{MustExist: true})
		if err != nil {
			t.Fatal(err)
		}
		admin, err := d.Authenticate(t.Context(), identity.Credential{Token: chosen})
		if err != nil {
			t.Fatal(err)
		}
		us, _, err := d.Users(t.Context(), admin, identity.UserFilter{Account: "a"})
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, u := range us {
			found[u.ID] = true
			if len(u.Grants) != 2 {
				t.Errorf("user %s was kept with %d of its 2 grants", u.ID, len(u.Grants))
			}
		}
		for id := range acknowledged {
			if !found[id] {
				t.Errorf("round %d: user %s was acknowledged and is gone", round, id)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(acknowledged) < 50 {
		t.Errorf("only %d changes were acknowledged: the test shows little", len(acknowledged))
	}
}

func writeUntilKilled(t *testing.T, path string) {
	d, err := identity.Open(t.Context(), path, identity.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const chosen = "0123456789abcdef0123456789abcdef"
	if _, _, err := d.Bootstrap(t.Context(), chosen); err != nil {
		t.Fatal(err)
	}
	admin, err := d.Authenticate(t.Context(), identity.Credential{Token: chosen})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.CreateAccount(t.Context(), admin, identity.NewAccount{ID: "a", Name: "A"}); err != nil && problem.KindOf(err) != problem.Conflict {
		t.Fatal(err)
	}
	for {
		u, err := d.CreateUser(t.Context(), admin, identity.NewUser{
			Type: identity.Service, FriendlyName: "x", PrimaryAccountID: "a",
			Grants: []identity.Grant{in("a", identity.ViewOnly), in("a", identity.Auditor)},
		})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("made", u.ID)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	f := setUp(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Authenticate(b.Context(), identity.Credential{Token: f.secret}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChange makes one change with 10,000 users there: what each pays for reading back the whole.
func BenchmarkChange(b *testing.B) {
	f := setUp(b)
	if err := f.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 10000)
		INSERT INTO users (id, user_type, status, user_name, first_name, last_name, email, phone, friendly_name, description, locale,
		access_scope, primary_account_id, applications, created_at, created_by)
		SELECT 'u'||i, 'standard', 'ACTIVE', 'user'||i, 'First', 'Last', 'u@example.com', '', '', '', 'en_US', 'account', 'countersign', '[]', 0, '' FROM n;
		INSERT INTO memberships (user_id, account_id) SELECT id, 'countersign' FROM users WHERE id LIKE 'u%' ON CONFLICT DO NOTHING;
		INSERT INTO grants (user_id, role, account_id, created_at, created_by) SELECT id, 'AM_VIEW_ONLY', 'countersign', 0, '' FROM users WHERE id LIKE 'u%';
		INSERT INTO tokens (id, user_id, name, hash, enabled, end_date, created_at, created_by) SELECT 't'||id, id, 't', randomblob(32), 1, '', 0, '' FROM users`); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.CreateAccount(b.Context(), f.admin, identity.NewAccount{Name: "x"}); err != nil {
			b.Fatal(err)
		}
	}
}
