package verify_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/bundle"
	"countersign/event"
	"countersign/identity"
	"countersign/internal/testkit"
	"countersign/merkle"
	"countersign/query"
	"countersign/report"
	"countersign/store"
	"countersign/verify"
)

// packWorld is a server's trail that packs are made of.
type packWorld struct {
	testing.TB
	trail  *store.Store
	people *identity.Directory
	admin  identity.Caller
	estate *testkit.Estate
}

func newPackWorld(t testing.TB) *packWorld {
	t.Helper()
	w := &packWorld{TB: t, estate: testkit.NewEstate(3, time.Date(2026, 4, 10, 0, 0, 0, 0, time.UTC))}
	dir := t.TempDir()
	var err error
	w.people, err = identity.Open(t.Context(), filepath.Join(dir, "control.db"), identity.Options{Unrecorded: true})
	w.must(err)
	t.Cleanup(func() { w.must(w.people.Close()) })
	token, _, err := w.people.Bootstrap(t.Context(), "")
	w.must(err)
	w.admin, err = w.people.Authenticate(t.Context(), identity.Credential{Token: token})
	w.must(err)
	for _, a := range w.estate.Accounts {
		_, err := w.people.CreateAccount(t.Context(), w.admin, identity.NewAccount{ID: a.ID, Name: a.Name})
		w.must(err)
	}
	w.trail, err = store.Open(filepath.Join(dir, "data"), store.Options{DedupKey: []byte("key"), Origin: origin, PublishEvery: -1, NoPreallocate: true})
	w.must(err)
	t.Cleanup(func() { w.must(w.trail.Close()) })
	for e := range w.estate.Events(3, 900, w.estate.Now.AddDate(0, 0, -120), w.estate.Now) {
		_, err := w.trail.Append(t.Context(), []event.Event{e}, "importer")
		w.must(err)
		if w.trail.Size() == 500 {
			_, err := w.trail.PublishNow(t.Context())
			w.must(err)
		}
		if w.trail.Size()%200 == 150 {
			_, err := w.trail.RecordPack(t.Context(), `{"manifest_sha256":"earlier"}`)
			w.must(err)
		}
	}
	return w
}

func (w *packWorld) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *packWorld) keys() merkle.Keys {
	var lines strings.Builder
	for _, k := range w.trail.Keys() {
		lines.WriteString(k.VKey + "\n")
	}
	keys, err := merkle.ParseKeys([]byte(lines.String()))
	w.must(err)
	return keys
}

// make makes a pack over the first quarter, of all accounts or some, and returns its files.
func (w *packWorld) make(accounts ...string) packFiles {
	w.Helper()
	all, err := report.BuiltIn()
	w.must(err)
	maker := report.Maker{Trail: w.trail, People: w.people, Software: "countersign test"}
	made, err := maker.Make(w.Context(), &report.Request{
		ID: "r-1", Framework: all[1], From: "2026-01-01", To: "2026-03-31", Accounts: accounts, Seed: "seed", Caller: w.admin,
	}, w.TempDir(), nil)
	w.must(err)
	b, err := os.ReadFile(made.Path)
	w.must(err)
	return w.unpack(b)
}

// packFiles are those of a pack.
type packFiles map[string][]byte

func (w *packWorld) unpack(b []byte) packFiles {
	w.Helper()
	p, err := bundle.OpenPack(bytes.NewReader(b), int64(len(b)))
	w.must(err)
	out := packFiles{}
	for _, name := range p.Names() {
		out[name], err = p.ReadFile(name, 1<<30)
		w.must(err)
	}
	return out
}

// pack writes the archive.
func (w *packWorld) pack(f packFiles) []byte {
	w.Helper()
	var out bytes.Buffer
	z := bundle.NewPackWriter(&out)
	names := slices.Sorted(maps.Keys(f))
	last := []string{bundle.PackManifest, bundle.PackSeal}
	names = append(slices.DeleteFunc(names, func(n string) bool { return slices.Contains(last, n) }), last...)
	for _, name := range names {
		var deflated bytes.Buffer
		fw := bundle.NewFileWriter(&deflated)
		_, err := fw.Write(f[name])
		w.must(err)
		packed, err := fw.Close(name)
		w.must(err)
		w.must(z.Add(&packed, &deflated))
	}
	w.must(z.Close())
	return out.Bytes()
}

