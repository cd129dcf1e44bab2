package keyfactor_test

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

	"countersign/dialect/keyfactor"
	"countersign/event"
	"countersign/internal/testkit"
	"countersign/query"
)

// row is one rendered entry as a client reads it.
type row struct {
	ID                  int64 `json:"Id"`
	Timestamp           string
	Message, Signature  *string
	Category, Operation int
	Level               int
	User, EntityType    string
	AuditIdentifier     *string
	ImmutableIdentifier *string
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

var (
	lawActions = append(event.KnownActions(), "X", "PING_EMAIL_SENT", "_EMAIL_SENT")
	lawTypes   = append(event.KnownTypes(), "X", "MY_AGENT", "KEY", "TEMPLAT")
	lawTexts   = []string{
		"", "a", "j", "jane", "JANE", "ane@", `EXAMPLE\`, `EXAMPLE\jane`, "Zoë", "zOË", "ß", "ſ", "K", "system", "Timer Service", "TIMER SERVICE", "timerservice",
		"x y", "%", "null", "NULL", "677793", "1", "Agent", "agent schedule", "AgentSchedule", "Api Application", "apiapplication", "Certificate", "Key", "2003",
		"MY_AGENT", "Context Model", `"`, "'", `\`, "AND", "-eq", "(", "\r\n", "世界",
	}
)

// randomEntry returns an entry over the whole vocabulary, which may have words of the vendor's own.
func randomEntry(r *rand.Rand, seq uint64) *event.Entry {
	e := &event.Entry{Event: testkit.Random(r), Seq: seq}
	if r.IntN(2) == 0 {
		e.Action, e.Resource.Type = pick(r, lawActions), pick(r, lawTypes)
	}
	if r.IntN(4) == 0 {
		e.Resource.Type, e.Action = "CLIENT_AUTH_CERT", pick(r, []string{"LOGIN", "LOGIN_ERROR", "CREATE"})
	}
	return e
}

// asked is a part of a query, with whether a row agrees with it. It is written from docs/compatibility.md and
// looks at rendered rows only.
type asked struct {
	text   string
	agrees bool
}

var negations = map[string]string{"-eq": "-ne", "-contains": "-notcontains"}

// negate turns the comparison round every now and then.
func negate(r *rand.Rand, op string, agrees bool) (string, bool) {
	if n := negations[op]; n != "" && r.IntN(4) == 0 {
		return n, !agrees
	}
	return op, agrees
}

// written is a value as it may stand in a query.
func written(r *rand.Rand, v string) string {
	plain := v != "" && !strings.ContainsFunc(v, func(c rune) bool { return unicode.IsSpace(c) || strings.ContainsRune(`"()'%-`, c) })
	switch strings.ToUpper(v) {
	case "NULL", "AND", "OR", "NOT":
		plain = false
	}
	switch {
	case plain && r.IntN(2) == 0:
		return v
	case strings.Contains(v, `"`):
		return "'" + strings.ReplaceAll(v, "'", "''") + "'"
	}
	return `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
}

func folded(s string, blanks bool) string {
	s = foldForTest(s)
	if blanks {
		s = strings.ReplaceAll(s, " ", "")
	}
	return s
}

// textLaw asks for a text; blanks tells that they do not count.
func textLaw(r *rand.Rand, fields []string, shown *string, blanks bool) asked {
	field := pick(r, fields)
	if r.IntN(10) == 0 {
		op, agrees := negate(r, "-eq", shown == nil)
		return asked{fmt.Sprintf("%s %s %s", field, op, pick(r, []string{"NULL", "null"})), agrees}
	}
	v := pick(r, lawTexts)
	if shown != nil && r.IntN(2) == 0 {
		v = piece(r, *shown)
	}
	op := pick(r, []string{"-eq", "-contains", "-startswith", "-endswith"})
	agrees := false
	if shown != nil {
		have, want := folded(*shown, blanks), folded(v, blanks)
		agrees = map[string]bool{
			"-eq": have == want, "-contains": strings.Contains(have, want), "-startswith": strings.HasPrefix(have, want), "-endswith": strings.HasSuffix(have, want),
		}[op]
	}
	op, agrees = negate(r, op, agrees)
	return asked{fmt.Sprintf("%s %s %s", field, op, written(r, v)), agrees}
}

// piece returns the text, a part of it, or it in another spelling.
func piece(r *rand.Rand, s string) string {
	switch r.IntN(5) {
	case 0:
		return strings.ToUpper(s)
	case 1:
		return strings.ToLower(s)
	case 2:
		return strings.ReplaceAll(s, " ", "")
	case 3:
		runes := []rune(s)
		from := r.IntN(len(runes) + 1)
		return string(runes[from : from+r.IntN(len(runes)-from+1)])
	}
	return s
}

// numberLaw asks for a number; names are what some of them are called.
func numberLaw(r *rand.Rand, field string, shown int64, names map[int64]string) asked {
	n := shown + r.Int64N(5) - 2
	op, agrees := order(r, cmp.Compare(shown, n))
	text := strconv.FormatInt(n, 10)
	if name, ok := names[n]; ok && r.IntN(2) == 0 {
		text = written(r, piece(r, name))
		if folded(text, true) != folded(`"`+name+`"`, true) && folded(text, true) != folded(name, true) {
			text = written(r, name)
		}
	}
	if r.IntN(3) == 0 && text[0] != '"' {
		text = `"` + text + `"`
	}
	return asked{fmt.Sprintf("%s %s %s", field, op, text), agrees}
}

// order picks a comparison, given how the shown value compares with the one that is asked for.
func order(r *rand.Rand, c int) (op string, agrees bool) {
	op = pick(r, []string{"-eq", "-lt", "-le", "-gt", "-ge"})
	agrees = map[string]bool{"-eq": c == 0, "-lt": c < 0, "-le": c <= 0, "-gt": c > 0, "-ge": c >= 0}[op]
	return negate(r, op, agrees)
}

// nameLaw asks for a part of the name of a number.
func nameLaw(r *rand.Rand, field string, shown int64, names map[int64]string) asked {
	v := piece(r, names[pick(r, []int64{shown, int64(r.IntN(len(names)))})])
	have, want := folded(names[shown], true), folded(v, true)
	op := pick(r, []string{"-contains", "-startswith", "-endswith"})
	agrees := map[string]bool{"-contains": strings.Contains(have, want), "-startswith": strings.HasPrefix(have, want), "-endswith": strings.HasSuffix(have, want)}[op]
	op, agrees = negate(r, op, agrees)
	return asked{fmt.Sprintf("%s %s %s", field, op, written(r, v)), agrees}
}

// timeLaw asks for a moment to the microsecond, or for a day.
func timeLaw(t *testing.T, r *rand.Rand, shown string) asked {
	at, err := time.Parse(time.RFC3339, shown)
	if err != nil {
		t.Fatal(err)
	}
	at = at.UTC().Truncate(time.Microsecond)
	wanted := at.Add(time.Duration(r.Int64N(5)-2) * pick(r, []time.Duration{0, time.Microsecond, 12 * time.Hour}))
	if y := wanted.Year(); y < 0 || y > 9999 {
		wanted = at
	}
	if r.IntN(2) == 0 {
		day := wanted.Truncate(24 * time.Hour)
		op, agrees := order(r, at.Compare(day))
		if same := at.Truncate(24 * time.Hour).Equal(day); op == "-eq" || op == "-ne" {
			agrees = same == (op == "-eq")
		}
		form := pick(r, []string{"2006-01-02", "2006/01/02", "20060102", `"1/2/2006"`, `"2 Jan 2006"`, `"January 2, 2006"`})
		return asked{fmt.Sprintf("Timestamp %s %s", op, day.Format(form)), agrees}
	}
	op, agrees := order(r, at.Compare(wanted))
	form := pick(r, []string{time.RFC3339Nano, `"2006-01-02 15:04:05.999999"`, `"1/2/2006 3:04:05.999999 PM"`, "2006-01-02T15:04:05.000000Z"})
	return asked{fmt.Sprintf("timestamp %s %s", op, wanted.Format(form)), agrees}
}

var levelNames = map[int64]string{0: "Information", 1: "Warning", 2: "Failure"}

var operationNames = func() map[int64]string {
	names := map[int64]string{}
	for i, name := range strings.Split("Created,Updated,Deleted,Approved,Denied,Revoked,Downloaded,Deleted Private Key,Renewed,Encountered,"+
		"Scheduled Replacement,Recovered,Imported,Removed from Hold,Scheduled Add,Scheduled Removal,Download with Private Key,Scheduled,Reset,"+
		"Disapproved,Restarted,Sent,Failed,Completed,Rejected", ",") {
		names[int64(i+1)] = name
	}
	return names
}()

// laws are all the ways to ask for one field.
var laws = map[string]func(t *testing.T, r *rand.Rand, s *row) asked{
	"Id":        func(_ *testing.T, r *rand.Rand, s *row) asked { return numberLaw(r, "id", s.ID, nil) },
	"Timestamp": func(t *testing.T, r *rand.Rand, s *row) asked { return timeLaw(t, r, s.Timestamp) },
	"Category": func(_ *testing.T, r *rand.Rand, s *row) asked {
		n := pick(r, []int{s.Category, s.Category + 1, 2001, 2007, 2010, 2012, 0, -1, 1 << 40})
		op, agrees := negate(r, "-eq", n == s.Category)
		return asked{fmt.Sprintf("Category %s %s", op, pick(r, []string{strconv.Itoa(n), fmt.Sprintf("%q", strconv.Itoa(n))})), agrees}
	},
	"EntityType": func(_ *testing.T, r *rand.Rand, s *row) asked {
		a := textLaw(r, []string{"Category", "entitytype"}, &s.EntityType, true)
		if _, err := strconv.Atoi(strings.Trim(a.text[strings.LastIndexByte(a.text, ' ')+1:], `"`)); err == nil && strings.HasPrefix(a.text, "Category -") {
			a.text = strings.Replace(a.text, "Category", "EntityType", 1) // a number asks for another thing
		}
		return a
	},
	"Level": func(_ *testing.T, r *rand.Rand, s *row) asked {
		if r.IntN(3) == 0 {
			return nameLaw(r, "level", int64(s.Level), levelNames)
		}
		return numberLaw(r, "Level", int64(s.Level), levelNames)
	},
	"Operation": func(_ *testing.T, r *rand.Rand, s *row) asked {
		if r.IntN(3) == 0 {
			return nameLaw(r, "operation", int64(s.Operation), operationNames)
		}
		return numberLaw(r, "Operations", int64(s.Operation), operationNames)
	},
	"User": func(_ *testing.T, r *rand.Rand, s *row) asked {
		return textLaw(r, []string{"User", "UserName", "actinguser"}, &s.User, false)
	},
	"AuditIdentifier": func(_ *testing.T, r *rand.Rand, s *row) asked {
		return textLaw(r, []string{"Name", "AuditIdentifier"}, s.AuditIdentifier, false)
	},
	"ImmutableIdentifier": func(_ *testing.T, r *rand.Rand, s *row) asked {
		return textLaw(r, []string{"ImmutableIdentifier"}, s.ImmutableIdentifier, false)
	},
}

