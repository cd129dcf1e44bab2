package segment_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"countersign/event"
	"countersign/internal/durable"
	"countersign/internal/testkit"
	"countersign/query"
	"countersign/segment"
)

// benchEvents is how many events the benchmarks are over: EVENTS, or a million. Tests take fewer.
func benchEvents(tb testing.TB) int {
	if s := os.Getenv("EVENTS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			tb.Fatalf("EVENTS: %v", err)
		}
		return n
	}
	if _, ok := tb.(*testing.T); ok {
		return 2 * sealed
	}
	return 1_000_000
}

const (
	benchAccounts = 200
	benchNames    = 20_000
	sealed        = 131_072
)

// estateEntries yields the events of the demo's estate over a quarter, spread over many accounts and people. A few come
// late, as they do.
func estateEntries(n int) iter.Seq[*event.Entry] {
	return func(yield func(*event.Entry) bool) {
		r := rand.New(rand.NewPCG(1, 2))
		estate := testkit.NewEstate(1, time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC))
		next := map[string]uint64{}
		seq := uint64(0)
		for ev := range estate.Events(1, n, estate.Now.AddDate(0, 0, -90), estate.Now) {
			a := min(r.IntN(benchAccounts), r.IntN(benchAccounts))
			ev.Account = event.Account{ID: fmt.Sprintf("%08d-4b96-4a2e-9061-14741be4234e", a), Name: event.TextOf(fmt.Sprintf("Example %d Ltd", a))}
			if ev.Division.ID.Present {
				ev.Division.ID = event.TextOf(strconv.Itoa(600_000 + a*4 + r.IntN(4)))
			}
			if ev.Actor.Name.Present && ev.Actor.Type == event.ActorStandard {
				p := min(r.IntN(benchNames), r.IntN(benchNames))
				ev.Actor.ID = event.TextOf(fmt.Sprintf("%08x-96aa-4a2e-9061-%012x", p*214013, p*2531011))
				ev.Actor.Name = event.TextOf(fmt.Sprintf("%s.smith%d@example.com", []string{"jane", "bob", "maria", "li"}[p%4], p))
				ev.Client.IP = event.TextOf(fmt.Sprintf("198.51.%d.%d", p/250, p%250))
			}
			e := &event.Entry{Event: ev, Seq: seq, ReceivedAt: ev.OccurredAt + 2_000_000, RecordedBy: event.TextOf("collector-1")}
			if seq > 0 && r.IntN(100) == 0 {
				e.OccurredAt -= event.Micros(r.IntN(3_600_000)) * 1000
			}
			e.ReceivedAt = event.Micros(seq / 1000 * 1_000_000)
			e.AccountSeq = next[ev.Account.ID]
			next[ev.Account.ID]++
			seq++
			if !yield(e) {
				return
			}
		}
	}
}

// shelf is segments on the disk.
type shelf struct {
	tb    testing.TB
	dir   string
	cache *segment.Cache
	made  int
}

func (s *shelf) put(write func(*bytes.Buffer) error) *segment.Segment {
	s.made++
	name := filepath.Join(s.dir, fmt.Sprintf("%d.index", s.made))
	var file bytes.Buffer
	if err := write(&file); err != nil {
		s.tb.Fatal(err)
	}
	if err := os.WriteFile(name, file.Bytes(), 0o600); err != nil {
		s.tb.Fatal(err)
	}
	out := s.open(name)
	if err := os.Remove(name); err != nil { // it stays while it is mapped
		s.tb.Fatal(err)
	}
	return out
}

func (s *shelf) open(name string) *segment.Segment {
	f, err := durable.OS().OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		s.tb.Fatal(err)
	}
	defer f.Close()
	m, err := durable.Map(f, name)
	if err != nil {
		s.tb.Fatal(err)
	}
	out, err := segment.Open(name, m, s.cache)
	if err != nil {
		s.tb.Fatal(err)
	}
	return out
}

var errNoBodies = errors.New("a benchmark has no bodies")

// bench is the estate in segments: merged, eight of one size into one of the next as they come, and small, of the first
// size only.
type bench struct{ merged, small *segment.View }

var (
	benchOnce sync.Once
	benchData bench
)

func estate(tb testing.TB) bench {
	benchOnce.Do(func() { benchData = makeEstate(tb) })
	return benchData
}

