package report

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strings"
	"time"

	"countersign/bundle"
	"countersign/event"
	"countersign/identity"
	"countersign/internal/durable"
	"countersign/merkle"
	"countersign/problem"
	"countersign/query"
	"countersign/store"
)

// Trail is what a run needs of a store; *store.Store is one.
type Trail interface {
	Append(ctx context.Context, events []event.Event, recordedBy string) (store.Receipt, error)
	Search(ctx context.Context, q query.Query) (store.Page, error)
	Each(ctx context.Context, q query.Query, fn func(*event.Entry) error) (store.Page, error)
	Stats(ctx context.Context, q query.Query, b store.Breakdown) (store.Stats, error)
	Seed(seq uint64) ([32]byte, bool)
	EntryBytes(seq uint64) ([]byte, error)
	Inclusion(seq, size uint64) ([]merkle.Hash, error)
	Consistency(from, to uint64) ([]merkle.Hash, error)
	Multi(seqs iter.Seq[uint64], size uint64, emit func(merkle.Hash) error) error
	PublishNow(ctx context.Context) (merkle.Checkpoint, error)
	RecordPack(ctx context.Context, statement string) (seq uint64, err error)
	SignText(text string) ([]byte, error)
	Keys() []store.KeyRange
}

// People tells who there is, and whether a caller may still do what they could when they asked.
type People interface {
	Roster(accounts []string) identity.Roster
	Renew(c identity.Caller) (identity.Caller, error)
}

// Rendering is a way in which a report is shown to people.
type Rendering struct {
	Name   string // of the file: report.html
	Title  string
	Render func(w io.Writer, r *Report) error
}

// Maker makes reports. Its fields are set once; runs may go on side by side.
type Maker struct {
	Trail      Trail
	People     People
	Renderings []Rendering
	Software   string           // Countersign with its version
	FS         durable.FS       // nil is the operating system's
	Now        func() time.Time // nil is time.Now
}

// PackName is the name of the pack in the folder of its run.
const PackName = "evidence.zip"

// Progress says how far a run has come.
type Progress struct {
	Phase string `json:"phase"`
	Done  uint64 `json:"done"`
	Total uint64 `json:"total"` // 0 when it is not known
}

// The phases of a run.
const (
	PhasePinning = "pinning" // the tree size
	PhaseLooking = "looking" // back, at users, tokens and sources
	PhaseReading = "reading" // the rows of the period
	PhaseProving = "proving" // that there are no others
	PhaseWriting = "writing" // report and archive
	PhaseSealing = "sealing" // the manifest, in the trail
)

// Result is a report that was made.
type Result struct {
	Report         *Report
	Path           string // of the pack
	Bytes          int64
	ManifestSHA256 string
	PackSeq        uint64 // the entry that holds the manifest's hash
}

// making is one run.
type making struct {
	maker     *Maker
	req       *Request
	framework *Framework
	tell      func(Progress)
	clock     func() time.Time
	now       time.Time // when it was begun

	w     window
	open  bool // the period is not over
	scope scope

	size       uint64            // how many entries the report is over
	checkpoint merkle.Checkpoint // holds them
	begun      event.Micros      // when the trail received its first entry
	closers    map[string]uint64 // by account: the REPORT entry of this run
	seed       string

	sources    sources
	sourcesCut bool
	timeline   *timeline
	roster     identity.Roster
	admins     map[string]bool
	lookback   map[string]event.Micros // by actor id: the last trace before the period that counts for dormancy
	tally      *tally
	searches   []*searching
	found      map[string]Evidence
	sections   []Section
	totals     totals
	mentioned  map[string]bool

	files    *files
	tables   *tables
	rows     bundle.PackedFile
	excluded bundle.PackedFile
	proof    completeness
}