func (w *packWorld) check(f packFiles) *verify.Report {
	w.Helper()
	b := w.pack(f)
	r, err := verify.Pack(w.Context(), bytes.NewReader(b), int64(len(b)), verify.Options{Keys: w.keys()})
	w.must(err)
	return r
}

func (w *packWorld) manifest(f packFiles) *bundle.Manifest {
	w.Helper()
	m, err := bundle.ParseManifest(f[bundle.PackManifest])
	w.must(err)
	return m
}

// put replaces the manifest by one that names the files as they are.
func (w *packWorld) put(f packFiles, m *bundle.Manifest) {
	w.Helper()
	m.Files = nil
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if name != bundle.PackManifest && name != bundle.PackSeal {
			sum := sha256.Sum256(f[name])
			m.Files = append(m.Files, bundle.PackFile{Name: name, Bytes: uint64(len(f[name])), SHA256: hex.EncodeToString(sum[:])})
		}
	}
	b, err := m.JSON()
	w.must(err)
	f[bundle.PackManifest] = b
}

// seal makes the seal of a pack as the operator can, who holds the trail and its keys.
func (w *packWorld) seal(f packFiles) {
	w.Helper()
	m := w.manifest(f)
	sum := sha256.Sum256(f[bundle.PackManifest])
	var s bundle.Seal
	var err error
	s.Signature, err = w.trail.SignText(bundle.PackText(sum))
	w.must(err)
	s.Index, err = w.trail.RecordPack(w.Context(), bundle.PackStatement(m, sum))
	w.must(err)
	s.Checkpoint, err = w.trail.PublishNow(w.Context())
	w.must(err)
	s.Entry, err = w.trail.EntryBytes(s.Index)
	w.must(err)
	s.Path, err = w.trail.Inclusion(s.Index, s.Checkpoint.Size)
	w.must(err)
	s.Consistency, err = w.trail.Consistency(m.Checkpoint.Size, s.Checkpoint.Size)
	w.must(err)
	f[bundle.PackSeal], err = s.JSON()
	w.must(err)
}

func TestGenuinePacksHaveNoFinding(t *testing.T) {
	w := newPackWorld(t)
	for _, c := range []struct {
		name     string
		accounts []string
		levels   string
	}{
		{"everything", nil, "ABC"},
		{"one account", []string{w.estate.Accounts[1].ID}, "ABC"},
		{"three accounts", []string{w.estate.Accounts[0].ID, w.estate.Accounts[3].ID, w.estate.Accounts[5].ID}, "ABCCC"},
	} {
		f := w.make(c.accounts...)
		r := w.check(f)
		if !r.OK() || levels(r) != c.levels {
			t.Errorf("%s: levels %s: %+v", c.name, levels(r), r.Findings)
		}
		if m := w.manifest(f); m.Rows == 0 || m.Excluded == 0 {
			t.Errorf("%s: %d rows and %d others: the test does not test much", c.name, m.Rows, m.Excluded)
		}
	}
}

// alteration is what somebody makes of a pack.
type alteration struct {
	name    string
	account bool // of the pack over one account, else of that over everything
	// by says who altered it: a thief of the file, who has nothing but it; one who also writes a manifest that fits and
	// seals it with a key of their own; or the operator, who can seal with the keys of the trail.
	by    string
	alter func(w *packWorld, f packFiles, m *bundle.Manifest)
	kind  verify.Kind
	what  string
}