func makeEstate(tb testing.TB) bench {
	n := benchEvents(tb)
	dir, err := os.MkdirTemp("", "segments")
	if err != nil {
		tb.Fatal(err)
	}
	defer os.RemoveAll(dir)
	sh := &shelf{tb: tb, dir: dir, cache: segment.NewCache(64 << 20)}
	var levels [][]*segment.Segment
	var small []*segment.Segment
	var building, merging time.Duration
	var mergedRows int
	var chunk []*event.Entry
	seal := func() {
		start := time.Now()
		s := sh.put(func(b *bytes.Buffer) error { return segment.Build(b, chunk) })
		building += time.Since(start)
		chunk = chunk[:0]
		small = append(small, s)
		for level := 0; ; level++ {
			if level == len(levels) {
				levels = append(levels, nil)
			}
			levels[level] = append(levels[level], s)
			if len(levels[level]) < min(8, n/sealed) {
				return
			}
			of := levels[level]
			levels[level] = nil
			start := time.Now()
			s = sh.put(func(b *bytes.Buffer) error { return segment.Merge(b, of) })
			merging += time.Since(start)
			mergedRows += s.Rows()
		}
	}
	for e := range estateEntries(n) {
		if chunk = append(chunk, e); len(chunk) == sealed {
			seal()
		}
	}
	if len(chunk) > 0 {
		seal()
	}
	b := bench{
		merged: &segment.View{End: uint64(n), Bodies: func(context.Context, []uint64, func(*event.Entry) error) error { return errNoBodies }},
		small:  &segment.View{Segments: small, End: uint64(n)},
	}
	b.small.Bodies = b.merged.Bodies
	var size int64
	for i := len(levels) - 1; i >= 0; i-- {
		b.merged.Segments = append(b.merged.Segments, levels[i]...)
	}
	for _, s := range b.merged.Segments {
		size += s.SizeBytes()
	}
	tb.Logf("%d events in %d segments of %.1f bytes an event; built at %.2f us an event, merged at %.2f us an event each time (%d merged)",
		n, len(b.merged.Segments), float64(size)/float64(n), float64(building.Microseconds())/float64(n), float64(merging.Microseconds())/float64(max(mergedRows, 1)), mergedRows)
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	tb.Logf("heap with all open: %.1f MiB", float64(mem.HeapAlloc)/(1<<20))
	return b
}

