package identity_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"countersign/identity"
)

// filled is a directory with some hundred objects in it.
func filled(t *testing.T) *fixture {
	t.Helper()
	f := setUp(t)
	for i := range 60 {
		id := fmt.Sprintf("account-%d", i)
		f.account(id)
		f.division(id, "emea")
	}
	return f
}

func TestACopyIsTheDatabaseAtOneMoment(t *testing.T) {
	f := filled(t)
	var seen int
	db, err := f.Copy(t.Context(), func() error {
		_, n, err := f.Accounts(t.Context(), f.admin, identity.Page{})
		seen = n
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	f.account("later")
	path := filepath.Join(t.TempDir(), "control.db")
	if err := os.WriteFile(path, db, 0o600); err != nil {
		t.Fatal(err)
	}
	key, damage, err := identity.Check(t.Context(), path)
	if err != nil || len(damage) > 0 || !bytes.Equal(key, f.DedupKey()) {
		t.Fatalf("the copy: %v, %v", damage, err)
	}
	there, err := identity.Open(t.Context(), path, identity.Options{Now: f.clock.Now, MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	admin, err := there.Authenticate(t.Context(), identity.Credential{Token: f.secret})
	if err != nil {
		t.Fatal(err)
	}
	if _, n, err := there.Accounts(t.Context(), admin, identity.Page{}); err != nil || n != seen || n != 61 {
		t.Errorf("%d accounts, %d when it was copied, %v", n, seen, err)
	}
	broken := errors.New("broken")
	if _, err := f.Copy(t.Context(), func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("what failed meanwhile: %v", err)
	}
}

func TestCheckFindsDamageAndChangesNothing(t *testing.T) {
	f := filled(t)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	if key, damage, err := identity.Check(t.Context(), f.path); err != nil || len(damage) > 0 || len(key) != 32 {
		t.Fatalf("a whole one: %v, %v", damage, err)
	}
	if names, _ := filepath.Glob(f.path + "*"); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for name, damage := range map[string]func(b []byte) []byte{
		"cut off":           func(b []byte) []byte { return b[:len(b)/2] },
		"empty":             func([]byte) []byte { return nil },
		"something else":    func(b []byte) []byte { return bytes.Repeat([]byte("no database"), 1000) },
		"a page of zeros":   func(b []byte) []byte { clear(b[8192:12288]); return b },
		"the start is gone": func(b []byte) []byte { clear(b[:100]); return b },
		"a page of another": func(b []byte) []byte { copy(b[8192:12288], b[4096:8192]); return b },
		"random pages": func(b []byte) []byte {
			for i := 4096; i < len(b); i++ {
				b[i] = byte(r.Uint32())
			}
			return b
		},
	} {
		path := filepath.Join(t.TempDir(), "control.db")
		b := damage(bytes.Clone(whole))
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, found, err := identity.Check(t.Context(), path)
		if err != nil || len(found) == 0 {
			t.Errorf("%s: %v, %v", name, found, err)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, b) {
			t.Errorf("%s: the file was changed, %v", name, err)
		}
	}
	if _, found, err := identity.Check(t.Context(), filepath.Join(t.TempDir(), "none")); err != nil || len(found) != 1 || !strings.Contains(found[0], "missing") {
		t.Errorf("none: %v, %v", found, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := identity.Check(ended, f.path); err == nil {
		t.Error("a check that was given up is one that found nothing")
	}
}

// A server that was killed leaves a log beside the database.
func TestCheckTakesTheLogOfAKilledServer(t *testing.T) {
	f := filled(t)
	dir := t.TempDir()
	for _, name := range []string{"control.db", "control.db-wal"} {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(f.path), name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key, damage, err := identity.Check(t.Context(), filepath.Join(dir, "control.db"))
	if err != nil || len(damage) > 0 || !bytes.Equal(key, f.DedupKey()) {
		t.Errorf("%v, %v", damage, err)
	}
}
