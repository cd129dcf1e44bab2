package segment_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"countersign/event"
	"countersign/internal/durable"
	"countersign/query"
	"countersign/segment"
)

// file returns the bytes of the segment over a trail.
func file(tb testing.TB, t trail) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := segment.Build(&b, t); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// each order and kind of filter once, so that every part of a file is read.
func everyQuestion() (all []query.Query) {
	filters := []query.Filter{
		nil, query.Words{Text: "jane"}, query.Range{Field: query.OccurredAt, Min: 0, Max: 1767225600_000_001},
		query.Range{Field: query.AccountSeq, Min: 1, Max: 5}, query.Range{Field: query.Seq, Min: 3, Max: 50}, query.Range{Field: query.ReceivedAt, Min: 2, Max: 30},
		query.Is(query.ID, "x"), query.Text{Field: query.AttributeField("ticket"), Op: query.Contains, Values: []string{"a"}},
	}
	fields := append(query.Fields(), query.AttributeField("ticket"), query.AttributeField("x.001"))
	for i, f := range fields {
		o := query.Sort{Field: f, Desc: i%2 == 0}
		all = append(all, query.Query{Filter: filters[i%len(filters)], Sort: o, Limit: 1000}, query.Query{Sort: o, Offset: 10, Limit: 5})
		if f.Kind() == query.TextKind {
			all = append(all, query.Query{Filter: query.Text{Field: f, Op: query.Contains, Values: []string{"a", "1"}}, Limit: 1000},
				query.Query{Filter: query.Null{Field: f}, Limit: 1000}, query.Query{Filter: query.Is(f, "jane", "1", "LOGIN"), Limit: 1000})
		}
	}
	return all
}

type answers struct {
	total uint64
	page  []uint64
}

func ask(ctx context.Context, v *segment.View, questions []query.Query) (out []answers, err error) {
	for _, q := range questions {
		total, page, err := v.Search(ctx, q, v.End)
		if err != nil {
			return nil, err
		}
		out = append(out, answers{total, page})
	}
	return out, nil
}

func same(a, b answers) bool { return a.total == b.total && slices.Equal(a.page, b.page) }