func parsed(tb testing.TB, text string) query.Filter {
	f, err := query.Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// BenchmarkSearch asks for a page of 20 at random offsets, each time with other values.
func BenchmarkSearch(b *testing.B) {
	data := estate(b)
	account := func(i int) string { return fmt.Sprintf("%08d-4b96-4a2e-9061-14741be4234e", i%benchAccounts) }
	newest := query.Sort{Field: query.OccurredAt, Desc: true}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	day := func(i int) string { return start.AddDate(0, 0, i%80).Format(time.DateOnly) }
	scope := query.Or{query.Is(query.AccountID, account(3), account(50), account(77), account(120))}
	for _, bm := range []struct {
		name   string
		filter func(i int) query.Filter
		sort   query.Sort
	}{
		{"everything", func(int) query.Filter { return nil }, newest},
		{"account", func(i int) query.Filter { return query.Is(query.AccountID, account(i)) }, newest},
		{"action and outcome", func(i int) query.Filter {
			return query.And{query.Is(query.Action, []string{"LOGIN", "LOGIN_ERROR", "CREATE", "UPDATE"}[i%4]), query.Is(query.Outcome, []string{"success", "failure"}[i/4%2])}
		}, newest},
		{"dates and types", func(i int) query.Filter {
			return parsed(b, "occurred_at:"+day(i%70)+".."+day(i%70+7)+" resource.type:(USER,APIKEY,CERTIFICATE)")
		}, newest},
		{"scope and action", func(i int) query.Filter {
			return query.And{query.Is(query.Action, []string{"LOGIN", "UPDATE"}[i%2]), scope}
		}, newest},
		{"actor equal", func(i int) query.Filter {
			return parsed(b, fmt.Sprintf("actor.name:jane.smith%d@example.com", i*4%benchNames))
		}, newest},
		{"actor contains", func(i int) query.Filter { return parsed(b, fmt.Sprintf("actor.name:~smith%d", 10+i%90)) }, newest},
		{"actor contains, resource contains", func(i int) query.Filter {
			return parsed(b, fmt.Sprintf("actor.name:~smith%d resource.name:~a%d", 10+i%90, i%10))
		}, newest},
		{"attribute", func(i int) query.Filter { return parsed(b, fmt.Sprintf("attributes.ticket:~%d", i%1000)) }, newest},
		{"seq, everything", func(int) query.Filter { return nil }, query.Sort{}},
		{"seq, action", func(i int) query.Filter { return query.Is(query.Action, []string{"LOGIN", "UPDATE"}[i%2]) }, query.Sort{}},
		{"seq, account", func(i int) query.Filter { return query.Is(query.AccountID, account(i)) }, query.Sort{}},
		{"by outcome", func(i int) query.Filter { return nil }, query.Sort{Field: query.Outcome}},
		{"by action, account", func(i int) query.Filter { return query.Is(query.AccountID, account(i)) }, query.Sort{Field: query.Action, Desc: true}},
		{"by actor name", func(i int) query.Filter { return nil }, query.Sort{Field: query.ActorName}},
		{"by resource id", func(i int) query.Filter { return nil }, query.Sort{Field: query.ResourceID}},
		{"by actor name, account", func(i int) query.Filter { return query.Is(query.AccountID, account(i)) }, query.Sort{Field: query.ActorName}},
	} {
		for _, view := range []struct {
			name string
			*segment.View
		}{{"merged", data.merged}, {"small", data.small}} {
			b.Run(bm.name+"/"+view.name, func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 1))
				b.ReportAllocs()
				last := uint64(1)
				i := 0
				var worst time.Duration
				for b.Loop() {
					f := bm.filter(i)
					i++
					start := time.Now()
					total, _, err := view.Search(b.Context(), query.Query{Filter: f, Sort: bm.sort, Offset: r.Uint64N(last), Limit: 20}, view.End)
					if err != nil {
						b.Fatal(err)
					}
					if took := time.Since(start); i > 8 {
						worst = max(worst, took)
					}
					last = max(total, 1)
				}
				b.ReportMetric(float64(worst.Microseconds()), "worst-us")
				b.ReportMetric(float64(last), "matches")
			})
		}
	}
}

func BenchmarkStats(b *testing.B) {
	data := estate(b)
	var days []event.Micros
	for at := range 90 {
		days = append(days, event.MicrosOf(time.Date(2026, 1, 1+at, 0, 0, 0, 0, time.UTC)))
	}
	for _, bm := range []struct {
		name, filter string
		field        query.Field
	}{
		{"histogram", "", ""},
		{"histogram of an action", "action:=LOGIN", ""},
		{"values of action", "", query.Action},
		{"values of actor name", "", query.ActorName},
		{"values of resource id", "", query.ResourceID},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			f := parsed(b, bm.filter)
			for b.Loop() {
				err := data.merged.Matching(b.Context(), f, data.merged.End, func(m *segment.Matches) error {
					if bm.field == "" {
						m.Histogram(days)
						return nil
					}
					_, err := m.Values(bm.field, 10)
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkBuild(b *testing.B) {
	var entries []*event.Entry
	for e := range estateEntries(sealed) {
		entries = append(entries, e)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := segment.Build(io.Discard, entries); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/sealed, "ns/event")
}

func BenchmarkMerge(b *testing.B) {
	data := estate(b)
	of := data.small.Segments[:min(8, len(data.small.Segments))]
	rows := 0
	for _, s := range of {
		rows += s.Rows()
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := segment.Merge(io.Discard, of); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/event")
}

// BenchmarkOverlapping asks for pages by time of a hundred segments that all span the same quarter.
func BenchmarkOverlapping(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 3))
	const segments, each = 100, 2000
	v := &segment.View{End: segments * each}
	var chunk []*event.Entry
	for e := range estateEntries(segments * each) {
		e.OccurredAt = event.Micros(1767225600_000_000 + r.Int64N(90*24*3600)*1_000_000)
		if chunk = append(chunk, e); len(chunk) == each {
			v.Segments = append(v.Segments, build(b, chunk, nil))
			chunk = nil
		}
	}
	for _, f := range []query.Filter{nil, query.Is(query.Outcome, "success")} {
		b.Run(query.Print(f), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				q := query.Query{Filter: f, Sort: query.Sort{Field: query.OccurredAt}, Offset: r.Uint64N(100_000), Limit: 20}
				if _, _, err := v.Search(b.Context(), q, v.End); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