// Make makes a report in a folder that is the run's own. When it returns nil, the pack is whole, on the disk and under
// its name; otherwise there is none. The run is recorded in the trail in either case, if the trail can be written.
func (mk *Maker) Make(ctx context.Context, req *Request, dir string, tell func(Progress)) (*Result, error) {
	m := &making{maker: mk, req: req, framework: req.Framework, tell: tell, mentioned: map[string]bool{}, found: map[string]Evidence{}}
	if m.tell == nil {
		m.tell = func(Progress) {}
	}
	m.clock = time.Now
	if mk.Now != nil {
		m.clock = mk.Now
	}
	m.now = m.clock()
	fs := mk.FS
	if fs == nil {
		fs = durable.OS()
	}
	m.files = &files{fs: fs, dir: dir}
	m.tables = &tables{files: m.files}
	var err error
	if m.w, err = req.window(); err != nil {
		return nil, err
	}
	if m.scope, err = req.scope(); err != nil {
		return nil, err
	}
	m.open = event.MicrosOf(m.now) <= m.w.to
	if err := m.pin(ctx); err != nil {
		return nil, readable(err)
	}
	result, err := m.make(ctx)
	err = errors.Join(err, m.files.remove())
	if err == nil {
		err = m.recordEnd(ctx, result)
	}
	if err != nil {
		if result != nil {
			// Nobody was told of the pack. A folder that cannot be tidied now is tidied at the next start.
			_ = fs.Remove(result.Path)
		}
		err = readable(err)
		// Whoever asked may be gone; what became of the run is recorded all the same.
		if recordErr := m.recordFailure(context.WithoutCancel(ctx), err); recordErr != nil {
			err = fmt.Errorf("%w (and the run's end is not recorded: %w)", err, recordErr)
		}
		return nil, err
	}
	return result, nil
}

// readable turns what people can do something about into a problem.
func readable(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return &problem.Error{Kind: problem.Unavailable, Detail: "the run was cancelled", Cause: err}
	case durable.IsNoSpace(err):
		return &problem.Error{Kind: problem.Unavailable, Detail: "the server's disk is full: nothing of the report was kept", Cause: err}
	}
	return err
}

func (m *making) make(ctx context.Context) (*Result, error) {
	m.tell(Progress{Phase: PhaseLooking})
	if err := m.look(ctx); err != nil {
		return nil, err
	}
	if err := m.read(ctx); err != nil {
		return nil, err
	}
	m.tell(Progress{Phase: PhaseProving})
	if err := m.prove(ctx); err != nil {
		return nil, err
	}
	m.tell(Progress{Phase: PhaseWriting})
	// Users may have been purged and rights taken away meanwhile: what there is now is told, to who may have it now.
	m.roster = m.maker.People.Roster(m.scope.accounts)
	if err := m.mayStill(); err != nil {
		return nil, err
	}
	r, err := m.report()
	if err != nil {
		return nil, err
	}
	if err := m.writeReport(ctx, r); err != nil {
		return nil, err
	}
	m.tell(Progress{Phase: PhaseSealing})
	return m.seal(ctx, r)
}

// mayStill makes sure that the caller may still have the report.
func (m *making) mayStill() error {
	renew := m.req.Renew
	if renew == nil {
		renew = func() (identity.Caller, error) { return m.maker.People.Renew(m.req.Caller) }
	}
	c, err := renew()
	if err != nil {
		return &problem.Error{Kind: problem.Denied, Detail: "who asked for the report may no longer sign in", Cause: err}
	}
	again := *m.req
	again.Caller = c
	s, err := again.scope()
	if err == nil && query.Print(s.filter) != query.Print(m.scope.filter) {
		err = problem.New(problem.Denied, "the rights of who asked for the report changed while it was made")
	}
	return err
}

// query is a question about the entries that the report is over.
func (m *making) query(f query.Filter) query.Query {
	return query.Query{Filter: query.Normalize(query.And{f, m.scope.filter}), AsOf: &m.size}
}

// pin records the run and pins the tree size behind that: the chains of the accounts are closed by entries of the run.
func (m *making) pin(ctx context.Context) error {
	m.tell(Progress{Phase: PhasePinning})
	events := m.begins()
	receipt, err := m.maker.Trail.Append(ctx, events, identity.OwnAccount)
	if err != nil {
		return fmt.Errorf("record the run: %w", err)
	}
	m.closers = map[string]uint64{}
	for i, e := range receipt.Entries {
		m.closers[events[i].Account.ID] = e.Seq
	}
	m.size = receipt.LastSeq + 1
	if m.checkpoint, err = m.maker.Trail.PublishNow(ctx); err != nil {
		return fmt.Errorf("publish a checkpoint: %w", err)
	}
	if m.checkpoint.Size < m.size {
		return fmt.Errorf("the published checkpoint has %d entries, and the run is entry %d", m.checkpoint.Size, m.size-1)
	}
	if m.seed = m.req.Seed; m.seed == "" {
		m.seed = hex.EncodeToString(m.checkpoint.Root[:])
	}
	return nil
}

