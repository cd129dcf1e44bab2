package storetest

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"countersign/event"
	"countersign/problem"
	"countersign/query"
	"countersign/store"
)

// Model is a trail as the oracle knows it: a plain slice, looked through for each question.
type Model struct {
	// Entries are the events by seq. System facts have a seq and are not among them.
	Entries []*event.Entry
	Size    uint64
}

func modelOf(entries []*event.Entry) *Model {
	return &Model{Entries: entries, Size: uint64(len(entries))}
}

// Answer answers q the slow way.
func (m *Model) Answer(q query.Query) store.Page {
	size := m.Size
	if q.AsOf != nil {
		size = *q.AsOf
	}
	p := store.Page{TreeSize: size}
	var match []*event.Entry
	matches := query.Compile(q.Filter)
	for _, e := range m.Entries {
		if e.Seq < size && matches(e) {
			match = append(match, e)
		}
	}
	p.Total = uint64(len(match))
	from := min(q.Offset, p.Total)
	to := min(from+uint64(max(q.Limit, 0)), p.Total)
	if from < to {
		slices.SortFunc(match, q.Sort.Compile())
	}
	p.Entries = match[from:to]
	return p
}

// CheckSearch holds the store's answer to that of the model.
func (m *Model) CheckSearch(t testing.TB, s Store, q query.Query) {
	t.Helper()
	got, err := s.Search(t.Context(), q)
	if err != nil {
		t.Fatalf("search %s: %v", describe(q), err)
	}
	m.CheckPage(t, q, got)
}

// CheckPage holds an answer to that of the model.
func (m *Model) CheckPage(t testing.TB, q query.Query, got store.Page) {
	t.Helper()
	want := m.Answer(q)
	if got.Total != want.Total || got.TreeSize != want.TreeSize || !slices.EqualFunc(got.Entries, want.Entries, sameEntry) {
		t.Fatalf("%s: total %d size %d seqs %v, want %d %d %v%s", describe(q), got.Total, got.TreeSize, seqs(got.Entries),
			want.Total, want.TreeSize, seqs(want.Entries), differing(want.Entries, got.Entries))
	}
}

// CheckEach holds a stream to the model.
func (m *Model) CheckEach(t testing.TB, s Store, q query.Query) {
	t.Helper()
	q.Offset, q.Limit = 0, len(m.Entries)
	var got store.Page
	p, err := s.Each(t.Context(), q, func(e *event.Entry) error { got.Entries = append(got.Entries, e); return nil })
	if err != nil {
		t.Fatalf("each %s: %v", describe(q), err)
	}
	got.Total, got.TreeSize = p.Total, p.TreeSize
	m.CheckPage(t, q, got)
}

// CheckTexts holds the texts of an order to the model.
func (m *Model) CheckTexts(t testing.TB, s Store, q query.Query) {
	t.Helper()
	q.Offset, q.Limit = 0, len(m.Entries)
	want := m.Answer(q)
	of := q.Sort.CompileText()
	texts := map[string]bool{}
	for _, e := range want.Entries {
		if v := of(e); v.Present {
			texts[v.Value] = true
		}
	}
	got := map[string]bool{}
	p, err := s.Texts(t.Context(), q, func(v string) { got[strings.Clone(v)] = true })
	if err != nil || p.Total != want.Total || p.TreeSize != want.TreeSize || !maps.Equal(got, texts) {
		t.Fatalf("texts of %s: %v, of %d entries at %d, want %d at %d\n%s", describe(q), err, p.Total, p.TreeSize, want.Total, want.TreeSize,
			gocmp.Diff(texts, got))
	}
}

// CheckStats holds numbers to the model. It tells whether they were rightly refused, for a histogram that is too long.
func (m *Model) CheckStats(t testing.TB, s Store, q query.Query, b store.Breakdown) (refused bool) {
	t.Helper()
	got, err := s.Stats(t.Context(), q, b)
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Kind == problem.Invalid && p.Field == "interval" {
		m.checkTooLong(t, q, b)
		return true
	}
	if err != nil {
		t.Fatalf("stats %s: %v", describe(q), err)
	}
	m.checkStats(t, q, b, got)
	return false
}

func describe(q query.Query) string {
	text := "filter " + query.Print(q.Filter) + " sort " + query.PrintSort(q.Sort)
	return text + " " + gocmp.Diff(query.Query{}, query.Query{Offset: q.Offset, Limit: q.Limit, AsOf: q.AsOf})
}

// differing shows the first entry that has its place and is another.
func differing(want, got []*event.Entry) string {
	for i := range min(len(want), len(got)) {
		if want[i].Seq == got[i].Seq && !sameEntry(want[i], got[i]) {
			return gocmp.Diff(want[i], got[i])
		}
	}
	return ""
}
