package engine

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"modernc.org/sqlite"

	"countersign/bench/made"
	"countersign/event"
	"countersign/query"
)

// SQLite is a database file, read and written by this process.
type SQLite struct {
	database
	path, version string
}

// The name of the function that folds texts: SQLite's own lower knows ASCII only.
const foldFunction = "fold"

func registerFold() error {
	return sqlite.RegisterDeterministicScalarFunction(foldFunction, 1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		s, ok := args[0].(string)
		if !ok {
			return nil, nil
		}
		return query.Fold(s), nil
	})
}

var foldRegistered error = registerFold()

// NewSQLite makes a database in dir.
func NewSQLite(ctx context.Context, dir string) (*SQLite, error) {
	if foldRegistered != nil {
		return nil, foldRegistered
	}
	s := &SQLite{path: dir + "/entries.db"}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := s.open(); err != nil {
		return nil, err
	}
	if err := s.db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&s.version); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if _, err := s.db.ExecContext(ctx, createTable()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// open opens the file with 1 GiB of cache.
func (s *SQLite) open() (err error) {
	pragmas := []string{"journal_mode(WAL)", "synchronous(NORMAL)", "cache_size(-1048576)", "temp_store(MEMORY)", "analysis_limit(2000)"}
	s.db, err = sql.Open("sqlite", "file:"+s.path+"?_pragma="+strings.Join(pragmas, "&_pragma="))
	if err == nil {
		s.db.SetMaxOpenConns(1)
	}
	return err
}

// Name tells which engine it is.
func (s *SQLite) Name() string { return "SQLite" }

// Version tells of which release.
func (s *SQLite) Version() string { return s.version + " (modernc.org/sqlite)" }

// Load inserts the events, ten thousand in a transaction, and makes the indexes afterwards: with them in
// place it would be several times slower.
func (s *SQLite) Load(ctx context.Context, t made.Trail, at *Places) (Load, error) {
	began, cpu := time.Now(), ownCPU()
	l := Load{Events: t.N}
	var events []event.Event
	for block := 0; block < t.Blocks(); {
		tx, err := s.db.BeginTx(ctx, nil)
		if err != nil {
			return l, err
		}
		for end := min(block+10, t.Blocks()); block < end && err == nil; block++ {
			events = t.Append(events[:0], block)
			err = s.insert(ctx, tx, events, block, at)
		}
		if err == nil {
			err = tx.Commit()
		}
		if err != nil {
			return l, fmt.Errorf("load SQLite: %w", errors.Join(err, tx.Rollback()))
		}
	}
	l.Took = time.Since(began)
	byActor := s.Fold("actor_name") + ", actor_name, seq" // absent values come first there, and only there
	for _, statement := range append(indexes(byActor), "ANALYZE") {
		if _, err := s.db.ExecContext(ctx, statement); err != nil {
			return l, fmt.Errorf("%s: %w", statement, err)
		}
	}
	l.Indexes = time.Since(began) - l.Took
	l.CPU = ownCPU() - cpu
	return l, nil
}

// rowsAtOnce is how many rows a statement inserts.
const rowsAtOnce = 50

func (s *SQLite) insert(ctx context.Context, tx *sql.Tx, events []event.Event, block int, at *Places) error {
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", len(columns)), ",") + ")"
	for first := 0; first < len(events); first += rowsAtOnce {
		part := events[first:min(first+rowsAtOnce, len(events))]
		var values []any
		for j := range part {
			e := event.Entry{Event: part[j], Seq: at.Seq(block*made.BlockLen + first + j)}
			values = append(values, rowOf(&e)...)
		}
		rows := strings.TrimSuffix(strings.Repeat(row+",", len(part)), ",")
		if _, err := tx.ExecContext(ctx, "INSERT INTO entries VALUES "+rows, values...); err != nil {
			return err
		}
	}
	return nil
}

// Reopen closes the file and opens it again.
func (s *SQLite) Reopen(ctx context.Context) error {
	if err := s.db.Close(); err != nil {
		return err
	}
	return s.open()
}

// Fold returns the expression for a text without regard to case.
func (s *SQLite) Fold(column string) string { return foldFunction + "(" + column + ")" }

// Contains returns the expression for a text that contains another without regard to case.
func (s *SQLite) Contains(column, needle string) string {
	return "instr(" + s.Fold(column) + ", " + Quote(query.Fold(needle)) + ") > 0"
}

// Bytes returns the sizes of the table and of each index.
func (s *SQLite) Bytes(ctx context.Context) (map[string]int64, error) {
	if _, err := s.db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return nil, err
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return nil, err
	}
	return map[string]int64{"table and indexes": info.Size()}, nil
}

// AnonBytes is unknown: the database is part of this process.
func (s *SQLite) AnonBytes() int64 { return 0 }

// Close closes the file.
func (s *SQLite) Close() error { return s.db.Close() }
