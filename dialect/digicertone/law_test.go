package digicertone_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"countersign/dialect/digicertone"
	"countersign/event"
	"countersign/identity"
	"countersign/internal/testkit"
	"countersign/query"
)

// item is one rendered entry as a client reads it.
type item struct {
	ID           string     `json:"id"`
	Account      reference  `json:"account"`
	ResourceType string     `json:"resource_type"`
	ResourceID   string     `json:"resource_id"`
	ResourceName string     `json:"resource_name"`
	Action       string     `json:"action"`
	User         *reference `json:"user"`
	Timestamp    time.Time  `json:"timestamp"`
	Description  string     `json:"description"`
	Status       string     `json:"status"`
}

type reference struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// law is one filter parameter: what an item shows for it, other values it is asked for, and whether an
// item stands in its relation to a value. It is written from docs/compatibility.md and looks at rendered
// items only.
type law struct {
	name   string
	shown  func(i *item) string
	others []string
	agrees func(i *item, v string) bool
}

var laws = []law{
	{"user_name", func(i *item) string {
		if i.User == nil {
			return "null"
		}
		return i.User.Name
	}, []string{"a", "j", "jane", "JANE", "ane@", "Zoë", "zOË", "ß", "ſ", "K", "system", "Timer", "x y", "%", "null"},
		func(i *item, v string) bool {
			return i.User != nil && strings.Contains(foldForTest(i.User.Name), foldForTest(v))
		}},
	{"action", func(i *item) string { return i.Action }, []string{"CREATE", "LOGIN", "DELETE", "NOPE", "*"},
		func(i *item, v string) bool { return i.Action == v }},
	{"resource_types", func(i *item) string { return i.ResourceType },
		[]string{"USER,APIKEY", "USER, BASIC_AUTH", ",,ROLE,,SENSOR,", "user,apikey", "NOPE", "USERAPIKEY"},
		func(i *item, v string) bool {
			return slices.ContainsFunc(strings.Split(v, ","), func(m string) bool { return i.ResourceType == strings.Trim(m, " ") })
		}},
	{"resource_id", func(i *item) string { return i.ResourceID }, []string{"1", "01", " 1", "677793", "null"},
		func(i *item, v string) bool { return i.ResourceID == v }},
	{"account_id", func(i *item) string { return i.Account.ID }, []string{"5153184", "515318", "example ltd", "Example Ltd"},
		func(i *item, v string) bool { return i.Account.ID == v }},
	{"status", func(i *item) string { return strings.ToUpper(i.Status) },
		[]string{"SUCCESS", "FAILURE", "UNKNOWN", "WARNING", "success", "failure", "Success", "warning", " SUCCESS"},
		func(i *item, v string) bool { return v == strings.ToUpper(i.Status) }},
	{"from", func(i *item) string { return i.Timestamp.Format(time.DateOnly) },
		[]string{"0000-01-01", "1970-01-01", "2026-01-01", "2026-02-14", "2026-03-31", "2026-04-01", "9999-12-31"},
		func(i *item, v string) bool { return i.Timestamp.Format(time.DateOnly) >= v }},
	{"to", func(i *item) string { return i.Timestamp.Format(time.DateOnly) },
		[]string{"0000-01-01", "1969-12-31", "2025-12-31", "2026-02-14", "2026-03-30", "2026-03-31", "9999-12-31"},
		func(i *item, v string) bool { return i.Timestamp.Format(time.DateOnly) <= v }},
}

// value returns what to ask for: what this item shows, or a piece of it, or it in other case, or another
// value. It is never empty, since an empty parameter counts as not given.
func (l *law) value(r *rand.Rand, i *item) string {
	v := l.shown(i)
	switch r.IntN(6) {
	case 0:
	case 1:
		if day := strings.Count(v, "-") == 2 && (l.name == "from" || l.name == "to"); !day {
			runes := []rune(v)
			from := r.IntN(len(runes) + 1)
			v = string(runes[from : from+r.IntN(len(runes)-from+1)])
		}
	case 2:
		v = strings.ToUpper(v)
	case 3:
		v = strings.ToLower(v)
	default:
		v = l.others[r.IntN(len(l.others))]
	}
	if v == "" {
		return l.others[0]
	}
	return v
}

// foldForTest folds case by another way than query.Fold: each character becomes the largest of those that
// unicode holds equal to it.
func foldForTest(s string) string {
	return strings.Map(func(c rune) rune {
		largest := c
		for other := unicode.SimpleFold(c); other != c; other = unicode.SimpleFold(other) {
			largest = max(largest, other)
		}
		return largest
	}, s)
}

func randomEntry(r *rand.Rand, seq uint64) *event.Entry {
	return &event.Entry{Event: testkit.Random(r), Seq: seq}
}

