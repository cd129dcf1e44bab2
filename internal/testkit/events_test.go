package testkit_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/event"
	"countersign/internal/testkit"
	"countersign/query"
)

var (
	quarter = now.AddDate(0, 0, -90)

	actions = strings.Fields(`CREATE UPDATE DELETE LOGIN LOGOUT LOGIN_ERROR UPDATE_PASSWORD UPDATE_TOTP DISABLED ENABLED
		SEND_RESET_PASSWORD TERMS_AND_CONDITIONS LICENSE_REGISTERED FEATURE_ENABLED FEATURE_DISABLED LOW_LICENSE_WARNING_SENT
		ACCOUNT_EXPIRY_EMAIL_SENT API_ACCESS_TOKEN_EXPIRY_EMAIL_SENT CLIENT_AUTH_CERT_EXPIRY_EMAIL_SENT
		SERVICE_USER_EXPIRY_EMAIL_SENT SAML_IDP_CERT_EXPIRY_EMAIL_SENT`)
	types = strings.Fields(`ACCOUNT USER SERVICE_USER APIKEY CLIENT_AUTH_CERT SAML2_CONFIG OIDC_CONFIG SSO_SAML SSO_OIDC
		OAUTH_CLIENT OAUTH_CONFIG LICENSE ROLE BASIC_AUTH DIGEST_AUTH BASIC_AUTH_MFA SSO_SAML_MFA CLIENT_AUTH_CERT_MFA SSO_OIDC_MFA`)
)

func collect(e *testkit.Estate, seed uint64, n int, from, to time.Time) []event.Event {
	return slices.Collect(e.Events(seed, n, from, to))
}

func TestEventsAreValidInOrderAndInTheWindow(t *testing.T) {
	const n = 50_000
	events := collect(testkit.NewEstate(1, now), 1, n, quarter, now)
	if len(events) != n {
		t.Fatalf("%d events, want %d", len(events), n)
	}
	ids := map[[3]string]bool{}
	var last event.Micros
	for i, e := range events {
		if err := e.Validate(); err != nil {
			t.Fatalf("event %d: %v\n%+v", i, err, e)
		}
		same := e
		if same.Normalize(""); !reflect.DeepEqual(e, same) {
			t.Fatalf("event %d is not normalized: %+v", i, e)
		}
		key := [3]string{e.Account.ID, e.Source, e.ID}
		if ids[key] {
			t.Fatalf("id %s twice", e.ID)
		}
		ids[key] = true
		second := e.OccurredAt / 1_000_000
		if second < last || second < event.MicrosOf(quarter)/1_000_000 || e.OccurredAt >= event.MicrosOf(now) {
			t.Fatalf("event %d at %v is out of order or out of the window", i, e.OccurredAt)
		}
		last = second
	}
}

func TestEventsHaveTheWholeVocabulary(t *testing.T) {
	const n = 100_000
	events := collect(testkit.NewEstate(1, now), 1, n, quarter, now)
	count := map[string]int{}
	for _, e := range events {
		if e.Source == testkit.SourceAccountManager {
			count[e.Action]++
			count["type "+e.Resource.Type]++
		}
		count[e.Source]++
		for what, is := range map[string]bool{
			"system actor": e.Actor.Type == event.ActorSystem, "service actor": e.Actor.Type == event.ActorService,
			"raw": e.Raw.Present, "failure": e.Outcome == event.OutcomeFailure, "line end": strings.Contains(e.Detail.Value, "\n"),
			"not ASCII":        strings.ContainsFunc(e.Actor.Name.Value, func(r rune) bool { return r > 127 }),
			"state before":     slices.ContainsFunc(e.Attributes, func(a event.Attribute) bool { return strings.HasPrefix(a.Name, "before.") }),
			"division":         e.Division.ID.Present,
			"line end in name": strings.ContainsRune(e.Actor.Name.Value, '\n'),
		} {
			if is {
				count[what]++
			}
		}
	}
	for _, a := range actions {
		if count[a] < 20 {
			t.Errorf("action %s: %d times", a, count[a])
		}
	}
	for _, ty := range types {
		if count["type "+ty] < 20 {
			t.Errorf("resource type %s: %d times", ty, count["type "+ty])
		}
	}
	for _, s := range []string{testkit.SourceTrustLifecycle, testkit.SourceIoT, testkit.SourceDiscovery, testkit.SourceKeyfactor} {
		if count[s] < n/50 {
			t.Errorf("source %s: %d times", s, count[s])
		}
	}
	for _, what := range []string{"system actor", "service actor", "raw", "failure", "line end", "not ASCII", "state before", "division", "line end in name"} {
		if count[what] < 10 || count[what] > n*9/10 {
			t.Errorf("%s: %d times", what, count[what])
		}
	}
	if signIns := count["LOGIN"]; signIns < n/4 {
		t.Errorf("only %d sign-ins", signIns)
	}
}