func alterations() []alteration {
	const thief, forger, operator = "thief", "forger", "operator"
	return []alteration{
		{"value of a row changed", false, thief, func(w *packWorld, f packFiles, _ *bundle.Manifest) {
			replace(w, f, bundle.PackRows, `"outcome":"success"`, `"outcome":"failure"`)
		}, verify.Changed, "the log holds another entry there"},
		{"row removed, count adjusted", false, forger, removeRow, verify.WrongKey, "no given key has signed it"},
		{"row removed, everything adjusted and sealed", false, operator, removeRow, verify.Missing, "the range has it"},
		{"row of an account removed, everything adjusted and sealed", true, operator, removeRow, verify.Missing, "names it as the one before"},
		{"row made an entry that is no row", false, operator, hideRow, verify.Missing, "it is of the period, and not among the rows"},
		{"row of an account made an entry that is no row", true, operator, hideRow, verify.Missing, "it is of the period, and not among the rows"},
		{"last entries of a range left out", false, operator, dropLast, verify.Missing, "the range has"},
		{"end of a chain left out", true, operator, dropLast, verify.Missing, "is to end with it"},
		{"range said to begin later", false, operator, func(w *packWorld, f packFiles, m *bundle.Manifest) {
			m.Range.From += 10
			dropExcluded(w, f, m, func(x *bundle.Excluded) bool { return x.Seq < m.Range.From })
		}, verify.Missing, "not shown to reach back to before the period"},
		{"chain said to begin later", true, operator, func(w *packWorld, f packFiles, m *bundle.Manifest) {
			entries := readExcluded(w, f, m)
			m.Chains[0].From = entries[3].Seq
			dropExcluded(w, f, m, func(x *bundle.Excluded) bool { return x.Seq < m.Chains[0].From })
		}, verify.Missing, "not shown to reach back to before the period"},
		{"entry of another account put in a chain", true, operator, func(w *packWorld, f packFiles, m *bundle.Manifest) {
			swapExcluded(w, f, m, func(entries []*bundle.Excluded) []*bundle.Excluded {
				x := *entries[4]
				x.Seq--
				e, err := w.trail.Entry(x.Seq)
				w.must(err)
				seed, _ := w.trail.Seed(x.Seq)
				if e.Account.ID == m.Chains[0].Account || e.Kind != event.KindEvent {
					w.Fatal("the entry before is no other account's")
				}
				x.Opening = event.OpenFrame(seed, e)
				return slices.Insert(entries, 4, &x)
			})
		}, verify.Missing, "names it as the one before"},
		{"filter text widened", false, forger, func(_ *packWorld, f packFiles, m *bundle.Manifest) {
			s := search(m, "AM.LOGIN_FAIL")
			s.Where = strings.Replace(s.Where, "action:=LOGIN_ERROR", "action:=(LOGIN_ERROR,LOGIN)", 1)
		}, verify.WrongTotal, "AM.LOGIN_FAIL"},
		{"filter text widened and sealed", false, operator, func(_ *packWorld, f packFiles, m *bundle.Manifest) {
			s := search(m, "AM.LOGIN_FAIL")
			s.Where = strings.Replace(s.Where, "action:=LOGIN_ERROR", "action:=(LOGIN_ERROR,LOGIN)", 1)
		}, verify.Disagrees, "it is not what the search AM.LOGIN_FAIL finds"},
		{"period narrowed", false, operator, func(w *packWorld, f packFiles, m *bundle.Manifest) {
			m.Query = parse(w, "occurred_at:2026-01-01..2026-02-28")
		}, verify.Disagrees, "its header is not what the manifest says"},
		{"scope said to be one account", false, operator, func(w *packWorld, f packFiles, m *bundle.Manifest) {
			m.Range, m.Scope = nil, query.Is(query.AccountID, w.estate.Accounts[0].ID)
			m.Excluded = 0
			delete(f, bundle.PackExcluded)
		}, verify.Disagrees, "its header is not what the manifest says"},
		{"older checkpoint put in", false, operator, func(w *packWorld, f packFiles, m *bundle.Manifest) {
			older := w.older(m.Checkpoint.Size - 40)
			m.Checkpoint, m.TreeSize = older, older.Size
		}, verify.Malformed, "the header is not that of the manifest"},
		{"older checkpoint put in the seal", false, thief, func(w *packWorld, f packFiles, m *bundle.Manifest) {
			s := seal(w, f)
			s.Checkpoint = m.Checkpoint
			f[bundle.PackSeal], _ = s.JSON()
		}, verify.WrongProof, "seal.json"},
		{"checkpoint of another history", false, operator, func(w *packWorld, f packFiles, m *bundle.Manifest) {
			other := newPackWorld(w)
			signed, err := other.trail.PublishNow(w.Context())
			w.must(err)
			m.Checkpoint = signed
			m.TreeSize = min(m.TreeSize, signed.Size)
		}, verify.WrongKey, "no given key has signed it"},
		{"key inside the pack swapped", false, thief, func(_ *packWorld, f packFiles, _ *bundle.Manifest) {
			f["keys.txt"] = []byte("example.com/trail+00000000+AAAA\n")
		}, verify.Changed, "it is not the file that the manifest names"},
		{"signed by somebody else", false, forger, func(*packWorld, packFiles, *bundle.Manifest) {}, verify.WrongKey, "no given key has signed it"},
		{"report's claim raised", false, operator, func(w *packWorld, f packFiles, m *bundle.Manifest) {
			m.Range, m.Excluded = nil, 0
			delete(f, bundle.PackExcluded)
		}, verify.Disagrees, "claim level are not those of the manifest"},
		{"count in the report changed", false, operator, func(w *packWorld, f packFiles, _ *bundle.Manifest) {
			replace(w, f, "report.json", `"search": "AM.LOGIN_FAIL",`, `"search": "AM.LOGIN_FAIL", "x": 0,`)
			b := f["report.json"]
			at := bytes.Index(b, []byte(`"search": "AM.LOGIN_FAIL", "x": 0,`))
			count := at + bytes.Index(b[at:], []byte(`"count": `)) + len(`"count": `)
			f["report.json"] = slices.Insert(b, count, '9')
		}, verify.Disagrees, "which the rows do not"},
		{"page of the report changed", false, thief, func(w *packWorld, f packFiles, _ *bundle.Manifest) {
			replace(w, f, "report.json", "This report states evidence", "This report states compliance")
		}, verify.Changed, "report.json"},
		{"annex without a row", false, thief, func(_ *packWorld, f packFiles, _ *bundle.Manifest) {
			f["AM.LOGIN_OK.csv"] = f["AM.LOGIN_OK.csv"][:bytes.LastIndexByte(bytes.TrimRight(f["AM.LOGIN_OK.csv"], "\r\n"), '\n')+1]
		}, verify.Changed, "AM.LOGIN_OK.csv"},
		{"annex without a row, sealed", false, operator, func(_ *packWorld, f packFiles, _ *bundle.Manifest) {
			f["AM.LOGIN_OK.csv"] = f["AM.LOGIN_OK.csv"][:bytes.LastIndexByte(bytes.TrimRight(f["AM.LOGIN_OK.csv"], "\r\n"), '\n')+1]
		}, verify.Disagrees, "AM.LOGIN_OK.csv"},
		{"sample picked by hand", false, operator, func(_ *packWorld, _ packFiles, m *bundle.Manifest) {
			s := search(m, "AM.LOGIN_OK")
			s.Sample[0]++
		}, verify.Disagrees, "the sample is not the one that the seed draws"},
		{"another seed", false, operator, func(_ *packWorld, _ packFiles, m *bundle.Manifest) { m.Seed = "mine" }, verify.Disagrees, "the sample is not the one that the seed draws"},
		{"file added", false, thief, func(_ *packWorld, f packFiles, _ *bundle.Manifest) { f["zz.txt"] = []byte("more") }, verify.Added, "the manifest does not name it"},
		{"file removed", false, thief, func(_ *packWorld, f packFiles, _ *bundle.Manifest) { delete(f, "AM.IDP.csv") }, verify.Missing, "the manifest names it"},
		{"packFiles swapped", false, thief, func(_ *packWorld, f packFiles, _ *bundle.Manifest) {
			f["AM.IDP.csv"], f["AM.TOKEN.csv"] = f["AM.TOKEN.csv"], f["AM.IDP.csv"]
		}, verify.Changed, "it is not the file that the manifest names"},
		{"seal of another pack", false, thief, func(w *packWorld, f packFiles, _ *bundle.Manifest) {
			f[bundle.PackSeal] = w.make(w.estate.Accounts[2].ID)[bundle.PackSeal]
		}, verify.Changed, "the trail fixes another manifest"},
		{"manifest with a blank", false, thief, func(w *packWorld, f packFiles, _ *bundle.Manifest) {
			replace(w, f, bundle.PackManifest, `"rows":`, `"rows": `)
		}, verify.Malformed, "not in its one rendering"},
		{"who made it changed", false, thief, func(w *packWorld, f packFiles, _ *bundle.Manifest) {
			replace(w, f, bundle.PackManifest, `"by_name":"Administrator"`, `"by_name":"Somebody else"`)
		}, verify.Changed, "its hash is not the one that was signed"},
		{"proof of the rows changed", false, operator, func(w *packWorld, f packFiles, _ *bundle.Manifest) {
			b := f[bundle.PackRows]
			at := bytes.Index(b, []byte(`{"hashes":["`)) + len(`{"hashes":["`)
			b[at] = 'A' + (b[at]-'A'+1)%26
			sum := sha256.Sum256(b[:bytes.LastIndex(b, []byte(`{"complete":true`))])
			end := bytes.LastIndex(b, []byte(`"sha256":"`)) + len(`"sha256":"`)
			copy(b[end:], hex.EncodeToString(sum[:]))
		}, verify.WrongProof, "lead to the root"},
	}
}

