package discovery_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"countersign/dialect/discovery"
	"countersign/event"
	"countersign/identity"
	"countersign/internal/testkit"
	"countersign/query"
	"countersign/store"
)

// row is one rendered entry as a client reads it.
type row struct {
	ID           int64
	UserID       *int64
	UserName     string
	DivisionID   *int64
	DivisionName string
	Module       string
	Function     string
	Message      string
	IPAddress    string
	IPCountry    string
	CreatedDate  int64
}

// numbers are the integers that stand for ids, given out in the order of the entries as the trail does.
type numbers struct {
	ofID map[store.IDKind]map[string]int64
	ids  map[store.IDKind]map[int64]string
}

func newNumbers() numbers {
	n := numbers{map[store.IDKind]map[string]int64{}, map[store.IDKind]map[int64]string{}}
	for _, k := range []store.IDKind{store.UserID, store.DivisionID} {
		n.ofID[k], n.ids[k] = map[string]int64{}, map[int64]string{}
	}
	return n
}

func (n numbers) note(e *event.Entry) {
	for k, id := range map[store.IDKind]event.Text{store.UserID: e.Actor.ID, store.DivisionID: e.Division.ID} {
		if _, known := n.IntegerID(k, id.Value); id.Present && !known {
			made := 1_000_000_000_000 + int64(e.Seq)
			n.ofID[k][id.Value], n.ids[k][made] = made, id.Value
		}
	}
}

func (n numbers) IntegerID(k store.IDKind, id string) (int64, bool) {
	if own, err := strconv.ParseInt(id, 10, 32); err == nil && own > 0 && fmt.Sprint(own) == id {
		return own, true
	}
	made, ok := n.ofID[k][id]
	return made, ok
}

func (n numbers) IDOfInteger(k store.IDKind, i int64) (string, bool) {
	if i > 0 && i < 1<<31 {
		return fmt.Sprint(i), true
	}
	id, ok := n.ids[k][i]
	return id, ok
}

// lawTrail is a trail of which only the integers are asked for.
type lawTrail struct {
	discovery.Trail
	numbers
}

func (t lawTrail) IntegerID(k store.IDKind, id string) (int64, bool) {
	return t.numbers.IntegerID(k, id)
}
func (t lawTrail) IDOfInteger(k store.IDKind, n int64) (string, bool) {
	return t.numbers.IDOfInteger(k, n)
}

