// Package store owns a data directory: it appends, recovers and answers queries.
//
// Terms are those of docs/format/wal.md and package event. The trail is all entries in seq order; the open
// segment is its newest part, in memory and in the write-ahead log. Until sealing exists the open segment
// is the whole trail.
//
// Promises. Append returns after the sync that covers its events. A query is answered from one immutable
// snapshot, so its total is exact at the tree size it names and readers never wait for writers. The answers
// are those of query.Matches and query.Compare over each entry (package storetest holds every store to it). Every
// entry is a leaf of the tree, and the checkpoint of a batch is signed and durable with it. A checkpoint is published
// only after it and what it stands for are durable, and every later one is consistent with it: a directory that is not
// what was signed before is read and never added to.
//
// Durability. One goroutine numbers events and hands whole batches to one other, which writes one frame,
// syncs once, and only then takes the next; so only the last frame of the log can be torn. A write that
// fails is forgotten and may be tried again. A sync that fails is final: what the page cache shows may never
// have reached the disk, so nothing more is written and Failed tells the owner to stop the process; reads
// go on until then. At open the torn bytes of an unclean stop are kept aside, recorded and reported; any
// other damage refuses the directory and changes nothing in it.
//
// It knows no HTTP, no dialect and no user: who may see what is in the filter it is given.
package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"countersign/event"
	"countersign/internal/durable"
	"countersign/problem"
	"countersign/segment"
	"countersign/wal"
)

// Options are the settings of a store.
type Options struct {
	// DedupKey keys the hashes of event ids that find duplicates. It must be the same at every open while
	// the directory lives. Required.
	DedupKey []byte
	// Now is the server's clock; nil means time.Now.
	Now func() time.Time
	// Logger gets what an operator should know; nil discards it.
	Logger *slog.Logger
	// Observer measures the store; nil does not.
	Observer Observer
	// Origin names the trail in its checkpoints. It is fixed at the first start, which makes one up when it is
	// empty; another one later is refused.
	Origin string
	// CheckpointFile, on another volume, gets every published checkpoint, and what it holds is checked at open. Empty
	// means that there is none.
	CheckpointFile string
	// PublishEvery is how old a published checkpoint may be while the tree grows; 0 means 10 s, and with less
	// checkpoints are published only when asked for and at a clean stop.
	PublishEvery time.Duration
	// NoPreallocate leaves out reserving log space ahead, for file systems that charge for it.
	NoPreallocate bool
	// LogFileBytes is the size at which the log begins a new file, LogStepBytes how much space it reserves at
	// a time; 0 means the defaults of package wal.
	LogFileBytes, LogStepBytes int64
	// IndexStep is how many open entries get an index in memory at a time, SealEntries how many are moved to files at
	// a time, a multiple of it; both are multiples of 256. 0 means 8192 and 131072.
	IndexStep, SealEntries uint64
	// SealBytes is how many bytes of log are moved at a time at the latest, 64 MiB if 0. It must be a good deal more than
	// the largest event.
	SealBytes int64
	// KeepRetry is how long background work that failed waits before it is tried again; 0 means 10 s.
	KeepRetry time.Duration
}

// Dir is a data directory claimed for this process.
type Dir struct {
	fs       durable.FS
	path     string
	lock     io.Closer
	mu       sync.Mutex // guards manifest while a store is open, also while it is written
	manifest manifest
}

// Claim locks a data directory, making it when it is missing or empty. The manifest is there when it
// returns, so others (identity) may put their files beside it before Open.
func Claim(path string) (*Dir, error) {
	d, err := claim(durable.OS(), path)
	if err != nil {
		return nil, err
	}
	if err := checkKeyModes(path); err != nil {
		return nil, errors.Join(err, d.Release())
	}
	return d, nil
}

func claim(fsys durable.FS, path string) (*Dir, error) {
	if err := fsys.MkdirAll(path, durable.DirMode); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	lock, err := lockDir(fsys, path)
	if err != nil {
		return nil, err
	}
	m, err := initialise(fsys, path)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &Dir{fs: fsys, path: path, lock: lock, manifest: m}, nil
}

// lockDir keeps every other process out of a directory.
func lockDir(fsys durable.FS, path string) (io.Closer, error) {
	lock, err := fsys.Lock(filepath.Join(path, lockName))
	if l, held := errors.AsType[*durable.LockedError](err); held {
		return nil, fmt.Errorf("data directory %s is in use by process %d: stop that server or choose another directory", path, l.PID)
	}
	if err != nil {
		return nil, fmt.Errorf("claim data directory: %w", err)
	}
	return lock, nil
}

// Path returns where the directory is.
func (d *Dir) Path() string { return d.path }

