package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/store/storetest"
)

// Who changed what, from where, and what it was before: in our own API and in the vendor's.
func TestChangesAreInTheTrail(t *testing.T) {
	p := serve(t, t.TempDir())
	p.make(t, "/api/v1/accounts", map[string]any{"id": "acme", "name": "Acme"})
	p.make(t, "/api/v1/users", map[string]any{"id": "joe", "user_type": "standard", "user_name": "joe@example.com", "primary_account_id": "acme"})
	p.run(t, "user", "update", "joe", "--status", "LOCKED")
	p.run(t, "role", "grant", "--user", "joe", "--role", "AM_ACCOUNT_ADMIN@acme")
	p.run(t, "role", "revoke", "--user", "joe", "--role", "AM_ACCOUNT_ADMIN@acme")

	type entry struct {
		Action      string
		Description string
		RecordedBy  string            `json:"recorded_by"`
		Attributes  map[string]string `json:"attributes"`
		Account     struct{ ID, Name string }
		Resource    struct{ Type, ID, Name string }
		Actor       struct{ ID, Name, Type string }
		Client      struct{ IP string }
	}
	var page struct {
		Items []entry `json:"items"`
	}
	p.get(t, "/api/v1/events?sort=seq:asc&q="+url.QueryEscape("source:=countersign/identity account.id:=acme"), &page)
	var me struct{ ID string }
	p.get(t, "/api/v1/users/me", &me)
	got := ""
	for _, e := range page.Items {
		got += fmt.Sprintln(e.Action, e.Resource.Type, e.Resource.ID, e.Resource.Name, "|", e.Description, "|", e.Attributes["before.status"], e.Attributes["after.status"],
			e.Attributes["before.role"], e.Attributes["after.role"])
		if e.Actor.ID != me.ID || e.Actor.Name != "Administrator" || e.Actor.Type != "service" || e.RecordedBy != me.ID || e.Account.Name != "Acme" || e.Client.IP != "127.0.0.1" {
			t.Errorf("by whom, where: %+v", e)
		}
	}
	want := `CREATE ACCOUNT acme Acme | Account Acme was created |    
CREATE USER joe joe@example.com | User joe@example.com was created |  ACTIVE  
DISABLED USER joe joe@example.com | User joe@example.com was disabled | ACTIVE LOCKED  
UPDATE ROLE joe AM_ACCOUNT_ADMIN | Role AM_ACCOUNT_ADMIN was given to joe@example.com |    AM_ACCOUNT_ADMIN
UPDATE ROLE joe AM_ACCOUNT_ADMIN | Role AM_ACCOUNT_ADMIN was taken from joe@example.com |   AM_ACCOUNT_ADMIN 
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	var vendors struct {
		Total int
		Items []struct {
			ResourceName string `json:"resource_name"`
			User         struct{ Name string }
		}
	}
	p.get(t, "/account/api/v1/audit-log?action=DISABLED&resource_types=USER&account_id=acme&status=SUCCESS", &vendors)
	if vendors.Total != 1 || vendors.Items[0].ResourceName != "joe@example.com" || vendors.Items[0].User.Name != "Administrator" {
		t.Errorf("the vendor's API shows %+v", vendors)
	}
	// The first start, by nobody but the server itself.
	p.get(t, "/api/v1/events?q="+url.QueryEscape("source:=countersign/identity actor.type:=system"), &page)
	made := map[string]int{}
	for _, e := range page.Items {
		made[e.Action+" "+e.Resource.Type]++
	}
	if made["CREATE ACCOUNT"] != 1 || made["CREATE SERVICE_USER"] != 1 || made["CREATE APIKEY"] != 1 || made["UPDATE ROLE"] != 8 || len(made) != 4 {
		t.Errorf("the first start is recorded as %v", made)
	}
}

// TestKillLeavesEachChangeInBothOnce kills the server in the middle of changes to its users, again and again.
// Whoever is there is in the trail once, whoever was acknowledged is there, and nobody else is in the trail.
func TestKillLeavesEachChangeInBothOnce(t *testing.T) {
	rounds := 6
	if os.Getenv("COUNTERSIGN_SOAK") != "" {
		rounds = 200
	}
	r := rand.New(rand.NewPCG(storetest.Seed(t), 0))
	dir := t.TempDir()
	acked := map[string]bool{}
	for round := range rounds {
		p := serve(t, dir)
		checkUsers(t, p, acked)
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex // guards acked while the writers run
		var writers sync.WaitGroup
		for w := range 4 {
			writers.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					id := fmt.Sprintf("r%d-w%d-%d", round, w, i)
					body := fmt.Sprintf(`{"id":%q,"user_type":"service","friendly_name":"x","primary_account_id":"countersign"}`, id)
					status, _, err := p.post(ctx, "/api/v1/users", "application/json", strings.NewReader(body))
					if err != nil || status != http.StatusCreated {
						continue // killed: what became of it is open
					}
					mu.Lock()
					acked[id] = true
					mu.Unlock()
				}
			})
		}
		time.Sleep(time.Duration(50+r.IntN(300)) * time.Millisecond)
		p.kill()
		cancel()
		writers.Wait()
	}
	p := serve(t, dir)
	checkUsers(t, p, acked)
	t.Logf("%d changes acknowledged in %d rounds", len(acked), rounds)
	if len(acked) < rounds*5 {
		t.Fatalf("only %d changes were acknowledged: the test did not test much", len(acked))
	}
	p.stop(t)
}

func checkUsers(t *testing.T, p *process, acked map[string]bool) {
	t.Helper()
	told := map[string]bool{}
	for line := range strings.Lines(p.export(t, "source:=countersign/identity action:=CREATE resource.type:=SERVICE_USER")) {
		var e struct {
			Resource struct{ ID string } `json:"resource"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if told[e.Resource.ID] {
			t.Fatalf("user %s is in the trail twice", e.Resource.ID)
		}
		told[e.Resource.ID] = e.Resource.ID != "" // but for the last line
	}
	delete(told, "")
	there := map[string]bool{}
	for offset := 0; ; offset += 1000 {
		var page struct {
			Items []struct{ ID string } `json:"items"`
		}
		p.get(t, fmt.Sprintf("/api/v1/users?limit=1000&offset=%d", offset), &page)
		for _, u := range page.Items {
			if there[u.ID] = true; !told[u.ID] {
				t.Fatalf("user %s is there and not in the trail", u.ID)
			}
		}
		if len(page.Items) == 0 {
			break
		}
	}
	for id := range told {
		if !there[id] {
			t.Fatalf("user %s is in the trail and not there", id)
		}
	}
	for id := range acked {
		if !there[id] {
			t.Fatalf("user %s was acknowledged and is gone", id)
		}
	}
}
