package verify_test

import (
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/bundle"
	"countersign/event"
	"countersign/internal/crashfs"
	"countersign/internal/durable"
	"countersign/merkle"
	"countersign/store"
	"countersign/verify"
)

// The corpus: ways to tamper with what the server gave out or keeps, by somebody who knows the formats and makes
// every count, checksum and hash good again that needs no key, and some who have a key. Each is tried at random places
// of exports, proofs and directories that a store made. None may be missed; what changes nothing that can be verified
// must leave the claims as they are.

// tampering is one way.
type tampering struct {
	name string
	// do tampers with something of the world and has it checked. What it returns is what the auditor gets.
	do func(t testing.TB, r *rand.Rand, w *world) (*verify.Report, error)
	// kinds are those of which one finding must be. nil: any, or an error.
	kinds []verify.Kind
	// harmless: nothing that is claimed is untrue afterwards.
	harmless bool
	// where it can be done: everywhere, or only where entries are in the log, or where some are sealed.
	in place
}

type place int

const (
	anywhere place = iota
	inLog
	inSealed
)

// world draws the world for a try.
func (w *tampering) world(worlds []*world, try int) *world {
	switch w.in {
	case inLog:
		return worlds[0]
	case inSealed:
		return worlds[1]
	}
	return worlds[try%len(worlds)]
}

var tamperings = slices.Concat(exportTamperings, proofTamperings, dataTamperings, originTamperings, sealedTamperings)

// tries is how often the corpus is drawn from.
func tries(t *testing.T) int {
	if s := os.Getenv("COUNTERSIGN_TAMPERINGS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	switch {
	case os.Getenv("COUNTERSIGN_SOAK") != "":
		return 100_000
	case testing.Short(), raceDetector: // the tests run once more without it
		return 200
	}
	return 2000
}

func TestTamperingSuiteIsFoundWithoutExceptions(t *testing.T) {
	if n := len(tamperings); n < 25 {
		t.Fatalf("only %d ways to tamper", n)
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("COUNTERSIGN_TAMPER_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("COUNTERSIGN_TAMPER_SEED=%d", seed)
	worlds := []*world{newWorld(t, seed, options()), newWorld(t, seed+1, sealing())}
	each := (tries(t) + len(tamperings) - 1) / len(tamperings)
	for i, way := range tamperings {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			for try := range each {
				r := rand.New(rand.NewPCG(seed, uint64(i)<<32|uint64(try)))
				report, err := way.do(t, r, way.world(worlds, try))
				if bad := way.judge(report, err); bad != "" {
					t.Fatalf("try %d: %s: %+v, %v", try, bad, report, err)
				}
			}
		})
	}
}

// judge says what is wrong with the result of a check.
func (w *tampering) judge(r *verify.Report, err error) string {
	switch {
	case w.harmless && (err != nil || !r.OK() || len(r.Claims) == 0):
		return "a change of nothing is reported"
	case w.harmless:
		return ""
	case err == nil && r.OK():
		return "missed"
	case err == nil && len(r.Claims) > 0:
		return "claims beside findings"
	case w.kinds == nil:
		return ""
	case err != nil:
		return "not checked"
	case !slices.ContainsFunc(r.Findings, func(f verify.Finding) bool { return slices.Contains(w.kinds, f.Kind) }):
		return fmt.Sprintf("not named as one of %v", w.kinds)
	}
	return ""
}

// files is a directory in memory.
type files map[string][]byte

