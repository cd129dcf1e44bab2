package identity_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"countersign/identity"
	"countersign/problem"
)

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
