package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Observer is told what the store does, by whoever wants to measure it. Its methods are called by the
// goroutines that do the work, several at a time, and must not block.
type Observer interface {
	// Appended tells of an Append that was answered, after the wait for the disk.
	Appended(took time.Duration, err error)
	// Written tells of a batch that was given to the disk.
	Written(b BatchWritten)
	// Published tells of a checkpoint that was published, or the attempt.
	Published(p Publication)
	// Kept tells of background work that is over.
	Kept(k Kept)
	// Answered tells of a query that is over. For Streamed the time is the reader's as much as the store's.
	Answered(kind QueryKind, took time.Duration)
}

// BatchWritten is one durable write, or the attempt.
type BatchWritten struct {
	Requests, Entries int
	Bytes             int           // of the frame
	Took              time.Duration // all of it
	Sync              time.Duration // of Took
	Err               error
}

// Publication is a checkpoint of Size entries on its way to others.
type Publication struct {
	Size    uint64
	Err     error // why it is not published
	FileErr error // why it is not in Options.CheckpointFile, which stops nothing
}

// Kept is one piece of background work.
type Kept struct {
	Work    Work
	Entries int
	Took    time.Duration
	Err     error
}

// Work is a kind of background work.
type Work uint8

// The kinds of background work: an index over open entries, a seal, a merge of indexes, one of ids.
const (
	Indexed Work = iota
	Sealed
	MergedIndexes
	MergedIDs
)

// String names the work in measurements.
func (w Work) String() string { return [...]string{"index", "seal", "merge_indexes", "merge_ids"}[w] }

// QueryKind is a way to ask.
type QueryKind uint8

// The ways to ask.
const (
	Searched QueryKind = iota // Search, SearchPinned
	Streamed                  // Each
	Stated                    // Stats, Texts
)

// String names the kind in measurements.
func (k QueryKind) String() string { return [...]string{"search", "each", "stats"}[k] }

// unobserved is the Observer of a store that has none.
type unobserved struct{}

func (unobserved) Appended(time.Duration, error)     {}
func (unobserved) Written(BatchWritten)              {}
func (unobserved) Published(Publication)             {}
func (unobserved) Kept(Kept)                         {}
func (unobserved) Answered(QueryKind, time.Duration) {}

// answered is deferred by queries.
func (s *Store) answered(k QueryKind, start time.Time) { s.observer.Answered(k, time.Since(start)) }

// Queued returns how many requests wait for the writer, of how many that may.
func (s *Store) Queued() (now, most int) { return len(s.requests), cap(s.requests) }

// Unsealed returns how many entries lie in memory, of how many that may before writers wait.
func (s *Store) Unsealed() (now, most uint64) { return s.snap.Load().unsealed(), s.mostUnsealed }

// LogBytes returns the size of the log's files, with the room that is set aside in them.
func (s *Store) LogBytes() (int64, error) {
	dir := filepath.Join(s.dir.path, walName)
	names, err := s.dir.fs.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("measure log: %w", err)
	}
	var sum int64
	for _, name := range names {
		f, err := s.dir.fs.OpenFile(filepath.Join(dir, name), os.O_RDONLY, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was given its lasting name, or is needed no longer
		}
		if err != nil {
			return 0, fmt.Errorf("measure log: %w", err)
		}
		size, err := f.Size()
		f.Close() // read only: there is nothing to lose
		if err != nil {
			return 0, fmt.Errorf("measure log: %w", err)
		}
		sum += size
	}
	return sum, nil
}
