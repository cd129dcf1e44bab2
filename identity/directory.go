package identity

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"countersign/problem"
)

// Options are the circumstances of a directory. The zero value is good.
type Options struct {
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Logger is told what no caller is; nothing is logged when nil.
	Logger *slog.Logger
	// MustExist refuses to make a new database: where there is a trail already, a new duplicate-detection
	// key would record every event once more.
	MustExist bool
	// Unrecorded leaves out the outbox: no trail ever learns of a change. For filling an estate that is made
	// up along with its trail.
	Unrecorded bool
}

const dedupKeyBytes = 32

// Directory is the identity of one server, open in control.db. All methods are safe for any number of
// goroutines.
type Directory struct {
	db       *sql.DB // used by run only, and by Open and Close while run does not run
	log      *slog.Logger
	clock    func() time.Time
	dedupKey [dedupKeyBytes]byte
	outbox   outbox // run's

	state atomic.Pointer[state] // what every read answers from; swapped whole

	jobs     chan job
	quit     chan struct{}
	stopped  chan struct{} // closed when run has returned
	quitOnce sync.Once
	closeErr error // set before stopped is closed
}

// job is work for the goroutine that owns the database.
type job struct {
	do   func() error
	done chan error // buffered: who asked always waits, but must not be waited for
}