func TestAnEntryIsMatchedExactlyWhenWhatIsShownAgrees(t *testing.T) {
	events := 100_000
	if testing.Short() {
		events = 20_000
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	met := map[string][2]int{}
	for n := range uint64(events) {
		e := randomEntry(r, n)
		var shown item
		if err := json.Unmarshal(digicertone.AppendItem(nil, e), &shown); err != nil {
			t.Fatalf("entry %d is not JSON: %v", n, err)
		}
		all, wanted := url.Values{}, true
		for _, l := range laws {
			v := l.value(r, &shown)
			agrees := l.agrees(&shown, v)
			if got := matches(t, url.Values{l.name: {v}}, e); got != agrees {
				t.Fatalf("%s=%q: matched %t, yet the item says %t: %s", l.name, v, got, agrees, digicertone.AppendItem(nil, e))
			}
			count := met[l.name]
			if agrees {
				count[0]++
			} else {
				count[1]++
			}
			met[l.name] = count
			// Together they must all agree. A period that ends before it begins is an error of its own.
			if r.IntN(4) == 0 && l.name != "from" {
				all.Set(l.name, v)
				wanted = wanted && agrees
			}
		}
		if got := matches(t, all, e); got != wanted {
			t.Fatalf("%s: matched %t, yet the item says %t: %s", all.Encode(), got, wanted, digicertone.AppendItem(nil, e))
		}
	}
	for _, l := range laws {
		if c := met[l.name]; c[0] < events/1000 || c[1] < events/1000 {
			t.Errorf("%s was met %d times and missed %d times: too rare to say anything", l.name, c[0], c[1])
		}
	}
}

func TestOurOwnEntriesAreLeftOutUnlessAskedFor(t *testing.T) {
	f := setUp(t)
	caller, err := f.Directory.Authenticate(t.Context(), identity.Credential{Token: f.Tokens["root"]})
	if err != nil {
		t.Fatal(err)
	}
	sees := func(includeSelf bool, e *event.Entry) bool {
		filter, err := digicertone.Searchable(caller, nil, includeSelf)
		if err != nil {
			t.Fatal(err)
		}
		return query.Matches(filter, e)
	}
	out := 0
	for _, source := range []string{"countersign/audit", "countersign/x", "countersign-not", "example/countersign/"} {
		for _, resourceType := range []string{"AUDIT_LOG", "SERVER", "SOURCE", "USER", "APIKEY", "AUTHORIZATION_FAILURE"} {
			for _, action := range event.KnownActions() {
				e := &event.Entry{Event: event.Event{Source: source, Action: action, Resource: event.Resource{Type: resourceType}}}
				own := event.MatchesAny(event.SelfOnly(), &e.Event)
				if own {
					out++
				}
				if got := sees(false, e); got == own {
					t.Errorf("%s on %s of %s: shown %t", action, resourceType, source, got)
				}
				if !sees(true, e) {
					t.Errorf("%s on %s of %s: not shown with include_self", action, resourceType, source)
				}
			}
		}
	}
	if out != 2*20 {
		t.Errorf("%d entries of our own, want 20 kinds from 2 sources", out)
	}
}

func matches(t *testing.T, v url.Values, e *event.Entry) bool {
	t.Helper()
	q, _, err := digicertone.DecodeSearch(v.Encode())
	if err != nil {
		t.Fatalf("%s: %v", v.Encode(), err)
	}
	return query.Matches(q.Filter, e)
}

// TestSortedEntriesShowValuesInOrder holds the order of each sort to what is shown: never a value before a
// smaller one, and between equal ones the order of recording.
func TestSortedEntriesShowValuesInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	entries := make([]*event.Entry, 2000)
	shown := map[uint64]item{}
	for n := range entries {
		entries[n] = randomEntry(r, uint64(n))
		var i item
		if err := json.Unmarshal(digicertone.AppendItem(nil, entries[n]), &i); err != nil {
			t.Fatal(err)
		}
		shown[uint64(n)] = i
	}
	keys := map[string]func(i item) string{
		"timestamp":   func(i item) string { return i.Timestamp.Format("2006-01-02T15:04:05.000000") },
		"action":      func(i item) string { return query.Fold(i.Action) + "\x00" + i.Action },
		"status":      func(i item) string { return i.Status },
		"description": func(i item) string { return query.Fold(i.Description) + "\x00" + i.Description },
	}
	for name, key := range keys {
		for _, direction := range []string{"", ":asc", ":desc"} {
			q, _, err := digicertone.DecodeSearch("sort=" + name + direction)
			if err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(entries, q.Sort.Compile())
			for n := 1; n < len(entries); n++ {
				a, b := entries[n-1], entries[n]
				if direction == ":desc" {
					a, b = b, a
				}
				ka, kb := key(shown[a.Seq]), key(shown[b.Seq])
				// An absent and an empty description are shown alike but are two values of the order.
				tie := ka == kb && a.Description.Present == b.Description.Present
				if ka > kb || tie && a.Seq > b.Seq {
					t.Fatalf("sort=%s%s: %q (seq %d) stands before %q (seq %d)", name, direction, ka, a.Seq, kb, b.Seq)
				}
			}
		}
	}
}