var (
	lawActions   = []string{"CREATE", "CREATE_SERVICE", "ABORT", "DOWNLOAD", "LOGIN_ERROR", "CERTIFICATES_EXPIRING_IN_90_DAYS", "_", "A__B", "_A"}
	lawTypes     = []string{"USER", "SERVICE_USER", "SCAN", "SENSOR", "ERROR_BASIC_AUTH", "_", "B", "A_", "POLICY"}
	lawFunctions = []string{
		"Abort scan", "abort SCAN", "Create user", "create service user", "Certificates expiring in 90 days", "Zoë ſ", "", " ", "   ", "a b", "Create",
		"user", "A  b b", "login error basic auth", "Login_error basic auth",
	}
	lawNames  = []string{"system", "SYSTEM", "Jane", "jane@example.com", "Zoë", "ZOË", "ß", "ſ", "K", "", "null", "Timer Service", "u-17", "7286246"}
	lawPlaces = []string{"", "192.0.2.1", "2001:DB8::1", "2001:db8::1", "emea", "EMEA", "Zoë"}
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// randomEntry returns an entry that may have words of the vendor's own.
func randomEntry(r *rand.Rand, seq uint64) *event.Entry {
	e := &event.Entry{Event: testkit.Random(r), Seq: seq}
	if r.IntN(2) == 0 {
		e.Action, e.Resource.Type = pick(r, lawActions), pick(r, lawTypes)
	}
	if r.IntN(4) == 0 {
		e.Source = "discovery/certcentral"
		e.Attributes = nil
		for _, a := range []event.Attribute{
			{Name: "discovery.divisionId", Value: pick(r, []string{"677793", "-5", "0", "999999999999", "9007199254740991"})},
			{Name: "discovery.function", Value: pick(r, lawFunctions)},
			{Name: "discovery.module", Value: pick(r, lawFunctions)},
			{Name: "discovery.userId", Value: pick(r, []string{"-1", "7286246", "0"})},
		} {
			if r.IntN(2) == 0 {
				e.Attributes = append(e.Attributes, a)
			}
		}
	}
	return e
}

// law is one way in which a request says which rows it wants. ask returns what to write into the request,
// given what a row shows, and whether that row agrees with it. It is written from docs/compatibility.md and
// looks at rendered rows only.
type law struct {
	name string
	ask  func(r *rand.Rand, shown *row) (value any, agrees bool)
}

// textLaw is a criterion on a text: one of the values is the one shown, ignoring case.
func textLaw(key string, others []string, of func(*row) string) law {
	return law{key, func(r *rand.Rand, shown *row) (any, bool) {
		var values []string
		agrees := false
		for range 1 + r.IntN(3) {
			v := of(shown)
			switch r.IntN(8) {
			case 0:
			case 1:
				v = strings.ToUpper(v)
			case 2:
				v = strings.ToLower(v)
			case 3:
				runes := []rune(v)
				from := r.IntN(len(runes) + 1)
				v = string(runes[from : from+r.IntN(len(runes)-from+1)])
			case 4:
				v = strings.ReplaceAll(v, " ", "_")
			default:
				v = pick(r, others)
			}
			values = append(values, v)
			agrees = agrees || foldForTest(v) == foldForTest(of(shown))
		}
		return values, agrees
	}}
}

var laws = []law{
	textLaw("userName", lawNames, func(s *row) string { return s.UserName }),
	textLaw("function", lawFunctions, func(s *row) string { return s.Function }),
	textLaw("ipAddress", lawPlaces, func(s *row) string { return s.IPAddress }),
	textLaw("divisionName", lawPlaces, func(s *row) string { return s.DivisionName }),
	{"dateRange", askForDates},
}

// askForDates returns a range in any of its forms.
func askForDates(r *rand.Rand, shown *row) (any, bool) {
	var text [2]any
	var ms [2]int64 // the first and the last millisecond that belong to it
	for i := range 2 {
		at := shown.CreatedDate
		switch r.IntN(4) {
		case 0:
			at += r.Int64N(5) - 2
		case 1:
			at += r.Int64N(4*86_400_000) - 2*86_400_000
		case 2:
			at = r.Int64N(1 << 41)
		}
		at = min(max(at, int64(event.MinMicros)/1000), int64(event.MaxMicros)/1000)
		ms[i] = at
		switch t := time.UnixMilli(at).UTC(); r.IntN(5) {
		case 0:
			text[i] = strconv.FormatInt(at, 10)
		case 1:
			text[i] = at
		case 2:
			text[i] = t.Format(time.DateOnly)
			day := at - ((at%86_400_000)+86_400_000)%86_400_000
			ms[i] = day
			if i == 1 {
				ms[i] = day + 86_399_999
			}
		case 3:
			// Less than a millisecond later: as a beginning it leaves the millisecond out.
			text[i] = t.Add(time.Microsecond * time.Duration(1+r.IntN(999))).Format(time.RFC3339Nano)
			if i == 0 {
				ms[i]++
			}
		default:
			text[i] = t.Format(time.RFC3339Nano)
		}
	}
	agrees := ms[0] <= shown.CreatedDate && shown.CreatedDate <= ms[1]
	if ms[0] > ms[1] { // an error, tested elsewhere; and one end alone
		if r.IntN(2) == 0 {
			return []string{fmt.Sprint("dateFrom:", text[0])}, ms[0] <= shown.CreatedDate
		}
		return map[string]any{"dateTo": text[1]}, shown.CreatedDate <= ms[1]
	}
	switch r.IntN(4) {
	case 0:
		return []string{fmt.Sprint("dateTo: ", text[1]), fmt.Sprint("dateFrom: ", text[0])}, agrees
	case 1:
		return map[string]any{"dateFrom": text[0], "dateTo": text[1]}, agrees
	case 2:
		return []any{map[string]any{"dateFrom": "0000-01-01", "dateTo": "0000-01-01"}, map[string]any{"dateFrom": text[0], "dateTo": text[1]}},
			agrees || time.UnixMilli(shown.CreatedDate).UTC().Format(time.DateOnly) == "0000-01-01"
	}
	return text, agrees
}

// askForDivisions returns divisionIds, and whether the row shows one of them.
func askForDivisions(r *rand.Rand, n numbers, shown *row, known []string) (any, bool) {
	ids, agrees := []any{}, false
	shows := func(number int64, ok bool) bool { return ok && shown.DivisionID != nil && *shown.DivisionID == number }
	for range r.IntN(4) {
		switch r.IntN(4) {
		case 0:
			id := pick(r, known)
			ids = append(ids, id)
			number, err := strconv.ParseInt(id, 10, 64)
			canonical := err == nil && fmt.Sprint(number) == id
			agrees = agrees || shows(n.IntegerID(store.DivisionID, id)) || shows(number, canonical)
		case 1:
			if shown.DivisionID != nil {
				ids, agrees = append(ids, *shown.DivisionID), true
			}
		case 2:
			if shown.DivisionID != nil {
				ids, agrees = append(ids, fmt.Sprint(*shown.DivisionID)), true
			}
		default:
			number := pick(r, []int64{1, 677793, -5, 0, 999_999_999_999, 1_000_000_000_000, 1_000_000_000_007})
			ids = append(ids, number)
			agrees = agrees || shows(number, true)
		}
	}
	return ids, agrees || len(ids) == 0
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

func events(t *testing.T) int {
	if testing.Short() {
		return 20_000
	}
	return 100_000
}

func seeded(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func TestAnEntryIsMatchedExactlyWhenItsRowAgrees(t *testing.T) {
	f := setUp(t)
	n := newNumbers()
	h := discovery.New(discovery.Deps{Trail: lawTrail{numbers: n}, Identity: f.Directory})
	r := seeded(t)
	met := map[string][2]int{}
	divisions := []string{"677793", "emea", "nowhere", "007", "3000000000"}
	for seq := range uint64(events(t)) {
		e := randomEntry(r, seq)
		n.note(e)
		if e.Division.ID.Present && r.IntN(100) == 0 {
			divisions = append(divisions, e.Division.ID.Value)
		}
		b := discovery.AppendRow(nil, n, e)
		var shown row
		if err := json.Unmarshal(b, &shown); err != nil {
			t.Fatalf("entry %d is not JSON: %v", seq, err)
		}
		check := func(name string, body map[string]any, agrees bool) {
			count := met[name]
			if agrees {
				count[0]++
			} else {
				count[1]++
			}
			met[name] = count
			request, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			if got := matches(t, h, f.Root, request, e); got != agrees {
				t.Fatalf("%s: matched %t, yet the row says %t: %s", request, got, agrees, b)
			}
		}
		whole := map[string]any{"accountId": e.Account.ID, "divisionIds": []string{}}
		together, wanted := []any{}, true
		for _, l := range laws {
			value, agrees := l.ask(r, &shown)
			criterion := map[string]any{"key": l.name, "operation": "EQUALS", "value": value}
			if r.IntN(3) == 0 {
				whole["searchCriteriaList"] = []any{criterion}
				check(l.name, whole, agrees)
			}
			if r.IntN(3) == 0 {
				together, wanted = append(together, criterion), wanted && agrees
			}
		}
		whole["searchCriteriaList"] = nil
		ids, agrees := askForDivisions(r, n, &shown, divisions)
		whole["divisionIds"] = ids
		check("divisionIds", whole, agrees)
		wanted = wanted && agrees
		account := pick(r, []string{e.Account.ID, e.Account.ID, e.Account.ID, "5153184", "acme", strings.ToUpper(e.Account.ID)})
		check("accountId", map[string]any{"accountId": account, "divisionIds": []string{}}, account == e.Account.ID)
		whole["searchCriteriaList"], whole["accountId"] = together, account
		check("together", whole, wanted && account == e.Account.ID)
	}
	for _, name := range []string{"userName", "function", "ipAddress", "divisionName", "dateRange", "divisionIds", "accountId", "together"} {
		if c := met[name]; c[0] < events(t)/1000 || c[1] < events(t)/1000 {
			t.Errorf("%s was met %d times and missed %d times: too rare to say anything", name, c[0], c[1])
		}
	}
}

func matches(t *testing.T, h *discovery.Handler, c identity.Caller, request []byte, e *event.Entry) bool {
	t.Helper()
	filter, err := h.Filter(c, request, true)
	if err != nil {
		t.Fatalf("%s: %v", request, err)
	}
	return query.Matches(filter, e)
}

func TestEveryOrderIsThatOfWhatRowsShow(t *testing.T) {
	r := seeded(t)
	n := newNumbers()
	var entries []*event.Entry
	for seq := range uint64(5000) {
		entries = append(entries, randomEntry(r, seq))
		n.note(entries[seq])
	}
	for column, compare := range map[string]func(a, b *row) int{
		"createdDate":  func(a, b *row) int { return cmp.Compare(a.CreatedDate, b.CreatedDate) },
		"userName":     func(a, b *row) int { return compareShown(a.UserName, b.UserName) },
		"ipAddress":    func(a, b *row) int { return compareShown(a.IPAddress, b.IPAddress) },
		"divisionName": func(a, b *row) int { return compareShown(a.DivisionName, b.DivisionName) },
		"ipCountry":    func(a, b *row) int { return compareShown(a.IPCountry, b.IPCountry) },
	} {
		for order, sign := range map[string]int{"ASC": 1, "DESC": -1} {
			asked, err := discovery.Decode(fmt.Appendf(nil, `{"accountId":"a","divisionIds":[],"sortedColumnId":%q,"sortOrder":%q}`, column, order))
			if err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(entries, asked.Sort.Compile())
			var last row
			for i, e := range entries {
				b := discovery.AppendRow(nil, n, e)
				var shown row
				if err := json.Unmarshal(b, &shown); err != nil {
					t.Fatal(err)
				}
				if i > 0 && sign*compare(&last, &shown) > 0 {
					t.Fatalf("by %s %s, %+v stands before %+v", column, order, last, shown)
				}
				last = shown
			}
		}
	}
}

// compareShown orders texts without regard to case, then by bytes.
func compareShown(a, b string) int {
	return cmp.Or(strings.Compare(query.Fold(a), query.Fold(b)), strings.Compare(a, b))
}