func TestAlteredPacksAreRefused(t *testing.T) {
	w := newPackWorld(t)
	whole, account := w.make(), w.make(w.estate.Accounts[1].ID)
	signer, err := merkle.NewSigner(origin)
	w.must(err)
	for _, a := range alterations() {
		t.Run(a.name, func(t *testing.T) {
			w := *w
			w.TB = t
			f := maps.Clone(whole)
			if a.account {
				f = maps.Clone(account)
			}
			for name := range f {
				f[name] = bytes.Clone(f[name])
			}
			m := w.manifest(f)
			a.alter(&w, f, m)
			switch a.by {
			case "forger":
				w.put(f, m)
				s := seal(&w, f)
				s.Signature, err = merkle.SignText(bundle.PackText(sha256.Sum256(f[bundle.PackManifest])), signer)
				w.must(err)
				f[bundle.PackSeal], err = s.JSON()
				w.must(err)
			case "operator":
				w.put(f, m)
				w.seal(f)
			}
			r := w.check(f)
			if r.OK() || len(r.Claims) > 0 {
				t.Fatalf("it was accepted: %+v", r)
			}
			if !slices.ContainsFunc(r.Findings, func(x verify.Finding) bool {
				return x.Kind == a.kind && strings.Contains(x.Where+": "+x.What, a.what)
			}) {
				t.Errorf("found %+v", r.Findings)
			}
		})
	}
}

