package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync"

	"countersign/bundle"
	"countersign/event"
	"countersign/merkle"
	"countersign/query"
)

// Pack checks an evidence pack: that its manifest is signed and its hash an entry of the trail, that every file is the
// one that the manifest names, that each row is genuine, that the annexes and samples are what the searches find among
// the rows, and, where the pack claims it, that no entry of the period was left out. It takes 80 bytes of memory for
// each row and each entry that is no row.
func Pack(ctx context.Context, r io.ReaderAt, size int64, o Options) (*Report, error) {
	var start [4]byte
	if _, err := r.ReadAt(start[:], 0); err != nil || string(start[:]) != "PK\x03\x04" {
		return nil, notChecked("this is no evidence pack")
	}
	c := &packCheck{report: newReport("an evidence pack"), options: o, hashed: map[string]string{}}
	var err error
	if c.pack, err = bundle.OpenPack(r, size); err != nil {
		return c.malformed("", err)
	}
	text, err := c.pack.ReadFile(bundle.PackManifest, bundle.MaxManifestBytes)
	if err != nil {
		return c.malformed(bundle.PackManifest, err)
	}
	if c.m, err = bundle.ParseManifest(text); err != nil {
		return c.malformed(bundle.PackManifest, err)
	}
	c.describe()
	c.report.anchor(c.m.Checkpoint, o.Keys)
	if err := c.seal(sha256.Sum256(text)); err != nil {
		return c.malformed(bundle.PackSeal, err)
	}
	if !c.names() {
		return c.report.done(), nil
	}
	for _, step := range []func(context.Context) error{c.rows, c.rest, c.files} {
		if err := step(ctx); err != nil {
			return c.malformed("", err)
		}
	}
	c.judge()
	return c.report.done(), nil
}

// packCheck is the state of one check.
type packCheck struct {
	report  *Report
	options Options
	pack    *bundle.Pack
	m       *bundle.Manifest
	reading sync.Mutex        // guards read
	read    int64             // bytes
	hashed  map[string]string // files that were read on the way, with their hashes

	searches []*searchCheck
	whole    *wholeCheck // nil where completeness is not claimed
	count    uint64      // of rows
}

// malformed turns what is wrong with the bytes into a finding; that the check was stopped is none.
func (c *packCheck) malformed(where string, err error) (*Report, error) {
	if errors.Is(err, ErrNotChecked) {
		return nil, err
	}
	if bad, ok := errors.AsType[*bundle.FormatError](err); ok {
		where = recordName(bad.Record)
	}
	c.report.find(Malformed, where, "%v", err)
	return c.report.done(), nil
}

func (c *packCheck) describe() {
	r, m := c.report, c.m
	r.fact("report", "%s %s, %s to %s", m.Report.Framework, m.Report.Version, m.Report.From, m.Report.To)
	r.fact("made", "at %s by %s (%s) with %s", m.Report.At, m.Report.ByName, m.Report.ByID, m.Report.Software)
	r.fact("query", "%s", query.Print(m.Query))
	if scope := query.Print(m.Scope); scope != "" {
		r.fact("within", "%s", scope)
	}
	r.fact("answered over", "the first %d entries of the trail", m.TreeSize)
	r.fact("rows", "%d", m.Rows)
}