// HasLog tells whether a trail was ever opened in the directory. What belongs beside a trail (identity) must
// then be there too.
func (d *Dir) HasLog() (bool, error) {
	names, err := d.fs.ReadDir(filepath.Join(d.path, walName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("look for the log: %w", err)
	}
	return len(names) > 0 || d.manifest.Sealed != nil, nil
}

// Release gives the directory back. After Open the store does it.
func (d *Dir) Release() error { return d.lock.Close() }

// Store is an open trail. All methods may be called from any goroutine.
type Store struct {
	dir    *Dir
	now    func() time.Time
	logger *slog.Logger
	dedup  []byte

	observer Observer

	log      *wal.Log
	recovery wal.Recovery
	pins     *pins
	integers integers

	snap   atomic.Pointer[snapshot]
	fault  atomic.Pointer[problem.Error] // why the last write failed; nil after one that worked
	failed chan struct{}                 // closed by a failed sync

	requests   chan *request
	writerDone chan struct{}

	// The keeper's.
	inMemory    map[*segment.Segment][]byte // the files of the indexes in memory
	changes     chan *change                // to the writer
	keeperDone  chan struct{}
	sealedState *state        // as of the last seal
	sealing     atomic.Uint64 // where the last seal that was begun ends
	indexed     time.Time     // when the last index in memory was begun
	lastSeal    time.Time     // when the last seal had ended
	cache       *segment.Cache
	indexStep   uint64
	sealEntries uint64
	sealBytes   int64
	keepRetry   time.Duration
	// mostUnsealed is how many entries may lie in memory before writers wait.
	mostUnsealed uint64
	unsealable   atomic.Pointer[problem.Error] // why the last seal failed; nil after one that worked
	wake         chan struct{}                 // has the writer look again whether requests must wait
	closing      atomic.Bool

	// Of backups. The keeper alone looks at the last two: what it may not remove yet, of files and of the log.
	toHold       chan func()
	let          chan struct{} // a backup was closed
	held         atomic.Int64  // backups that are open
	condemned    []string
	logCondemned bool

	published      *published
	files          *treeFiles // the publisher's
	checkpointFile string
	publish        chan chan error // asks the publisher to publish now
	stopping       chan struct{}   // ends it
	publisherDone  chan struct{}
	keptRoots      atomic.Uint64 // how many entries' roots the publisher has written
	failOnce       sync.Once     // closes failed
	readOnly       atomic.Pointer[problem.Error]

	// The writer's own, from the start of write.
	tail   *tail
	final  *problem.Error // why nothing can be written any more
	wanted int64          // the room that a probe asks for: what the last failed write did not get

	gate   sync.RWMutex // held for reading while a request is queued; see submit
	closed bool
}

// Open claims the directory and opens the trail in it.
func Open(path string, o Options) (*Store, error) {
	d, err := Claim(path)
	if err != nil {
		return nil, err
	}
	s, err := d.Open(o)
	if err != nil {
		return nil, errors.Join(err, d.Release())
	}
	return s, nil
}

// Open recovers the trail and starts its writer. On an error the directory stays claimed.
func (d *Dir) Open(o Options) (*Store, error) { return d.open(context.Background(), o, "") }

// open is Open, and NewOrigin with the name that the trail is to get.
func (d *Dir) open(ctx context.Context, o Options, newOrigin string) (*Store, error) {
	if len(o.DedupKey) == 0 {
		return nil, errors.New("open store: no duplicate-detection key")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = unobserved{}
	}
	s := &Store{
		dir: d, observer: o.Observer, now: o.Now, logger: o.Logger, dedup: o.DedupKey,
		pins:       newPins(o.Now),
		integers:   integers{first: map[namedID]uint64{}},
		failed:     make(chan struct{}),
		requests:   make(chan *request, queuedRequests),
		writerDone: make(chan struct{}),
		wanted:     probeBytes,

		checkpointFile: o.CheckpointFile,
		publish:        make(chan chan error),
		stopping:       make(chan struct{}),
		publisherDone:  make(chan struct{}),
		changes:        make(chan *change),
		keeperDone:     make(chan struct{}),
		toHold:         make(chan func()),
		let:            make(chan struct{}, 1),
		inMemory:       map[*segment.Segment][]byte{},
		cache:          segment.NewCache(cacheBytes),
		indexStep:      cmp.Or(o.IndexStep, indexStep),
		sealEntries:    cmp.Or(o.SealEntries, sealEntries),
		sealBytes:      cmp.Or(o.SealBytes, sealBytes),
	}
	s.mostUnsealed = 3 * s.sealEntries
	s.keepRetry = cmp.Or(o.KeepRetry, keepRetry)
	s.wake = make(chan struct{}, 1)
	if err := s.recover(o, newOrigin); err != nil {
		return nil, fmt.Errorf("open %s: %w", d.path, err)
	}
	go s.write() // ends with s.requests; Close waits for it
	o.PublishEvery = cmp.Or(o.PublishEvery, publishEvery)
	if err := s.begin(ctx, o, newOrigin); err != nil {
		return nil, s.giveUp(fmt.Errorf("open %s: %w", d.path, err))
	}
	return s, nil
}

// ReadOnly tells why nothing may be recorded in this directory: it is not the trail that it says it is. nil when all
// is well.
func (s *Store) ReadOnly() error {
	if p := s.readOnly.Load(); p != nil {
		return p
	}
	return nil
}

// Size returns the number of entries that are durable.
func (s *Store) Size() uint64 { return s.snap.Load().size }

// Wait returns nil as soon as more than size entries are durable. It takes no room for each who waits, so no
// number of them can hold up the writer. It ends with ctx, and when the store is closed.
func (s *Store) Wait(ctx context.Context, size uint64) error {
	for {
		snap := s.snap.Load()
		if snap.size > size {
			return nil
		}
		select {
		case <-snap.old:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.writerDone:
			if s.Size() <= size {
				return problem.New(problem.Unavailable, "the server is stopping")
			}
		}
	}
}

// Recovery tells what was found at Open.
func (s *Store) Recovery() wal.Recovery { return s.recovery }

// Failed is closed when a sync failed: the process must end, since memory may hold what the disk does not.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Ready returns nil when events can be recorded. After a failed write it tries the disk again, so that a
// full disk that has space again is noticed without an event having to be sent.
func (s *Store) Ready() error {
	select {
	case <-s.failed:
		return s.fault.Load()
	default:
	}
	if err := s.ReadOnly(); err != nil {
		return err
	}
	if p := s.unsealable.Load(); p != nil && s.full() {
		return p
	}
	if s.fault.Load() == nil {
		s.gate.RLock()
		defer s.gate.RUnlock()
		if s.closed {
			return problem.New(problem.Unavailable, "the server is stopping")
		}
		return nil
	}
	probe := &request{done: make(chan struct{})}
	if err := s.submit(context.Background(), probe); err != nil {
		return err
	}
	<-probe.done
	return probe.err
}

// Close answers what was accepted, stops, and leaves the log trimmed and marked as cleanly stopped. The
// caller must have stopped using the store; an Append that comes too late is refused.
func (s *Store) Close() error {
	if err := s.stop(); err != nil {
		return err
	}
	var err error
	switch {
	case s.ReadOnly() != nil:
		s.abandon()
	case s.final != nil || s.hasFailed():
		s.abandon()
		err = s.fault.Load()
	default:
		// The last checkpoint covers every entry; without it (a full disk) the next start publishes one.
		err = errors.Join(s.publishNow(), s.closeLog())
		s.closeFiles()
	}
	return errors.Join(err, s.dir.Release())
}

// closeFiles closes what is only read, or was synced as far as anybody relies on it.
func (s *Store) closeFiles() {
	s.published.close()
	s.files.close()
	snap := s.snap.Load()
	closeIndexes(snap.indexes)
	_ = snap.sealed.close()
}

func (s *Store) hasFailed() bool {
	select {
	case <-s.failed:
		return true
	default:
		return false
	}
}

// abandon closes the files as they are.
func (s *Store) abandon() {
	s.log.Abandon()
	s.closeFiles()
}

var errClosed = errors.New("the store is closed")

// stop ends the writer after it has answered everything that is queued.
func (s *Store) stop() error {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed {
		return errClosed
	}
	s.closed = true
	s.closing.Store(true)
	close(s.requests)
	s.lookAgain()
	<-s.writerDone
	close(s.stopping)
	<-s.publisherDone
	<-s.keeperDone
	return nil
}

func (s *Store) closeLog() error {
	end, err := s.log.Close()
	if err != nil {
		return fmt.Errorf("close log: %w", err)
	}
	// The log is trimmed and synced before the manifest says where it ends; else a crash between the two
	// would look like damage.
	return s.dir.changeManifest(func(m *manifest) { m.Clean = &end })
}

// checkEntry tells why e cannot be the next entry of the trail, "" when it can.
func (t *tail) checkEntry(e *event.Entry) string {
	if e.Kind != event.KindEvent {
		return t.checkFact(e)
	}
	h, known := t.heads[e.Account.ID]
	prev := uint64(event.NoPrev)
	if known {
		prev = h.last
	}
	switch {
	case e.ReceivedAt < t.received:
		return "an entry was received before the one before it"
	case e.AccountSeq != h.count || e.AccountPrev != prev:
		return "the chain of an account has a gap"
	case uint64(len(t.seeds)) <= e.Seq>>blockBits-t.sealed>>blockBits:
		return "the seed of a block is missing"
	}
	return ""
}

func (t *tail) checkFact(e *event.Entry) string {
	switch {
	case e.ReceivedAt < t.received:
		return "an entry was received before the one before it"
	case uint64(len(t.seeds)) <= e.Seq>>blockBits-t.sealed>>blockBits:
		return "the seed of a block is missing"
	}
	return ""
}

func (s *Store) asideDir() string { return filepath.Join(s.dir.path, asideName) }