// Open opens the database at path, and makes it when there is none: readable by its owner only, synced with
// its directory before anything is in it.
func Open(ctx context.Context, path string, o Options) (*Directory, error) {
	d := &Directory{
		log: o.Logger, clock: o.Now, outbox: outbox{none: o.Unrecorded, waiting: true},
		jobs: make(chan job), quit: make(chan struct{}), stopped: make(chan struct{}),
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.clock == nil {
		d.clock = time.Now
	}
	if err := d.makeFile(path, o.MustExist); err != nil {
		return nil, fmt.Errorf("identity: open: %w", err)
	}
	db, err := openDatabase(path)
	if err != nil {
		return nil, fmt.Errorf("identity: open %s: %w", path, err)
	}
	d.db = db
	if err := d.load(ctx, o.MustExist); err != nil {
		db.Close()
		return nil, fmt.Errorf("identity: open %s: %w", path, err)
	}
	go d.run()
	return d, nil
}

// makeFile makes an empty file, which SQLite takes for an empty database, because SQLite would make one that
// the group may read. Log and shared memory get the file's own permissions.
func (d *Directory) makeFile(path string, mustExist bool) error {
	info, err := os.Stat(path)
	switch {
	case err == nil:
		if info.Mode().Perm()&0o077 != 0 {
			d.log.Warn("identity: others than its owner may open the control database", "path", path, "mode", info.Mode().Perm().String())
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist) || mustExist:
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// load prepares the database and reads the first snapshot.
func (d *Directory) load(ctx context.Context, mustExist bool) error {
	if err := prepare(ctx, d.db, d.clock(), mustExist); err != nil {
		return err
	}
	if err := d.loadDedupKey(ctx); err != nil {
		return err
	}
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	st, err := readState(tx, nil)
	if err != nil {
		return err
	}
	d.state.Store(st)
	if err := tx.Rollback(); err != nil {
		return err
	}
	// A purge that could not be finished before the last stop.
	return d.scrubNow()
}

func (d *Directory) loadDedupKey(ctx context.Context) error {
	fresh := make([]byte, len(d.dedupKey))
	rand.Read(fresh)
	if _, err := d.db.ExecContext(ctx, `INSERT INTO meta (key, value) VALUES (?,?) ON CONFLICT DO NOTHING`, metaDedupKey, fresh); err != nil {
		return fmt.Errorf("duplicate-detection key: %w", err)
	}
	key, err := readDedupKey(ctx, d.db)
	copy(d.dedupKey[:], key)
	return err
}

// DedupKey returns the 32 secret bytes that duplicate detection is keyed with: random, made with the
// database, the same for ever.
func (d *Directory) DedupKey() []byte { return slices.Clone(d.dedupKey[:]) }

// Close finishes the change that is being made, writes down the last uses of tokens and certificates and closes the
// database. Changes that were still waiting, and all later ones, are refused.
func (d *Directory) Close() error {
	d.quitOnce.Do(func() { close(d.quit) })
	<-d.stopped
	return d.closeErr
}

// usageEvery is how often the last uses of tokens and certificates are written.
const usageEvery = time.Minute

// run owns the database: it makes one change after the other until Close.
func (d *Directory) run() {
	defer close(d.stopped)
	save, redeliver := time.NewTicker(usageEvery), time.NewTicker(redeliverEvery)
	defer save.Stop()
	defer redeliver.Stop()
	for {
		select {
		case j := <-d.jobs:
			j.done <- j.do()
		case <-redeliver.C:
			if err := d.redeliver(); err != nil {
				d.log.Error("identity: deliver changes to the trail", "error", err)
			}
		case <-save.C:
			if err := d.saveUsage(); err != nil {
				d.log.Error("identity: write the last uses of tokens and certificates", "error", err)
			}
		case <-d.quit:
			if err := errors.Join(d.redeliver(), d.saveUsage(), d.db.Close()); err != nil {
				d.closeErr = fmt.Errorf("identity: close: %w", err)
			}
			return
		}
	}
}

// submit has run do it. Once begun it is not given up when ctx ends: the caller must learn what became of
// it.
func (d *Directory) submit(ctx context.Context, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := job{do: do, done: make(chan error, 1)}
	select {
	case d.jobs <- j:
		return <-j.done
	case <-ctx.Done():
		return ctx.Err()
	case <-d.quit:
		return problem.New(problem.Unavailable, "the server is stopping")
	}
}

// change is one change to the directory while it is being made: a transaction, what was so before, and who
// makes it, which is the zero Caller for the server itself.
type change struct {
	tx  *sql.Tx
	st  *state
	now time.Time // in whole seconds
	by  Caller
}

func (t *change) exec(query string, args ...any) error {
	_, err := t.tx.Exec(query, args...)
	return err
}

// change makes the change that fn describes, by a caller as they are now, and returns the snapshot that has
// it. All changes pass here and through commit, which records them.
func (d *Directory) change(ctx context.Context, c Caller, act string, fn func(t *change, c Caller) error) (*state, error) {
	return d.commit(ctx, act, func(t *change) error {
		var err error
		if t.by, err = t.st.renew(c, t.now); err != nil {
			return err
		}
		return fn(t, t.by)
	})
}

// commit runs fn in a transaction. The snapshot is read inside it, so that nothing can fail between the
// commit and the swap: a right that was taken away on disk is taken away. What the change is to tell the
// trail is written by the same transaction and delivered after it; the snapshot is returned also when that
// fails, with an error that errUnrecorded marks.
func (d *Directory) commit(ctx context.Context, act string, fn func(t *change) error) (*state, error) {
	var next *state
	err := d.submit(ctx, func() error {
		if err := d.checkTrail(); err != nil {
			return err
		}
		var err error
		if next, err = d.transact(ctx, fn); err != nil {
			return err
		}
		return d.settle()
	})
	if err != nil {
		return next, failed(act, err)
	}
	return next, nil
}

// transact makes the change in a transaction and swaps the snapshot in.
func (d *Directory) transact(ctx context.Context, fn func(t *change) error) (*state, error) {
	old := d.state.Load()
	tx, err := d.db.Begin()
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // without effect after Commit
	t := &change{tx: tx, st: old, now: d.now()}
	if err := fn(t); err != nil {
		return nil, err
	}
	next, err := readState(tx, old)
	if err != nil {
		return nil, err
	}
	waiting, err := d.put(ctx, t, next)
	if err != nil {
		return nil, err
	}
	if err := tx.Commit(); err != nil {
		return nil, err
	}
	d.state.Store(next)
	d.outbox.waiting = d.outbox.waiting || waiting
	return next, nil
}

// now is the time in whole seconds, as the vendor's objects have it.
func (d *Directory) now() time.Time { return d.clock().UTC().Truncate(time.Second) }

// failed says what act an error spoiled. Problems are told as they are; when the disk does not take the
// change, that is one that passes.
func failed(act string, err error) error {
	if _, ok := errors.AsType[*problem.Error](err); ok {
		return err
	}
	wrapped := fmt.Errorf("identity: %s: %w", act, err)
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff { // without the extended part
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN:
			return &problem.Error{Kind: problem.Unavailable, Detail: "the server cannot write this down at present", Cause: wrapped}
		}
	}
	return wrapped
}

// saveUsage writes the last uses that the database does not know yet.
func (d *Directory) saveUsage() error {
	tx, err := d.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // without effect after Commit
	saved := make(map[*usage]int64)
	save := func(table string, p *pass) error {
		minute := p.used.minute.Load()
		if minute == p.used.saved {
			return nil
		}
		saved[p.used] = minute
		_, err := tx.Exec(`UPDATE `+table+` SET last_used_minute = ? WHERE id = ?`, minute, p.id)
		return err
	}
	st := d.state.Load()
	for _, t := range st.tokenByID {
		if err := save("tokens", &t.pass); err != nil {
			return err
		}
	}
	for _, v := range st.certificateByID {
		if err := save("certificates", &v.pass); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	for u, minute := range saved {
		u.saved = minute
	}
	return nil
}

// conflict is a Conflict that names the field.
func conflict(field, value, format string, args ...any) error {
	e := problem.Bad(field, value, format, args...)
	e.Kind = problem.Conflict
	return e
}

func noSuch(what string) error { return problem.New(problem.NotFound, "no such %s", what) }

// toJSON renders what always can be.
func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("identity: " + err.Error()) // only our own plain structures and checked JSON come here
	}
	return string(b)
}

// Page is a part of a list. Limit 0 is no limit.
type Page struct {
	Offset, Limit int
}

// page cuts the page out of all and renders it; the second result is the length of all.
func page[T, V any](all []T, p Page, view func(T) V) ([]V, int, error) {
	if p.Offset < 0 || p.Limit < 0 {
		return nil, 0, problem.Bad("offset", "", "offset and limit must not be negative")
	}
	part := all[min(p.Offset, len(all)):]
	if p.Limit > 0 && p.Limit < len(part) {
		part = part[:p.Limit]
	}
	out := make([]V, len(part))
	for i, v := range part {
		out[i] = view(v)
	}
	return out, len(all), nil
}