func replace(w *packWorld, f packFiles, name, from, to string) {
	w.Helper()
	changed := bytes.Replace(f[name], []byte(from), []byte(to), 1)
	if bytes.Equal(changed, f[name]) {
		w.Fatalf("%s has no %s", name, from)
	}
	f[name] = changed
}

func parse(w *packWorld, text string) query.Filter {
	w.Helper()
	q, err := query.Parse(text)
	w.must(err)
	return q
}

func search(m *bundle.Manifest, name string) *bundle.PackSearch {
	i := slices.IndexFunc(m.Searches, func(s bundle.PackSearch) bool { return s.Name == name })
	return &m.Searches[i]
}

func seal(w *packWorld, f packFiles) *bundle.Seal {
	w.Helper()
	s, err := bundle.ParseSeal(f[bundle.PackSeal])
	w.must(err)
	return s
}

// older returns a genuine checkpoint of the trail that has fewer entries.
func (w *packWorld) older(size uint64) merkle.Checkpoint {
	w.Helper()
	c, found, err := w.trail.PublishedFor(0)
	w.must(err)
	if !found || c.Size > size {
		w.Fatalf("the first checkpoint has %d entries", c.Size)
	}
	return c
}

// rowsOf reads the rows of a pack.
func rowsOf(w *packWorld, f packFiles) (bundle.ExportHeader, []bundle.Row) {
	w.Helper()
	x, err := bundle.OpenExport(bytes.NewReader(f[bundle.PackRows]))
	w.must(err)
	d := x.Decoder()
	var rows []bundle.Row
	for {
		b, err := x.Row(nil)
		if err == io.EOF {
			return x.Header(), rows
		}
		w.must(err)
		row, err := d.Decode(b)
		w.must(err)
		rows = append(rows, row)
	}
}