// look reads what lies before the period.
func (m *making) look(ctx context.Context) error {
	if err := m.readSources(ctx); err != nil {
		return err
	}
	var err error
	if m.timeline, err = m.readTimeline(ctx); err != nil {
		return err
	}
	m.roster = m.maker.People.Roster(m.scope.accounts)
	m.admins = m.timeline.privileged(m.roster, m.w)
	return m.readLookback(ctx)
}

// readLookback finds out who left a trace in the days before the period that count for dormancy.
func (m *making) readLookback(ctx context.Context) error {
	m.lookback = map[string]event.Micros{}
	from := m.dormantFrom()
	if from >= m.w.from {
		return nil
	}
	_, err := m.maker.Trail.Each(ctx, m.query(query.Range{Field: query.OccurredAt, Min: int64(from), Max: int64(m.w.from) - 1}), func(e *event.Entry) error {
		id := e.Actor.ID.Value
		last, known := m.lookback[id]
		if id == "" || e.Outcome == event.OutcomeFailure || !known && len(m.lookback) >= maxPeople {
			return nil
		}
		switch {
		case !known:
			m.lookback[strings.Clone(id)] = e.OccurredAt
		case e.OccurredAt > last:
			m.lookback[id] = e.OccurredAt
		}
		return nil
	})
	return err
}

// dormantFrom is the first moment whose traces keep a user from counting as dormant.
func (m *making) dormantFrom() event.Micros {
	return m.w.to + 1 - event.Micros(m.framework.DormantDays)*dayMicros
}

const progressEvery = 4096 // rows

// read reads the rows of the period, once.
func (m *making) read(ctx context.Context) error {
	q := m.query(m.w.filter())
	m.tally = newTally(m.w, m.timeline, m.admins)
	for i := range m.framework.Searches {
		x, err := m.begin(&m.framework.Searches[i])
		if err != nil {
			return err
		}
		m.searches = append(m.searches, x)
	}
	rows, err := m.files.create(bundle.PackRows)
	if err != nil {
		return err
	}
	proof, err := bundle.NewExportWriter(rows, bundle.ExportHeader{
		Format: bundle.NDJSON, Query: m.w.filter(), Scope: m.scope.filter, Sort: query.Sort{Field: query.Seq}, TreeSize: m.size, Checkpoint: m.checkpoint,
	})
	if err != nil {
		return err
	}
	total, err := m.maker.Trail.Search(ctx, q)
	if err != nil {
		return err
	}
	var texts rendered
	last := int64(-1)
	_, err = m.maker.Trail.Each(ctx, q, func(e *event.Entry) error {
		if int64(e.Seq) <= last {
			return fmt.Errorf("entry %d came after entry %d", e.Seq, last) // it would be counted twice
		}
		last = int64(e.Seq)
		if m.tally.rows%progressEvery == 0 {
			m.tell(Progress{PhaseReading, m.tally.rows, total.Total})
		}
		return m.row(e, proof, &texts)
	})
	if err != nil {
		return err
	}
	if err := proof.Finish(m.maker.Trail.Multi); err != nil {
		return err
	}
	if m.rows, err = m.files.close(rows); err != nil {
		return err
	}
	m.tables.annex(m.rows.PackFile, "Every entry of the period, with its proof", m.tally.rows)
	for _, x := range m.searches {
		if err := x.end(m); err != nil {
			return err
		}
	}
	return nil
}

// row takes one row.
func (m *making) row(e *event.Entry, proof *bundle.ExportWriter, texts *rendered) error {
	m.tally.add(e)
	texts.csv, texts.ndjson = texts.csv[:0], texts.ndjson[:0]
	for _, x := range m.searches {
		if x.match == nil || !x.match(e) {
			continue
		}
		if err := x.add(e, texts, m.seed); err != nil {
			return fmt.Errorf("write the annex of %s: %w", x.Name, err)
		}
	}
	row := bundle.Row{Entry: *e}
	var ok bool
	if row.Seed, ok = m.maker.Trail.Seed(e.Seq); !ok {
		return fmt.Errorf("entry %d cannot be opened", e.Seq)
	}
	b, err := m.maker.Trail.EntryBytes(e.Seq)
	if err != nil {
		return err
	}
	row.Leaf = merkle.Hash(event.LeafHash(b))
	return proof.Row(&row)
}

func (m *making) path(name string) string { return filepath.Join(m.files.dir, name) }