// seal checks that the manifest is signed, and that its hash is an entry of the trail.
func (c *packCheck) seal(sum [32]byte) error {
	text, err := c.pack.ReadFile(bundle.PackSeal, bundle.MaxSealBytes)
	if err != nil {
		return err
	}
	s, err := bundle.ParseSeal(text)
	if err != nil {
		return err
	}
	r, origin := c.report, c.m.Checkpoint.Origin
	switch signed, _, err := c.options.Keys.OpenText(origin, s.Signature); {
	case err != nil:
		r.find(WrongKey, bundle.PackSeal, "%v", err)
	case signed != bundle.PackText(sum):
		r.find(Changed, bundle.PackManifest, "its hash is not the one that was signed")
	}
	_, _, statement, err := event.DecodeEntryBytes(s.Entry)
	if err != nil {
		return err
	}
	if string(statement) != bundle.PackStatement(c.m, sum) {
		r.find(Changed, bundle.PackManifest, "the trail fixes another manifest: %s", statement)
	}
	if _, err := s.Checkpoint.SignedBy(c.options.Keys); err != nil {
		r.find(WrongKey, bundle.PackSeal, "%v", err)
		return nil
	}
	if s.Checkpoint.Origin != origin {
		r.find(Forked, bundle.PackSeal, "the seal is of the trail %s, and the rows are of %s", s.Checkpoint.Origin, origin)
	}
	leaf := merkle.Hash(event.LeafHash(s.Entry))
	if err := merkle.CheckInclusion(s.Path, s.Index, s.Checkpoint.Size, s.Checkpoint.Root, leaf); err != nil {
		r.findEntry(WrongProof, bundle.PackSeal, s.Index, "%v", err)
	}
	if s.Index < c.m.TreeSize {
		r.findEntry(Forbidden, bundle.PackSeal, s.Index, "it stands among the entries that the report is over, and was recorded after it")
	}
	if c.m.Checkpoint.Size > s.Checkpoint.Size {
		r.find(RolledBack, bundle.PackSeal, "its checkpoint has %d entries, fewer than that of the rows with %d", s.Checkpoint.Size, c.m.Checkpoint.Size)
	} else if err := merkle.CheckConsistency(s.Consistency, c.m.Checkpoint.Size, c.m.Checkpoint.Root, s.Checkpoint.Size, s.Checkpoint.Root); err != nil {
		r.find(Forked, bundle.PackSeal, "%v: the rows are of another history than the seal", err)
	}
	r.fact("fixed", "by entry %d of the trail, under a checkpoint of %d entries", s.Index, s.Checkpoint.Size)
	return nil
}

// names checks that the files are those of the manifest.
func (c *packCheck) names() bool {
	names := c.pack.Names()
	names = names[:len(names)-2] // the manifest and the seal
	for _, name := range names {
		if c.m.File(name) == nil {
			c.report.find(Added, name, "the manifest does not name it")
		}
	}
	for _, f := range c.m.Files {
		if !slices.Contains(names, f.Name) {
			c.report.find(Missing, f.Name, "the manifest names it")
		}
	}
	return !slices.ContainsFunc(c.report.Findings, func(f Finding) bool { return f.Kind == Missing })
}

// open opens a file whose hash is taken while it is read.
func (c *packCheck) open(ctx context.Context, name string) (*hashing, error) {
	r, err := c.pack.Open(name)
	if err != nil {
		return nil, err
	}
	return &hashing{in: r, sum: sha256.New(), check: c, ctx: ctx, name: name}, nil
}

// hashing reads a file of the pack, and tells how far it is.
type hashing struct {
	in    io.ReadCloser
	sum   hash.Hash
	check *packCheck
	ctx   context.Context
	name  string
	n     uint64
}

func (h *hashing) Read(b []byte) (int, error) {
	if h.ctx.Err() != nil {
		return 0, stopped(h.ctx)
	}
	n, err := h.in.Read(b)
	h.sum.Write(b[:n])
	h.n += uint64(n)
	h.check.progress(int64(n))
	return n, err
}

// progress tells how much has been read. Two files are read side by side: the rows, and what is none.
func (c *packCheck) progress(n int64) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.read += n; c.options.Progress != nil {
		c.options.Progress(c.read)
	}
}

// close reads what is left and notes the hash.
func (h *hashing) close() error {
	_, err := io.Copy(io.Discard, h)
	if err = errors.Join(err, h.in.Close()); err != nil {
		return fmt.Errorf("%s: %w", h.name, err)
	}
	h.check.hashed[h.name] = fmt.Sprintf("%d %x", h.n, h.sum.Sum(nil))
	return nil
}

// rows checks the rows, and what is made from them.
func (c *packCheck) rows(ctx context.Context) error {
	for i := range c.m.Searches {
		s, err := newSearchCheck(&c.m.Searches[i], c.m.Seed)
		if err != nil {
			return err
		}
		c.searches = append(c.searches, s)
	}
	if c.m.ClaimLevel() == "C" {
		in, err := c.open(ctx, bundle.PackExcluded)
		if err != nil {
			return err
		}
		if c.whole, err = newWholeCheck(c.report, c.m, in); err != nil {
			return err
		}
	}
	in, err := c.open(ctx, bundle.PackRows)
	if err != nil {
		return err
	}
	if err := c.export(ctx, in); err != nil {
		return err
	}
	return in.close()
}