// rewrite writes rows with a good proof, and everything that is made from them.
func rewrite(w *packWorld, f packFiles, m *bundle.Manifest, rows []bundle.Row) {
	w.Helper()
	h, _ := rowsOf(w, f)
	var out bytes.Buffer
	x, err := bundle.NewExportWriter(&out, h)
	w.must(err)
	for i := range rows {
		w.must(x.Row(&rows[i]))
	}
	w.must(x.Finish(w.trail.Multi))
	f[bundle.PackRows] = out.Bytes()
	m.Rows = uint64(len(rows))
	for i := range m.Searches {
		s := &m.Searches[i]
		match := query.Compile(parse(w, s.Where))
		csv, lines := bundle.AppendCSVHeader(nil), []byte{}
		s.Count = 0
		type drawn struct {
			key [32]byte
			seq uint64
		}
		var sample []drawn
		for i := range rows {
			if e := &rows[i].Entry; match(e) {
				s.Count++
				csv = bundle.AppendCSV(csv, e, true)
				lines = append(event.AppendEntryJSON(lines, e), '\n')
				sample = append(sample, drawn{bundle.SampleKey(m.Seed, s.Name, e.Seq), e.Seq})
			}
		}
		f[s.CSV], f[s.NDJSON] = csv, lines
		slices.SortFunc(sample, func(a, b drawn) int { return bytes.Compare(a.key[:], b.key[:]) })
		s.Sample = []uint64{}
		for _, d := range sample[:min(len(sample), s.Of)] {
			s.Sample = append(s.Sample, d.seq)
		}
		slices.Sort(s.Sample)
	}
}

func removeRow(w *packWorld, f packFiles, m *bundle.Manifest) {
	_, rows := rowsOf(w, f)
	rewrite(w, f, m, slices.Delete(rows, 20, 21))
}

// hideRow moves a row to the entries that are said to be of another time.
func hideRow(w *packWorld, f packFiles, m *bundle.Manifest) {
	_, rows := rowsOf(w, f)
	hidden := rows[20]
	rewrite(w, f, m, slices.Delete(rows, 20, 21))
	swapExcluded(w, f, m, func(entries []*bundle.Excluded) []*bundle.Excluded {
		x := &bundle.Excluded{Seq: hidden.Entry.Seq, Opening: event.OpenFrame(hidden.Seed, &hidden.Entry)}
		if len(m.Chains) > 0 {
			x.Account = hidden.Entry.Account.ID
		}
		entries = append(entries, x)
		slices.SortFunc(entries, func(a, b *bundle.Excluded) int { return int(a.Seq) - int(b.Seq) })
		return entries
	})
}

func dropLast(w *packWorld, f packFiles, m *bundle.Manifest) {
	entries := readExcluded(w, f, m)
	last := entries[len(entries)-3].Seq
	dropExcluded(w, f, m, func(x *bundle.Excluded) bool { return x.Seq > last })
}

func readExcluded(w *packWorld, f packFiles, m *bundle.Manifest) []*bundle.Excluded {
	w.Helper()
	r, err := bundle.OpenExcluded(bytes.NewReader(f[bundle.PackExcluded]), m)
	w.must(err)
	var out []*bundle.Excluded
	for {
		x, err := r.Next()
		if err == io.EOF {
			return out
		}
		w.must(err)
		out = append(out, x)
	}
}

// swapExcluded writes other entries, with a good proof.
func swapExcluded(w *packWorld, f packFiles, m *bundle.Manifest, change func([]*bundle.Excluded) []*bundle.Excluded) {
	w.Helper()
	entries := change(readExcluded(w, f, m))
	var out bytes.Buffer
	x := bundle.NewExcludedWriter(&out, m.TreeSize, m.Checkpoint)
	for _, e := range entries {
		w.must(x.Add(e))
	}
	w.must(x.Finish(w.trail.Multi))
	f[bundle.PackExcluded] = out.Bytes()
	m.Excluded = uint64(len(entries))
}

func dropExcluded(w *packWorld, f packFiles, m *bundle.Manifest, drop func(*bundle.Excluded) bool) {
	w.Helper()
	swapExcluded(w, f, m, func(entries []*bundle.Excluded) []*bundle.Excluded { return slices.DeleteFunc(entries, drop) })
}

func TestWhatIsNoPackIsNotChecked(t *testing.T) {
	w := newPackWorld(t)
	b := []byte("hello")
	if _, err := verify.Pack(t.Context(), bytes.NewReader(b), int64(len(b)), verify.Options{Keys: w.keys()}); err == nil {
		t.Error("it was checked")
	}
}