// together joins several into one query, in any shape.
func together(t *testing.T, r *rand.Rand, s *row, depth int) asked {
	if depth == 0 {
		return pick(r, slices.Collect(lawList()))(t, r, s)
	}
	left, right := together(t, r, s, depth-1), together(t, r, s, depth-1)
	switch r.IntN(4) {
	case 0:
		return asked{pick(r, []string{"NOT", "not", "-not"}) + " (" + left.text + ")", !left.agrees}
	case 1:
		return asked{"(" + left.text + ") OR (" + right.text + ")", left.agrees || right.agrees}
	case 2:
		return asked{"((" + left.text + ")and(" + right.text + "))", left.agrees && right.agrees}
	}
	third := together(t, r, s, 0)
	// AND binds tighter.
	return asked{"(" + left.text + ") or (" + right.text + ") AND " + third.text, left.agrees || right.agrees && third.agrees}
}

func lawList() func(func(func(*testing.T, *rand.Rand, *row) asked) bool) {
	return func(yield func(func(*testing.T, *rand.Rand, *row) asked) bool) {
		for _, name := range lawNames {
			if !yield(laws[name]) {
				return
			}
		}
	}
}

var lawNames = []string{"Id", "Timestamp", "Category", "EntityType", "Level", "Operation", "User", "AuditIdentifier", "ImmutableIdentifier"}

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

