package discovery

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"countersign/dialect/answer"
	"countersign/dialect/refusal"
	"countersign/event"
	"countersign/identity"
	"countersign/query"
	"countersign/store"
)

// heldBytes bounds the values of a column that are held at one time. More of them take another reading of
// the matches: none is left out, however many there are.
const heldBytes = 8 << 20

// valueBytes is about what a value costs beyond its text.
const valueBytes = 64

// column is what filterSelected can name.
type column struct {
	name, displayName string
	kind              columnKind
}

// columnKind says where the values of a column come from.
type columnKind uint8

const (
	ordered  columnKind = iota // the order by the column, which the trail knows by its indexes
	composed                   // what each row shows, which is made of several fields
	ranged                     // the first and the last row
)

var columns = []column{
	{"userName", "User", ordered},
	{"dateRange", "Date range", ranged},
	{"function", "Function", composed},
	{"ipAddress", "IP address", ordered},
	{"divisionName", "Division", ordered},
}

// values answers POST /auditlog/filter: what all the matching rows show in one column, each value once. Where
// rows show nothing there is no value.
func (h *Handler) values(w http.ResponseWriter, r *http.Request, c identity.Caller, asked request) error {
	i := slices.IndexFunc(columns, func(c column) bool { return c.name == asked.selected })
	if i < 0 {
		return bad("filterSelected", asked.selected, "must be userName or dateRange or function or ipAddress or divisionName")
	}
	f, err := h.searchable(c, asked)
	if err != nil {
		return err
	}
	out := valueWriter{head: w.Header(), parts: answer.Parts{W: w}, column: columns[i]}
	if columns[i].kind == ranged {
		err = h.dates(r.Context(), f, &out)
	} else {
		err = h.distinct(r.Context(), f, &out)
	}
	if err == nil {
		out.end()
		return nil
	}
	if !out.parts.Begun {
		w.Header().Del(answer.AsOfHeader)
		return err
	}
	if r.Context().Err() == nil {
		h.log.Error("a list of values broke off", "request_id", w.Header().Get(refusal.RequestIDHeader), "values", out.count, "error", err)
	}
	// The status is sent. Only a connection that breaks off tells the caller that the rest is missing.
	panic(http.ErrAbortHandler)
}

// dates writes the createdDate of the first and the last matching row, which are a value of a criterion on
// dateRange.
func (h *Handler) dates(ctx context.Context, f query.Filter, out *valueWriter) error {
	first, err := h.trail.Search(ctx, query.Query{Filter: f, Sort: query.Sort{Field: query.OccurredAt}, Limit: 1})
	if err != nil {
		return err
	}
	last, err := h.trail.Search(ctx, query.Query{Filter: f, Sort: query.Sort{Field: query.OccurredAt, Desc: true}, Limit: 1, AsOf: &first.TreeSize})
	if err != nil {
		return err
	}
	out.begin(first.TreeSize)
	for _, e := range slices.Concat(first.Entries, last.Entries) {
		out.value(strconv.FormatInt(floorMilli(int64(e.OccurredAt)), 10))
	}
	return nil
}

// distinct writes the values in order, in as many readings of the matches as it takes to hold no more than
// h.held bytes of them at a time. All are made at the tree size of the first.
func (h *Handler) distinct(ctx context.Context, f query.Filter, out *valueWriter) error {
	q := query.Query{Filter: f}
	for s := (&smallest{limit: h.held}); ; s = s.rest() {
		size, err := h.collect(ctx, q, out.column, s)
		if err != nil {
			return err
		}
		if q.AsOf == nil {
			out.begin(size)
			q.AsOf = &size
		}
		for _, v := range s.sorted() {
			out.value(v)
		}
		if out.err != nil || !s.cut {
			return out.err
		}
	}
}

// collect takes the values of all matches once. Unlike a page it costs what all matches do, or all their values, so it
// has one turn at a time, whoever asks. The turn does not last until the caller has taken the answer.
func (h *Handler) collect(ctx context.Context, q query.Query, c column, s *smallest) (size uint64, err error) {
	select {
	case h.collecting <- struct{}{}:
		defer func() { <-h.collecting }()
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	add := func(v string) {
		if v != "" {
			s.add(v)
		}
	}
	var page store.Page
	if c.kind == ordered {
		q.Sort = sortBy(c.name)
		page, err = h.trail.Texts(ctx, q, add)
	} else {
		page, err = h.trail.Each(ctx, q, func(e *event.Entry) error {
			add(event.DiscoveryFunction(&e.Event))
			return nil
		})
	}
	return page.TreeSize, err
}

// smallest holds the smallest of the values that are added to it, each once, in about limit bytes.
type smallest struct {
	limit  int
	bytes  int
	values map[string]struct{}
	floor  *string // only values above it count; nil for all
	// ceiling is the largest value that is held, once others above it had to go.
	ceiling string
	cut     bool
}

func (s *smallest) add(v string) {
	if _, known := s.values[v]; known || s.floor != nil && compareValues(v, *s.floor) <= 0 || s.cut && compareValues(v, s.ceiling) > 0 {
		return
	}
	if s.values == nil {
		s.values = map[string]struct{}{}
	}
	// A copy: what the trail hands out may be a piece of something large.
	s.values[strings.Clone(v)] = struct{}{}
	if s.bytes += len(v) + valueBytes; s.bytes > s.limit && len(s.values) > 1 {
		s.halve()
	}
}

// halve lets go of the largest values, so that half of the room is free, and of what is larger from now on.
func (s *smallest) halve() {
	all := s.sorted()
	kept := 0
	s.bytes = 0
	for ; kept == 0 || s.bytes+len(all[kept])+valueBytes <= s.limit/2; kept++ {
		s.bytes += len(all[kept]) + valueBytes
	}
	for _, v := range all[kept:] {
		delete(s.values, v)
	}
	s.ceiling, s.cut = all[kept-1], true
}

func (s *smallest) sorted() []string {
	return slices.SortedFunc(maps.Keys(s.values), compareValues)
}

// rest returns what collects the values that had no room in s.
func (s *smallest) rest() *smallest { return &smallest{limit: s.limit, floor: &s.ceiling} }

// compareValues is the order of the trail for texts.
func compareValues(a, b string) int { return query.CompareText(event.TextOf(a), event.TextOf(b)) }

// valueWriter writes the answer in parts.
type valueWriter struct {
	head   http.Header
	parts  answer.Parts
	column column
	count  int
	err    error // the first; then the caller is gone
}

func (o *valueWriter) begin(size uint64) {
	answer.SetHeaders(o.head, contentType)
	answer.SetAsOf(o.head, size)
	b := answer.Text(nil, `{"error":null,"data":{"filterName":`, o.column.name)
	b = answer.Text(b, `,"displayName":`, o.column.displayName)
	o.parts.B = append(b, `,"values":[`...)
}

func (o *valueWriter) value(v string) {
	comma := ","
	if o.count == 0 {
		comma = ""
	}
	o.parts.B = answer.Text(o.parts.B, comma, v)
	o.count++
	o.note(o.parts.Flush())
}

func (o *valueWriter) end() {
	o.parts.B = append(o.parts.B, `]}}`...)
	o.note(o.parts.Send())
}

// note keeps the first failure.
func (o *valueWriter) note(err error) {
	if o.err == nil {
		o.err = err
	}
}
