package digicertone_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/event"
)

// row is one line of the report that the vendor's audit-log tutorial builds: an entry joined with what its
// user and account look-ups say.
type row struct {
	Description, At, Action, Type    string
	UserName, Email, UserStatus      string
	AccountName, AccountFriendlyName string
}

// TestTheTutorialsFiveStepsGiveTheWholeReport follows the vendor's guide as a script would, over a trail
// that grows meanwhile, and compares the joined report with what was recorded.
func TestTheTutorialsFiveStepsGiveTheWholeReport(t *testing.T) {
	f := setUp(t)
	s := f.overStore(t)
	events, want := tutorialEvents()
	if _, err := s.Append(t.Context(), events, "test"); err != nil {
		t.Fatal(err)
	}
	const quarter = "from=2026-01-01&to=2026-03-31&resource_types=USER,APIKEY&sort=timestamp:desc"

	// Step 1: a broad query, newest first.
	broad, _ := f.list(t, "viewer", "sort=timestamp:desc")
	if broad.Total != len(events) || broad.Offset != 0 || broad.Limit != 20 || len(broad.Items) != 20 {
		t.Fatalf("step 1: total %d offset %d limit %d with %d items, want %d 0 20 with 20",
			broad.Total, broad.Offset, broad.Limit, len(broad.Items), len(events))
	}
	if !slices.IsSortedFunc(broad.Items, func(a, b item) int { return b.Timestamp.Compare(a.Timestamp) }) {
		t.Error("step 1: not newest first")
	}

	// Step 2: the quarter and the types.
	narrow, _ := f.list(t, "viewer", quarter)
	if narrow.Total != len(want) || len(narrow.Items) != 20 {
		t.Fatalf("step 2: total %d with %d items, want %d with 20", narrow.Total, len(narrow.Items), len(want))
	}

	// Step 3: the complete set in pages of 1000, while others write.
	stop := writing(t, s, len(events))
	var items []item
	users, accounts := map[string]bool{}, map[string]bool{}
	for offset, total := 0, 1; offset < total; offset += 1000 {
		page, _ := f.list(t, "viewer", fmt.Sprintf("%s&offset=%d&limit=1000", quarter, offset))
		if offset > 0 && page.Total != total {
			t.Fatalf("step 3: total %d on one page and %d on another", total, page.Total)
		}
		total = page.Total
		items = append(items, page.Items...)
	}
	stop()
	for _, i := range items {
		if i.User != nil {
			users[i.User.ID] = true
		}
		accounts[i.Account.ID] = true
	}

	// Steps 4 and 5: look up each user and account once.
	userOf, accountOf := map[string]map[string]any{}, map[string]map[string]any{}
	for id := range users {
		userOf[id] = f.lookUp(t, "user/"+id, "User not found.")
	}
	for id := range accounts {
		accountOf[id] = f.lookUp(t, "account/"+id, "Account not found.")
	}
	report := make([]row, 0, len(items))
	for _, i := range items {
		r := row{
			Description: i.Description, At: i.Timestamp.Format(time.RFC3339), Action: i.Action, Type: i.ResourceType,
			AccountName:         accountOf[i.Account.ID]["name"].(string),
			AccountFriendlyName: accountOf[i.Account.ID]["friendly_identifier"].(string),
		}
		if i.User != nil {
			r.UserName, r.UserStatus = i.User.Name, "deleted or unknown"
			if u := userOf[i.User.ID]; u != nil {
				r.Email, r.UserStatus = u["email"].(string), u["status"].(string)
			}
		}
		report = append(report, r)
	}
	// What was written while step 3 was read may be in its first page; it is no part of the comparison.
	report = slices.DeleteFunc(report, func(r row) bool { return r.UserName == "" && r.Type == "USER" })
	if diff := cmp.Diff(want, report); diff != "" {
		t.Errorf("the report is not what was recorded (-want +got):\n%s", diff)
	}
}

// lookUp returns the object at the path, nil when there is none.
func (f *fixture) lookUp(t *testing.T, path, notFound string) map[string]any {
	t.Helper()
	w := f.get(t, "viewer", "/account/api/v1/"+path)
	var object map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &object); err != nil {
		t.Fatal(err)
	}
	if w.Code == http.StatusNotFound {
		want := map[string]any{"errors": []any{map[string]any{"code": "not_found", "message": notFound}}}
		if diff := cmp.Diff(want, object); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		return nil
	}
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return object
}

// tutorialEvents makes events around the first quarter of 2026 and the report that is to come of them,
// newest first.
func tutorialEvents() (events []event.Event, report []row) {
	actors := []struct {
		actor event.Actor
		row   row
	}{
		{event.Actor{ID: event.TextOf("jane"), Name: event.TextOf("jane@example.com")},
			row{UserName: "jane@example.com", Email: "jane@example.com", UserStatus: "ACTIVE"}},
		{event.Actor{ID: event.TextOf("gone"), Name: event.TextOf("gone@example.com")},
			row{UserName: "gone@example.com", Email: "gone@example.com", UserStatus: "DELETED"}},
		{event.Actor{ID: event.TextOf("purged"), Name: event.TextOf("purged@example.com")},
			row{UserName: "purged@example.com", UserStatus: "deleted or unknown"}},
		{event.Actor{ID: event.TextOf("viewer"), Name: event.TextOf("viewer service"), Type: event.ActorService},
			row{UserName: "viewer service", Email: "viewer@example.com", UserStatus: "ACTIVE"}},
	}
	types := []string{"USER", "APIKEY", "BASIC_AUTH"}
	start := time.Date(2025, 12, 31, 12, 0, 0, 0, time.UTC)
	for n := range 5000 {
		at := start.Add(time.Duration(n) * 27 * time.Minute)
		e := made(n, at)
		who := actors[n%len(actors)]
		e.Actor, e.Resource.Type = who.actor, types[n%len(types)]
		e.Normalize("acme")
		events = append(events, e)
		if day := at.Format(time.DateOnly); day < "2026-01-01" || day > "2026-03-31" || e.Resource.Type == "BASIC_AUTH" {
			continue
		}
		r := who.row
		r.Description, r.At, r.Action, r.Type = e.Description.Value, at.Format(time.RFC3339), e.Action, e.Resource.Type
		r.AccountName, r.AccountFriendlyName = "Acme Ltd", "7092363"
		report = append(report, r)
	}
	slices.Reverse(report)
	return events, report
}