// export checks the rows as the export with proof that they are.
func (c *packCheck) export(ctx context.Context, in io.Reader) error {
	x, err := bundle.OpenExport(in)
	if err != nil {
		return err
	}
	h := x.Header()
	want := bundle.ExportHeader{
		Format: bundle.NDJSON, Query: c.m.Query, Scope: c.m.Scope, Sort: query.Sort{Field: query.Seq},
		TreeSize: c.m.TreeSize, ErasureMark: c.m.ErasureMark, Checkpoint: c.m.Checkpoint,
	}
	if !sameHeader(&h, &want) {
		c.report.find(Disagrees, bundle.PackRows, "its header is not what the manifest says")
	}
	e := newExportCheck(c.report, &h)
	e.each = c.row
	if err := e.rows(ctx, x); err != nil {
		return err
	}
	if err := e.tree(x); err != nil {
		return err
	}
	if err := e.end(x); err != nil {
		return err
	}
	if c.count = e.count; e.count != c.m.Rows {
		c.report.find(WrongTotal, bundle.PackRows, "it has %d rows, and the manifest says %d", e.count, c.m.Rows)
	}
	return nil
}

func sameHeader(a, b *bundle.ExportHeader) bool {
	return a.Format == b.Format && query.Print(a.Query) == query.Print(b.Query) && query.Print(a.Scope) == query.Print(b.Scope) &&
		query.PrintSort(a.Sort) == query.PrintSort(b.Sort) && a.TreeSize == b.TreeSize && a.ErasureMark == b.ErasureMark &&
		bytes.Equal(a.Checkpoint.Note, b.Checkpoint.Note)
}

// row takes the next row.
func (c *packCheck) row(e *event.Entry) {
	var made rendered
	for _, s := range c.searches {
		if s.match(e) {
			s.add(e, &made)
		}
	}
	if c.whole != nil {
		c.whole.row(e)
	}
}

// rest checks what comes after the last row.
func (c *packCheck) rest(context.Context) error {
	for _, s := range c.searches {
		s.judge(c.report, c.m)
	}
	if c.whole == nil {
		return nil
	}
	if err := c.whole.end(); err != nil {
		return fmt.Errorf("%s: %w", bundle.PackExcluded, err)
	}
	return c.whole.in.close()
}

// files checks the hash of every file.
func (c *packCheck) files(ctx context.Context) error {
	for _, f := range c.m.Files {
		if _, done := c.hashed[f.Name]; !done {
			in, err := c.open(ctx, f.Name)
			if err != nil {
				return err
			}
			if err := in.close(); err != nil {
				if errors.Is(err, ErrNotChecked) {
					return err
				}
				c.report.find(Malformed, f.Name, "%v", err)
				continue
			}
		}
		if want := fmt.Sprintf("%d %s", f.Bytes, f.SHA256); c.hashed[f.Name] != want {
			c.report.find(Changed, f.Name, "it is not the file that the manifest names")
		}
	}
	return c.shown()
}

const maxReportBytes = 256 << 20