func seeded(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func shownBy(t *testing.T, h *keyfactor.Handler, e *event.Entry) *row {
	t.Helper()
	b, err := h.AppendRow(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	var s row
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatalf("%s is not JSON: %v", b, err)
	}
	return &s
}

func TestAnEntryIsMatchedExactlyWhenItsRowAgrees(t *testing.T) {
	events := 40_000
	if testing.Short() {
		events = 4_000
	}
	h := keyfactor.New(keyfactor.Deps{Trail: unpublished{}})
	r := seeded(t)
	met := map[string][2]int{}
	for seq := range uint64(events) {
		e := randomEntry(r, seq)
		s := shownBy(t, h, e)
		check := func(name string, a asked) {
			f, _, err := keyfactor.ParseQuery(a.text, asker, noon)
			if err != nil {
				t.Fatalf("%s: %v", a.text, err)
			}
			if got := query.Matches(f, e); got != a.agrees {
				t.Fatalf("%s: matched %t, yet the row says %t: %+v of %s", a.text, got, a.agrees, s, event.AppendJSON(nil, &e.Event))
			}
			count := met[name]
			if a.agrees {
				count[0]++
			} else {
				count[1]++
			}
			met[name] = count
		}
		for _, name := range lawNames {
			if r.IntN(2) == 0 {
				check(name, laws[name](t, r, s))
			}
		}
		check("together", together(t, r, s, 2))
	}
	for _, name := range append(lawNames, "together") {
		if c := met[name]; c[0] < events/100 || c[1] < events/100 {
			t.Errorf("%s was met %d times and missed %d times: too rare to say anything", name, c[0], c[1])
		}
	}
}

func TestEveryOrderIsThatOfWhatRowsShow(t *testing.T) {
	h := keyfactor.New(keyfactor.Deps{Trail: unpublished{}})
	r := seeded(t)
	var entries []*event.Entry
	for seq := range uint64(3000) {
		e := randomEntry(r, seq)
		entries = append(entries, e)
	}
	text := func(s *string) event.Text {
		if s == nil {
			return event.Text{}
		}
		return event.TextOf(*s)
	}
	moment := func(s *row) time.Time {
		at, err := time.Parse(time.RFC3339, s.Timestamp)
		if err != nil {
			t.Fatal(err)
		}
		return at.Truncate(time.Microsecond)
	}
	for column, compare := range map[string]func(a, b *row) int{
		"Id":        func(a, b *row) int { return cmp.Compare(a.ID, b.ID) },
		"Timestamp": func(a, b *row) int { return moment(a).Compare(moment(b)) },
		"Category":  func(a, b *row) int { return cmp.Compare(a.Category, b.Category) },
		"Operation": func(a, b *row) int { return cmp.Compare(a.Operation, b.Operation) },
		"Level":     func(a, b *row) int { return cmp.Compare(a.Level, b.Level) },
		"ImmutableIdentifier": func(a, b *row) int {
			return query.CompareText(text(a.ImmutableIdentifier), text(b.ImmutableIdentifier))
		},
	} {
		for order, sign := range map[string]int{"0": 1, "1": -1} {
			sort, err := keyfactor.DecodeSort(column, order)
			if err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(entries, sort.Compile())
			last := shownBy(t, h, entries[0])
			for _, e := range entries[1:] {
				next := shownBy(t, h, e)
				if c := cmp.Or(compare(last, next), cmp.Compare(last.ID, next.ID)); sign*c >= 0 {
					t.Fatalf("by %s %s, %+v stands before %+v", column, order, last, next)
				}
				last = next
			}
		}
	}
}