// A flipped bit anywhere is found and located, or harmless: never a wrong answer.
func TestEveryFlippedByteIsFoundOrHarmless(t *testing.T) {
	r := random(t)
	all := trail(nil).extend(r, 10, strange)
	good := file(t, all)
	questions := everyQuestion()
	view := func(s *segment.Segment) *segment.View {
		return &segment.View{Segments: []*segment.Segment{s}, End: all.end(), Bodies: all.bodies}
	}
	s, err := segment.OpenBytes("good", good, nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := ask(t.Context(), view(s), questions)
	if err != nil {
		t.Fatal(err)
	}
	step := 1
	if testing.Short() || raceDetector {
		step = 31
	}
	found, harmless := 0, 0
	for i := 0; i < len(good); i += step {
		bad := slices.Clone(good)
		bad[i] ^= byte(1 << r.IntN(8))
		s, err := segment.OpenBytes("bad", bad, nil)
		if err == nil {
			err = s.Check(t.Context(), nil)
		}
		damage, located := errors.AsType[*segment.CorruptError](err)
		switch {
		case located && damage.File == "bad" && damage.Offset >= 0 && damage.Offset <= int64(i):
			found++
		case err != nil:
			t.Fatalf("byte %d of %d: %v", i, len(good), err)
		default:
			harmless++
		}
		if s == nil {
			continue
		}
		// Some questions do not touch the byte.
		for j := range questions {
			if located && r.IntN(60) > 0 {
				continue
			}
			got, err := ask(t.Context(), view(s), questions[j:j+1])
			if _, damaged := errors.AsType[*segment.CorruptError](err); err == nil && !same(got[0], want[j]) || err != nil && (!located || !damaged) {
				t.Fatalf("byte %d of %d: question %d is answered by %v, %v; want %v; the check says %v", i, len(good), j, got, err, want[j], damage)
			}
		}
	}
	t.Logf("%d bytes: %d found, %d harmless", len(good), found, harmless)
	if harmless > len(good)/8 {
		t.Errorf("%d of %d bytes may be anything", harmless, len(good))
	}
}

func TestCutFilesAreRefused(t *testing.T) {
	all := trail(nil).extend(random(t), 50, strange)
	good := file(t, all)
	for n := 0; n < len(good); n += 1 + len(good)/300 {
		if _, err := segment.OpenBytes("cut", good[:n], nil); err == nil {
			t.Fatalf("%d bytes of %d are taken", n, len(good))
		}
	}
	if _, err := segment.OpenBytes("long", append(slices.Clone(good), 0), nil); err == nil {
		t.Error("a byte more is taken")
	}
}

// Without the guard of the view the process would end.
func TestAFileCutOffUnderItsMappingIsDamage(t *testing.T) {
	r := random(t)
	all := trail(nil).extend(r, 200_000, inTime())
	name := filepath.Join(t.TempDir(), "index")
	if err := os.WriteFile(name, file(t, all), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := durable.OS().OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	m, err := durable.Map(f, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := segment.Open(name, m, segment.NewCache(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	v := &segment.View{Segments: []*segment.Segment{s}, End: all.end(), Bodies: all.bodies}
	q := query.Query{Filter: query.Text{Field: query.ResourceID, Op: query.Contains, Values: []string{"9061"}}, Sort: query.Sort{Field: query.ResourceID}, Limit: 5}
	if _, _, err := v.Search(t.Context(), q, v.End); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 4096); err != nil {
		t.Fatal(err)
	}
	q.Filter = query.Text{Field: query.ResourceID, Op: query.Contains, Values: []string{"4a2e"}}
	for range 3 {
		_, _, err = v.Search(t.Context(), q, v.End)
		if bad, ok := errors.AsType[*segment.CorruptError](err); !ok || bad.File != name || bad.Offset < 4096 {
			t.Fatalf("the cut file: %v", err)
		}
	}
	if err := segment.Merge(new(bytes.Buffer), v.Segments); !errors.As(err, new(*segment.CorruptError)) {
		t.Errorf("merging the cut file: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := v.Search(t.Context(), q, v.End); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

// An index that lies, with every checksum right, is found by comparing it with the bodies.
func TestAnIndexThatLiesIsFound(t *testing.T) {
	r := random(t)
	for _, lie := range []struct { // told by the bodies: which of both lies makes no difference
		name string
		fact bool // about a system fact
		tell func(*event.Entry)
	}{
		{"nothing", false, nil},
		{"an action", false, func(e *event.Entry) { e.Action = "LIE" }},
		{"an id", false, func(e *event.Entry) { e.ID = "another" }},
		{"an absent name", false, func(e *event.Entry) { e.Resource.Name = event.Text{Present: !e.Resource.Name.Present} }},
		{"a time", false, func(e *event.Entry) { e.OccurredAt++ }},
		{"when it was received", false, func(e *event.Entry) { e.ReceivedAt += 1 << 40 }},
		{"a number", false, func(e *event.Entry) { e.AccountSeq += 1000 }},
		{"a kind", false, func(e *event.Entry) { e.Kind = event.KindPack }},
		{"a fact", true, func(e *event.Entry) { e.Kind = event.KindEvent }},
		{"an attribute", false, func(e *event.Entry) {
			rest := slices.DeleteFunc(slices.Clone(e.Attributes), func(a event.Attribute) bool { return a.Name == "serial" })
			if len(rest) == len(e.Attributes) {
				rest = append(rest, event.Attribute{Name: "serial", Value: "1"})
			}
			e.Attributes = rest
		}},
	} {
		all := trail(nil).extend(r, 3000, strange)
		s := build(t, all, nil)
		if r.IntN(2) == 0 {
			s = merge(t, []*segment.Segment{build(t, all[:1000], nil), build(t, all[1000:], nil)}, nil)
		}
		if lie.tell != nil {
			i := r.IntN(len(all))
			for (all[i].Kind != event.KindEvent) != lie.fact {
				i = r.IntN(len(all))
			}
			e := *all[i]
			lie.tell(&e)
			all = slices.Clone(all)
			all[i] = &e
		}
		err := s.Check(t.Context(), all.bodies)
		if _, found := errors.AsType[*segment.CorruptError](err); found != (lie.tell != nil) || err != nil && !found {
			t.Errorf("a lie about %s: %v", lie.name, err)
		}
	}
}

func TestOnlyWhatFollowsEachOtherIsIndexed(t *testing.T) {
	all := trail(nil).extend(random(t), 100, strange)
	var b bytes.Buffer
	if segment.Build(&b, nil) == nil {
		t.Error("nothing is indexed")
	}
	if segment.Build(&b, []*event.Entry{all[0], all[2]}) == nil {
		t.Error("a gap is indexed")
	}
	first, last := build(t, all[:10], nil), build(t, all[20:], nil)
	if segment.Merge(&b, []*segment.Segment{first, last}) == nil || segment.Merge(&b, nil) == nil {
		t.Error("a gap is merged")
	}
	full := errors.New("full")
	if err := segment.Build(writerFunc(func([]byte) (int, error) { return 0, full }), all); !errors.Is(err, full) {
		t.Errorf("built on a full disk: %v", err)
	}
	if err := segment.Merge(writerFunc(func([]byte) (int, error) { return 0, full }), []*segment.Segment{first}); !errors.Is(err, full) {
		t.Errorf("merged on a full disk: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(b []byte) (int, error) { return w(b) }

// Whatever the bytes are, checksums apart, an answer comes or a *CorruptError.
func FuzzOpen(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	all := trail(nil).extend(r, 300, strange)
	f.Add(file(f, all))
	f.Add(file(f, all[:1]))
	f.Add(file(f, trail(nil).extend(r, 60, func(*rand.Rand, *event.Event) {})))
	var b bytes.Buffer
	if err := segment.Merge(&b, []*segment.Segment{build(f, all[:150], nil), build(f, all[150:], nil)}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	questions := everyQuestion()
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := segment.OpenUnsummed(b)
		if err != nil {
			return
		}
		v := &segment.View{Segments: []*segment.Segment{s}, End: s.End(), Bodies: func(context.Context, []uint64, func(*event.Entry) error) error { return errNoBodies }}
		for _, q := range questions {
			_, _, err := v.Search(t.Context(), q, v.End)
			if bad, ok := errors.AsType[*segment.CorruptError](err); err != nil && !ok && !errors.Is(err, errNoBodies) {
				t.Fatal(bad, err)
			}
		}
		_ = s.Check(t.Context(), nil)
		_ = segment.Merge(new(bytes.Buffer), []*segment.Segment{s})
	})
}