func TestEventsKeepOfficeHours(t *testing.T) {
	byHour, byDay := map[int]int{}, map[time.Weekday]int{}
	for _, e := range collect(testkit.NewEstate(1, now), 1, 50_000, quarter, now) {
		byHour[e.OccurredAt.Time().Hour()]++
		byDay[e.OccurredAt.Time().Weekday()]++
	}
	if byHour[10] < 5*byHour[2] || byDay[time.Tuesday] < 4*byDay[time.Sunday] {
		t.Errorf("by hour %v, by day %v", byHour, byDay)
	}
}

func TestEventsHaveTheSizeOfRealOnes(t *testing.T) {
	const n = 10_000
	size := 0
	for e := range testkit.NewEstate(1, now).Events(1, n, quarter, now) {
		size += len(event.AppendJSON(nil, &e))
	}
	if mean := size / n; mean < 500 || mean > 650 {
		t.Errorf("%d bytes of JSON an event", mean)
	}
}

func TestTheSameSeedGivesTheSameEvents(t *testing.T) {
	first := collect(testkit.NewEstate(7, now), 3, 5000, quarter, now)
	if !reflect.DeepEqual(first, collect(testkit.NewEstate(7, now), 3, 5000, quarter, now)) {
		t.Error("two runs differ")
	}
	// Of another seed come other events, but for the planted ones, which are the same to the byte.
	byID := map[string]event.Event{}
	for _, e := range first {
		byID[e.Account.ID+e.Source+e.ID] = e
	}
	same := 0
	for _, e := range collect(testkit.NewEstate(7, now), 4, 5000, quarter, now) {
		if other, ok := byID[e.Account.ID+e.Source+e.ID]; ok {
			same++
			if !reflect.DeepEqual(e, other) {
				t.Errorf("one id, two events: %+v and %+v", e, other)
			}
		}
	}
	if want := storyEntries(testkit.NewEstate(7, now)) + 2; same != want {
		t.Errorf("%d events of both seeds, want the %d planted", same, want)
	}
}

func storyEntries(e *testkit.Estate) int {
	n := 0
	for _, s := range e.Stories() {
		n += s.Entries
	}
	return n
}

func TestStoriesAreFoundByTheirSearches(t *testing.T) {
	for seed := range uint64(5) {
		for shift := range 7 { // whatever weekday it is
			e := testkit.NewEstate(seed, now.AddDate(0, 0, shift))
			events := collect(e, seed, 3000, e.Now.AddDate(0, 0, -90), e.Now)
			for _, s := range e.Stories() {
				f, err := query.Parse(s.Search)
				if err != nil {
					t.Fatalf("%s: %s: %v", s.Name, s.Search, err)
				}
				match, found := query.Compile(f), 0
				for i := range events {
					if match(&event.Entry{Event: events[i]}) {
						found++
					}
				}
				if found != s.Entries {
					t.Errorf("%s: %s finds %d entries, want %d", s.Name, s.Search, found, s.Entries)
				}
			}
		}
	}
}

func TestWhoIsGoneDoesNothingButTheStory(t *testing.T) {
	e := testkit.NewEstate(1, now)
	acts := map[string]int{}
	for _, ev := range collect(e, 1, 30_000, quarter, now) {
		for name, u := range map[string]*testkit.User{"deleted": e.Deleted, "purged": e.Purged} {
			if ev.Actor.ID.Value != u.ID {
				continue
			}
			if ev.OccurredAt > event.MicrosOf(u.DeletedAt) {
				acts[name+" after"]++
			} else {
				acts[name+" before"]++
			}
		}
	}
	if acts["deleted before"] < 10 || acts["purged before"] < 10 || acts["deleted after"] != 3 || acts["purged after"] != 0 {
		t.Errorf("%v", acts)
	}
}

func TestEventsOfOddWindows(t *testing.T) {
	e := testkit.NewEstate(1, now)
	tests := []struct {
		name     string
		n        int
		from, to time.Time
	}{
		{"none", 0, quarter, now},
		{"fewer than the stories have", 5, quarter, now},
		{"a minute", 100, now.Add(-time.Minute), now},
		{"a microsecond", 10, now, now.Add(time.Microsecond)},
		{"years ago", 1000, now.AddDate(-5, 0, 0), now.AddDate(-4, 0, 0)},
		{"years ahead", 1000, now.AddDate(4, 0, 0), now.AddDate(5, 0, 0)},
		{"before 1970", 1000, time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1960, 1, 2, 0, 0, 0, 0, time.UTC)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := collect(e, 1, tt.n, tt.from, tt.to)
			if len(got) != tt.n {
				t.Fatalf("%d events, want %d", len(got), tt.n)
			}
			for _, ev := range got {
				if err := ev.Validate(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	for range e.Events(1, 1000, quarter, now) {
		break // an iterator may be left at once
	}
}

func BenchmarkEvents(b *testing.B) {
	e := testkit.NewEstate(1, now)
	b.ReportAllocs()
	for b.Loop() {
		for range e.Events(1, 1000, quarter, now) {
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/event")
}