// shown holds the numbers that the report shows to those that were checked.
func (c *packCheck) shown() error {
	const name = "report.json"
	if c.m.File(name) == nil {
		return nil
	}
	text, err := c.pack.ReadFile(name, maxReportBytes)
	if err != nil {
		return err
	}
	var said struct {
		Run struct {
			TreeSize   uint64 `json:"tree_size"`
			Rows       uint64 `json:"rows"`
			Seed       string `json:"seed"`
			ClaimLevel string `json:"claim_level"`
		} `json:"run"`
		Requirements []struct {
			ID       string `json:"id"`
			Evidence []struct {
				Search string `json:"search"`
				Count  uint64 `json:"count"`
			} `json:"evidence"`
		} `json:"requirements"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		c.report.find(Malformed, name, "it is not the JSON of a report")
		return nil
	}
	if said.Run.TreeSize != c.m.TreeSize || said.Run.Rows != c.count || said.Run.Seed != c.m.Seed || said.Run.ClaimLevel != c.m.ClaimLevel() {
		c.report.find(Disagrees, name, "tree size, rows, seed or claim level are not those of the manifest")
	}
	for _, q := range said.Requirements {
		for _, e := range q.Evidence {
			i := slices.IndexFunc(c.searches, func(s *searchCheck) bool { return s.Name == e.Search })
			if i >= 0 && c.searches[i].count != e.Count || i < 0 && e.Count > 0 {
				c.report.find(Disagrees, name, "requirement %s shows %d entries of %s, which the rows do not", q.ID, e.Count, e.Search)
			}
		}
	}
	return nil
}

// judge says what holds.
func (c *packCheck) judge() {
	r := c.report
	if c.count > 0 {
		r.claim("A", "Every one of the %d rows is genuine: the log that the key speaks for holds it as it is shown, at the place it states.", c.count)
	}
	r.claim("B", "Rows, searches, counts, samples and all %d files were fixed by the operator as an entry of the trail, and are as they were then. The annexes are what the searches find among the rows.", len(c.m.Files))
	r.Limits = append(r.Limits, limitOperator, limitView,
		"What the report says beside counts (who somebody is, whether a source covered the period, how to judge) is the operator's word as of then.")
	if c.whole != nil {
		c.whole.claim()
		return
	}
	r.Limits = append(r.Limits, "Nothing here says that the pack has every entry of the period.")
}

// rendered is an entry as annexes have it.
type rendered struct{ csv, ndjson []byte }

// searchCheck finds out what a search finds among the rows.
type searchCheck struct {
	*bundle.PackSearch
	seed   string
	match  func(*event.Entry) bool
	count  uint64
	csv    *summed
	ndjson *summed
	sample []drawn // ascending by key
}

type drawn struct {
	key [32]byte
	seq uint64
}

// summed is the hash and length of a file that is not written.
type summed struct {
	sum hash.Hash
	n   uint64
}

func (s *summed) write(b []byte) {
	s.sum.Write(b)
	s.n += uint64(len(b))
}

func newSearchCheck(p *bundle.PackSearch, seed string) (*searchCheck, error) {
	f, err := query.Parse(p.Where)
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", p.Name, err)
	}
	s := &searchCheck{PackSearch: p, seed: seed, match: query.Compile(f), csv: &summed{sum: sha256.New()}, ndjson: &summed{sum: sha256.New()}}
	s.csv.write(bundle.AppendCSVHeader(nil))
	return s, nil
}

func (s *searchCheck) add(e *event.Entry, made *rendered) {
	if made.csv == nil {
		made.csv = bundle.AppendCSV(nil, e, true)
		made.ndjson = append(event.AppendEntryJSON(nil, e), '\n')
	}
	s.count++
	s.csv.write(made.csv)
	s.ndjson.write(made.ndjson)
	if s.Of == 0 {
		return
	}
	d := drawn{bundle.SampleKey(s.seed, s.Name, e.Seq), e.Seq}
	at, _ := slices.BinarySearchFunc(s.sample, d, func(a, b drawn) int { return bytes.Compare(a.key[:], b.key[:]) })
	if at == s.Of {
		return
	}
	s.sample = slices.Insert(s.sample, at, d)
	s.sample = s.sample[:min(len(s.sample), s.Of)]
}

// judge holds the manifest to what was found.
func (s *searchCheck) judge(r *Report, m *bundle.Manifest) {
	if s.count != s.Count {
		r.find(WrongTotal, s.Name, "the search finds %d of the rows, and the manifest says %d", s.count, s.Count)
	}
	seqs := make([]uint64, len(s.sample))
	for i, d := range s.sample {
		seqs[i] = d.seq
	}
	slices.Sort(seqs)
	if !slices.Equal(seqs, s.Sample) {
		r.find(Disagrees, s.Name, "the sample is not the one that the seed draws")
	}
	for name, got := range map[string]*summed{s.CSV: s.csv, s.NDJSON: s.ndjson} {
		if f := m.File(name); f.Bytes != got.n || f.SHA256 != hex.EncodeToString(got.sum.Sum(nil)) {
			r.find(Disagrees, name, "it is not what the search %s finds among the rows", s.Name)
		}
	}
}