func load(t testing.TB, dir string) files {
	t.Helper()
	f := files{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		f[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// put makes a disk with the files in d/.
func (f files) put(t testing.TB) *crashfs.FS {
	t.Helper()
	disk := crashfs.New()
	for name, b := range f {
		if err := disk.MkdirAll(filepath.Dir("d/"+name), durable.DirMode); err != nil {
			t.Fatal(err)
		}
		if err := durable.WriteFile(disk, "d/"+name, b); err != nil {
			t.Fatal(err)
		}
	}
	return disk
}

// with returns a copy in which one file is another.
func (f files) with(name string, b []byte) files {
	c := maps.Clone(f)
	c[name] = b
	return c
}

// some returns a random name that begins like that.
func (f files) some(r *rand.Rand, prefix string) string {
	names := f.names(prefix)
	return names[r.IntN(len(names))]
}

func (f files) names(prefix string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(f)), func(name string) bool { return !strings.HasPrefix(name, prefix) || len(f[name]) == 0 })
}

// world is a trail that a store made, what was given out of it, and what became of copies of it.
type world struct {
	keys    merkle.Keys
	kept    []merkle.Checkpoint
	trail   *store.Store // a copy that runs, for what is given out
	entries []event.Entry
	newest  merkle.Checkpoint
	older   merkle.Checkpoint // published earlier

	dir            files // stopped
	earlier, clone files // see made
	keptEarlier    int
	// strange has the same events under another key of the same origin.
	strange    files
	strangeTop merkle.Checkpoint
	strangeKey *merkle.Signer
	// renamed goes on from earlier under another name.
	renamed *renamed
}

func newWorld(t testing.TB, seed uint64, o store.Options) *world {
	t.Helper()
	m := newDir(t, seed, o)
	w := &world{
		keys: m.options(t).Keys, kept: m.kept, keptEarlier: m.keptEarlier,
		dir: load(t, m.dir).tidied(t), earlier: load(t, m.earlier).tidied(t), clone: load(t, m.clone).tidied(t),
	}
	w.trail = open(t, copyDir(t, m.dir))
	for seq := range w.trail.Size() {
		e, _ := w.trail.Entry(seq)
		w.entries = append(w.entries, *e)
	}
	w.newest, _ = w.trail.Published()
	w.older, _, _ = w.trail.PublishedFor(0)
	w.strangeTrail(t, m.events)
	o.Origin = ""
	w.renamed = w.rename(t, m.earlier, o)
	return w
}

// open opens a store and closes it with the test.
func open(t testing.TB, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(dir, options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// strangeTrail records the same events under another key.
func (w *world) strangeTrail(t testing.TB, events []event.Event) {
	t.Helper()
	var err error
	if w.strangeKey, err = merkle.NewSigner(origin); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s, err := store.Open(dir, options())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), events, "importer"); err != nil {
		t.Fatal(err)
	}
	if w.strangeTop, err = s.PublishNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	w.strange = load(t, dir)
}

// resign signs what a checkpoint says with another key of the name.
func (w *world) resign(t testing.TB, c merkle.Checkpoint) merkle.Checkpoint {
	t.Helper()
	c, err := merkle.Sign(origin, c.Size, c.Root, w.strangeKey)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// cosigned adds the signature of a witness whom the auditor does not know.
func (w *world) cosigned(c merkle.Checkpoint) merkle.Checkpoint {
	other, err := merkle.NewSigner("witness.example.com")
	if err != nil {
		panic(err)
	}
	signed, err := merkle.Sign("witness.example.com", c.Size, c.Root, other)
	if err != nil {
		panic(err)
	}
	lines := strings.SplitAfter(string(signed.Note), "\n")
	c.Note = append(slices.Clone(c.Note), lines[len(lines)-2]...)
	return c
}

func (w *world) row(seq uint64) bundle.Row {
	seed, _ := w.trail.Seed(seq)
	b, err := w.trail.EntryBytes(seq)
	if err != nil {
		panic(err)
	}
	return bundle.Row{Entry: w.entries[seq], Seed: seed, Leaf: event.LeafHash(b)}
}

// events are the places of entries that are no system facts.
func (w *world) events() []uint64 {
	var seqs []uint64
	for i := range w.entries {
		if w.entries[i].Kind == event.KindEvent {
			seqs = append(seqs, uint64(i))
		}
	}
	return seqs
}

// changeValue changes one value of an event to something else, and returns its name.
func changeValue(r *rand.Rand, e *event.Entry) string {
	texts := []struct {
		name string
		of   *event.Text
	}{
		{"account.name", &e.Account.Name}, {"division.id", &e.Division.ID}, {"division.name", &e.Division.Name}, {"actor.id", &e.Actor.ID},
		{"actor.name", &e.Actor.Name}, {"resource.id", &e.Resource.ID}, {"resource.name", &e.Resource.Name}, {"description", &e.Description},
		{"detail", &e.Detail}, {"client.ip", &e.Client.IP}, {"client.country", &e.Client.Country}, {"recorded_by", &e.RecordedBy}, {"raw", &e.Raw},
	}
	codes := []struct {
		name string
		of   *string
		to   []string
	}{
		{"id", &e.ID, []string{"x", "y"}}, {"account.id", &e.Account.ID, []string{"acme", "other"}}, {"actor.type", &e.Actor.Type, []string{"standard", "service"}},
		{"action", &e.Action, []string{"CREATE", "DELETE"}}, {"resource.type", &e.Resource.Type, []string{"USER", "ROLE"}},
		{"outcome", &e.Outcome, []string{"success", "failure"}}, {"source", &e.Source, []string{"x", "y"}},
	}
	switch n := r.IntN(len(texts) + len(codes) + 5); {
	case n < len(texts):
		v := texts[n].of
		switch {
		case !v.Present:
			*v = event.TextOf("") // empty, where it was absent
		case v.Value == "":
			*v = event.Text{}
		default:
			v.Value += "x"
		}
		return texts[n].name
	case n < len(texts)+len(codes):
		c := codes[n-len(texts)]
		i := 0
		if *c.of == c.to[0] {
			i = 1
		}
		*c.of = c.to[i]
		return c.name
	case n == len(texts)+len(codes):
		e.ReceivedAt--
		return "received_at"
	case n == len(texts)+len(codes)+1:
		e.AccountSeq++
		return "account_seq"
	case n == len(texts)+len(codes)+2:
		e.AccountPrev--
		return "account_prev"
	case n == len(texts)+len(codes)+3 && len(e.Attributes) > 0:
		i := r.IntN(len(e.Attributes))
		e.Attributes = slices.Clone(e.Attributes)
		e.Attributes[i].Value += "x"
		return "attributes"
	}
	if e.OccurredAt == event.MinMicros {
		e.OccurredAt++
	} else {
		e.OccurredAt--
	}
	return "occurred_at"
}

// flip flips one bit.
func flip(r *rand.Rand, b []byte) []byte {
	b = slices.Clone(b)
	b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	return b
}
