package ids_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"countersign/ids"
	"countersign/internal/crashfs"
	"countersign/internal/durable"

	"github.com/google/go-cmp/cmp"
)

// made returns n entries for the seqs from from on, sorted.
func made(from uint64, n int) []ids.Entry {
	r := rand.New(rand.NewPCG(from, uint64(n)))
	es := make([]ids.Entry, n)
	for i := range es {
		es[i].Seq = from + uint64(i)
		binary.BigEndian.PutUint64(es[i].Key[:], r.Uint64())
		binary.BigEndian.PutUint64(es[i].Key[8:], r.Uint64())
	}
	ids.Sort(es)
	return es
}

func each(es []ids.Entry) iter.Seq2[ids.Entry, error] {
	return func(yield func(ids.Entry, error) bool) {
		for _, e := range es {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func collect(entries iter.Seq2[ids.Entry, error]) (all []ids.Entry, err error) {
	for e, err := range entries {
		if err != nil {
			return all, err
		}
		all = append(all, e)
	}
	return all, nil
}

func write(t testing.TB, fsys durable.FS, path string, from, to uint64, es []ids.Entry) {
	t.Helper()
	if err := ids.Write(fsys, path, from, to, uint64(len(es)), each(es)); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, fsys durable.FS, path string) *ids.Run {
	t.Helper()
	r, err := ids.Open(fsys, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// wantAll says that the run holds these entries and no others.
func wantAll(t *testing.T, r *ids.Run, want []ids.Entry) {
	t.Helper()
	for _, e := range want {
		if seq, found, err := r.Find(e.Key); seq != e.Seq || !found || err != nil {
			t.Fatalf("key %x: %d, %t, %v, want %d", e.Key, seq, found, err, e.Seq)
		}
	}
	got, err := collect(r.Entries())
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("%d entries, %v, want %d", len(got), err, len(want))
	}
	if findings, err := r.Check(nil); len(findings) > 0 || err != nil {
		t.Fatalf("check: %v, %v", findings, err)
	}
}

func TestARunHoldsWhatWasWritten(t *testing.T) {
	for _, n := range []int{0, 1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 2047, 2048, 5000, 70_000} {
		for _, spare := range []uint64{0, 1, 300, 1 << 33} {
			const from = 1 << 30
			if n == 0 && spare == 0 {
				continue
			}
			disk := crashfs.New()
			es := made(from, n)
			to := from + uint64(n) + spare
			write(t, disk, "r", from, to, es)
			r := open(t, disk, "r")
			wantAll(t, r, es)
			for _, k := range random(rand.New(rand.NewPCG(9, 9)), 2000) {
				if _, found, err := r.Find(k); found || err != nil {
					t.Fatalf("n=%d: a key that is not there: %t, %v", n, found, err)
				}
			}
			if a, b := r.Seqs(); a != from || b != to || r.Len() != uint64(n) {
				t.Errorf("seqs %d to %d, %d entries", a, b, r.Len())
			}
		}
	}
}

func TestAKeyIsAllOfItsBits(t *testing.T) {
	for _, n := range []int{1, 40, 3000} {
		disk := crashfs.New()
		es := made(0, n)
		write(t, disk, "r", 0, uint64(n), es)
		r := open(t, disk, "r")
		for _, e := range es {
			for bit := range 128 {
				k := e.Key
				k[bit/8] ^= 1 << (bit % 8)
				if seq, found, err := r.Find(k); found || err != nil {
					t.Fatalf("n=%d: bit %d of the key of seq %d is not asked for: %d, %v", n, bit, e.Seq, seq, err)
				}
			}
		}
	}
}

// Keys that are not spread cost time, never answers.
func TestKeysNeedNotBeSpread(t *testing.T) {
	const n = 2000
	tests := map[string]func(i int) ids.Key{
		"counted":              func(i int) (k ids.Key) { binary.BigEndian.PutUint64(k[8:], uint64(i)); return k },
		"counted from the top": func(i int) (k ids.Key) { binary.BigEndian.PutUint64(k[:], ^uint64(i)); return k },
		"one head": func(i int) (k ids.Key) {
			k = ids.Key(bytes.Repeat([]byte{0xab}, 16))
			binary.BigEndian.PutUint32(k[6:], uint32(i*i))
			return k
		},
		"two clumps": func(i int) (k ids.Key) {
			k[0] = byte(i%2) * 0xff
			binary.BigEndian.PutUint32(k[5:], uint32(i))
			return k
		},
	}
	for name, key := range tests {
		t.Run(name, func(t *testing.T) {
			es := make([]ids.Entry, n)
			for i := range es {
				es[i] = ids.Entry{Key: key(i), Seq: uint64(i)}
			}
			ids.Sort(es)
			if !slices.IsSortedFunc(es, func(a, b ids.Entry) int { return bytes.Compare(a.Key[:], b.Key[:]) }) {
				t.Fatal("not sorted")
			}
			disk := crashfs.New()
			write(t, disk, "r", 0, n, es)
			wantAll(t, open(t, disk, "r"), es)
		})
	}
}

func TestSortLosesNothing(t *testing.T) {
	for _, n := range []int{0, 1, 2, 63, 64, 65, 1000, 20_000} {
		es := made(0, n)
		rand.New(rand.NewPCG(1, 1)).Shuffle(n, func(i, j int) { es[i], es[j] = es[j], es[i] })
		want := slices.Clone(es)
		slices.SortFunc(want, func(a, b ids.Entry) int { return bytes.Compare(a.Key[:], b.Key[:]) })
		if ids.Sort(es); !slices.Equal(es, want) {
			t.Errorf("n=%d: another order", n)
		}
	}
}

func TestWriteRefusesWhatItCannotKeep(t *testing.T) {
	es := made(10, 100)
	swapped := slices.Clone(es)
	swapped[40], swapped[41] = swapped[41], swapped[40]
	twice := slices.Clone(es)
	twice[7].Key = twice[6].Key
	broken := errors.New("broken")
	tests := []struct {
		name            string
		from, to, count uint64
		entries         iter.Seq2[ids.Entry, error]
		want            string
	}{
		{"no seqs", 10, 10, 0, each(nil), "a run of seqs 10 to 10"},
		{"too many seqs", 0, ids.MaxSpan + 1, 0, each(nil), "a run of seqs"},
		{"seqs beyond the last", 1 << 63, 1<<63 + 1, 0, each(nil), "a run of seqs"},
		{"more entries than seqs", 10, 50, 100, each(es), "100 entries for 40 seqs"},
		{"too many entries", 0, ids.MaxSpan, ids.MaxEntries + 1, each(nil), "entries for"},
		{"a seq before", 11, 111, 100, each(es), "seq 10 is not one of 11 to 111"},
		{"a seq after", 9, 109, 100, each(es), "seq 109 is not one of 9 to 109"},
		{"fewer", 10, 110, 100, each(es[:99]), "99 entries came, 100 were announced"},
		{"more", 10, 110, 99, each(es), "more than the 99 entries announced"},
		{"not in order", 10, 110, 100, each(swapped), "is smaller than the one before"},
		{"a key twice", 10, 110, 100, each(twice), fmt.Sprintf("seq %d has the key of seq %d", twice[7].Seq, twice[6].Seq)},
		{"an error", 10, 110, 100, func(yield func(ids.Entry, error) bool) {
			_ = yield(es[0], nil) && yield(ids.Entry{}, broken)
		}, "broken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			disk := crashfs.New()
			err := ids.Write(disk, "r", tt.from, tt.to, tt.count, tt.entries)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if names, _ := disk.ReadDir("/"); len(names) > 0 {
				t.Errorf("left behind: %v", names)
			}
		})
	}
}

// parts writes runs that follow each other and returns them with all their entries.
func parts(t testing.TB, fsys durable.FS, dir string, sizes ...int) (runs []*ids.Run, all []ids.Entry) {
	t.Helper()
	from := uint64(5)
	for i, n := range sizes {
		// One seq in each run has no id.
		to := from + uint64(n) + 1
		es := made(from, n)
		path := filepath.Join(dir, fmt.Sprint(i))
		write(t, fsys, path, from, to, es)
		runs = append(runs, open(t, fsys, path))
		all = append(all, es...)
		from = to
	}
	ids.Sort(all)
	return runs, all
}

func TestAMergedRunIsTheOneThatWouldHaveBeenWritten(t *testing.T) {
	for _, sizes := range [][]int{{0}, {7}, {3, 4}, {1000, 0, 1, 300}, {9000, 20_000, 4000, 5, 6, 7, 8, 9, 10}} {
		disk := crashfs.New()
		runs, all := parts(t, disk, "/", sizes...)
		paced := 0
		if err := ids.Merge(disk, "merged", runs, func() error { paced++; return nil }); err != nil {
			t.Fatal(err)
		}
		_, to := runs[len(runs)-1].Seqs()
		write(t, disk, "want", 5, to, all)
		if !bytes.Equal(read(t, disk, "merged"), read(t, disk, "want")) {
			t.Errorf("%v: other bytes", sizes)
		}
		wantAll(t, open(t, disk, "merged"), all)
		if want := len(all) / 8192; paced != want {
			t.Errorf("%v: paced %d times, want %d", sizes, paced, want)
		}
	}
}

func TestMergeRefusesWhatIsNoRange(t *testing.T) {
	disk := crashfs.New()
	runs, all := parts(t, disk, "/", 10, 20, 30)
	write(t, disk, "again", 72, 80, all[:0])
	if err := ids.Merge(disk, "m", nil, nil); err == nil {
		t.Error("no runs")
	}
	if err := ids.Merge(disk, "m", []*ids.Run{runs[0], runs[2]}, nil); err == nil || !strings.Contains(err.Error(), "begins with seq 37") {
		t.Errorf("a gap: %v", err)
	}
	if _, err := ids.NewSet(runs[1], runs[0]); err == nil {
		t.Error("backwards")
	}
	// The same identity recorded twice is a mistake of ours that no merge may hide.
	_, to := runs[2].Seqs()
	write(t, disk, "twice", to, to+1, []ids.Entry{{Key: all[3].Key, Seq: to}})
	err := ids.Merge(disk, "m", append(slices.Clone(runs), open(t, disk, "twice")), nil)
	if err == nil || !strings.Contains(err.Error(), "has the key of seq") {
		t.Errorf("a key in two runs: %v", err)
	}
	stop := errors.New("stop")
	runs, _ = parts(t, disk, "/", 5000, 5000)
	if err := ids.Merge(disk, "m", runs, func() error { return stop }); !errors.Is(err, stop) {
		t.Errorf("stopped: %v", err)
	}
	if _, err := ids.Open(disk, "m"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was written: %v", err)
	}
}

func TestASetFindsWhatAnyRunHolds(t *testing.T) {
	disk := crashfs.New()
	runs, all := parts(t, disk, "/", 4000, 300, 1, 0, 77)
	s, err := ids.NewSet(runs...)
	if err != nil {
		t.Fatal(err)
	}
	keys := random(rand.New(rand.NewPCG(5, 5)), len(all))
	want := map[int]uint64{}
	for i, e := range all {
		if i%3 == 0 {
			keys[i], want[i] = e.Key, e.Seq
		}
	}
	keys = append(keys, keys[0])
	want[len(keys)-1] = all[0].Seq
	got := map[int]uint64{}
	if err := s.FindAll(keys, func(i int, seq uint64) { got[i] = seq }); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for i, k := range keys {
		seq, found, err := s.Find(k)
		if w, ok := want[i]; err != nil || found != ok || seq != w {
			t.Errorf("key %d: %d, %t, %v", i, seq, found, err)
		}
	}
	if _, found, err := (ids.Set{}).Find(keys[0]); found || err != nil {
		t.Errorf("no runs: %t, %v", found, err)
	}
}

func TestARunMayBeClosedWhileItIsAsked(t *testing.T) {
	dir := t.TempDir()
	es := made(0, 5000)
	path := filepath.Join(dir, "r")
	write(t, durable.OS(), path, 0, 5000, es)
	r := open(t, durable.OS(), path)
	var askers sync.WaitGroup
	asked := make(chan bool, 1000)
	for range 4 {
		askers.Go(func() {
			for i := 0; ; i = (i + 1) % len(es) {
				seq, found, err := r.Find(es[i].Key)
				if errors.Is(err, fs.ErrClosed) {
					return
				}
				if seq != es[i].Seq || !found || err != nil {
					t.Errorf("%d, %t, %v", seq, found, err)
					return
				}
				select {
				case asked <- true:
				default:
				}
			}
		})
	}
	for range cap(asked) {
		<-asked
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	askers.Wait()
}

func TestRunsAreMergedWhenEightOfASizeHaveCome(t *testing.T) {
	const k, m = 8, 64
	tests := []struct {
		name   string
		counts []uint64
		i, j   int
	}{
		{"none", nil, 0, 0},
		{"seven", []uint64{k, k, k, k, k, k, k}, 7, 7},
		{"eight", []uint64{k, k, k, k, k, k, k, k}, 0, 8},
		{"sizes of a class", []uint64{8, 63, 9, 10, 11, 12, 13, 60}, 0, 8},
		{"behind larger ones", []uint64{m, m, k, k, k, k, k, k, k, k}, 2, 10},
		{"small ones among and after them", []uint64{m, k, k, 1, k, k, 2, k, k, k, k, 3}, 1, 12},
		{"parted by a larger one", []uint64{k, k, k, k, m, k, k, k, k}, 9, 9},
		{"the next class", []uint64{m, m, m, m, m, m, m, m, k, k}, 0, 10},
		{"empty ones", []uint64{m, 0, 0, 0, 0, 0, 0, 0, 0}, 1, 9},
		{"the largest", slices.Repeat([]uint64{1<<64 - 1}, 8), 0, 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if i, j := ids.Due(tt.counts); i != tt.i || j != tt.j {
				t.Errorf("%d to %d, want %d to %d", i, j, tt.i, tt.j)
			}
		})
	}
}

func TestRunsStayFewAndAreSeldomRewritten(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	const seals, most = 763, 131_072 // 100 million ids
	var runs []uint64
	var total, written uint64
	fewest := 0
	for range seals {
		n := uint64(most)
		if r.IntN(10) == 0 {
			n = r.Uint64N(most)
		}
		runs = append(runs, n)
		total += n
		for i, j := ids.Due(runs); i < j; i, j = ids.Due(runs) {
			var sum uint64
			for _, n := range runs[i:j] {
				sum += n
			}
			written += sum
			runs = append(runs[:i], sum)
		}
		fewest = max(fewest, len(runs))
	}
	if fewest > 28 || written > 4*total {
		t.Errorf("up to %d runs, each id written %.1f times more", fewest, float64(written)/float64(total))
	}
}
