package identity_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	f.record(&trail{})
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
	f.record(&trail{})
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
