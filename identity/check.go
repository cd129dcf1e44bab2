package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Check looks at the control database of a stopped server, more closely than Open: every page, every index, every
// reference. It returns what is wrong, and the duplicate-detection key, which is nil when it cannot be read. The database
// is not changed; but what a killed server left in its log is taken into it, as the next start would do.
func Check(ctx context.Context, path string) (dedupKey []byte, damage []string, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, []string{"the file is missing"}, nil
	} else if err != nil {
		return nil, nil, fmt.Errorf("identity: check: %w", err)
	}
	db, err := openStopped(path)
	if err != nil {
		return nil, nil, fmt.Errorf("identity: check %s: %w", path, err)
	}
	defer db.Close()
	for _, look := range []func() error{
		func() error {
			return eachText(ctx, db, `PRAGMA integrity_check`, func(s string) { damage = noteText(damage, s) })
		},
		func() error { return checkReferences(ctx, db) },
		func() error { return checkVersion(ctx, db) },
		func() error { dedupKey, err = readDedupKey(ctx, db); return err },
	} {
		err := look()
		if e, ok := errors.AsType[*sqlite.Error](err); ok {
			switch e.Code() & 0xff { // without the extended part
			case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_ERROR:
			default:
				return nil, nil, fmt.Errorf("identity: check %s: %w", path, err)
			}
		} else if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err != nil {
			damage = append(damage, err.Error())
		}
	}
	return dedupKey, damage, nil
}

// openStopped opens a database that nobody writes. Without a log beside it, it is opened so that nothing can be changed.
func openStopped(path string) (*sql.DB, error) {
	if _, err := os.Stat(path + "-wal"); err == nil {
		return openDatabase(path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	name := url.URL{Scheme: "file", Path: abs, RawQuery: url.Values{"mode": {"ro"}, "immutable": {"1"}}.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

// noteText adds what SQLite says is wrong.
func noteText(damage []string, said string) []string {
	if said == "ok" {
		return damage
	}
	return append(damage, said)
}

// eachText calls row with each text that the query finds.
func eachText(ctx context.Context, db *sql.DB, query string, row func(string)) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return err
		}
		row(s)
	}
	return rows.Err()
}

func checkVersion(ctx context.Context, db *sql.DB) error {
	version, err := schemaVersion(ctx, db)
	switch {
	case err != nil:
		return err
	case version == 0:
		return errors.New("it is empty")
	case version > len(migrations):
		return fmt.Errorf("its schema is version %d, newer than the %d known here: use the version of countersign that wrote it", version, len(migrations))
	}
	return nil
}

func readDedupKey(ctx context.Context, db *sql.DB) ([]byte, error) {
	var key []byte
	if err := db.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = ?`, metaDedupKey).Scan(&key); err != nil {
		return nil, fmt.Errorf("duplicate-detection key: %w", err)
	}
	if len(key) != dedupKeyBytes {
		return nil, fmt.Errorf("it is damaged: the duplicate-detection key has %d bytes", len(key))
	}
	return key, nil
}
