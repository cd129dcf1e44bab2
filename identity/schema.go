package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// migrations are the steps from one schema version to the next: version n is what the first n make. A step
// that was released is never edited. docs/format/control.md tells what is in the tables.
var migrations = []string{schema1, schema2, schema3}

// schema1 holds identity. Times are whole seconds since 1970, days and JSON are text. References are
// without ON DELETE where losing the row would widen a right: a token that lost its last account, a grant
// that lost its last division. ordinal is the order of making, which survives VACUUM as a rowid does not.
const schema1 = `
CREATE TABLE meta (
	key TEXT PRIMARY KEY,
	value BLOB NOT NULL
) STRICT;
CREATE TABLE accounts (
	ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE CHECK (id <> ''),
	name TEXT NOT NULL,
	active INTEGER NOT NULL,
	service_from TEXT NOT NULL,
	service_to TEXT NOT NULL,
	friendly_identifier TEXT NOT NULL,
	auth_config TEXT NOT NULL,
	sign_in_methods TEXT NOT NULL,
	oauth_clients TEXT NOT NULL,
	locale TEXT NOT NULL,
	created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX accounts_friendly ON accounts (friendly_identifier) WHERE friendly_identifier <> '';
CREATE TABLE divisions (
	account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	id TEXT NOT NULL CHECK (id <> ''),
	name TEXT NOT NULL,
	PRIMARY KEY (account_id, id)
) STRICT;
CREATE TABLE users (
	ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE CHECK (id <> ''),
	user_type TEXT NOT NULL,
	status TEXT NOT NULL,
	user_name TEXT NOT NULL,
	first_name TEXT NOT NULL,
	last_name TEXT NOT NULL,
	email TEXT NOT NULL,
	phone TEXT NOT NULL,
	friendly_name TEXT NOT NULL,
	description TEXT NOT NULL,
	locale TEXT NOT NULL,
	access_scope TEXT NOT NULL,
	primary_account_id TEXT NOT NULL REFERENCES accounts (id),
	applications TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	created_by TEXT NOT NULL
) STRICT;
CREATE TABLE memberships (
	ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
	user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	account_id TEXT NOT NULL REFERENCES accounts (id),
	UNIQUE (user_id, account_id)
) STRICT;
CREATE TABLE grants (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	role TEXT NOT NULL,
	account_id TEXT CHECK (account_id <> ''), -- NULL: the whole server
	created_at INTEGER NOT NULL,
	created_by TEXT NOT NULL,
	FOREIGN KEY (user_id, account_id) REFERENCES memberships (user_id, account_id)
) STRICT;
CREATE UNIQUE INDEX grants_place ON grants (user_id, role, coalesce(account_id, ''));
CREATE TABLE grant_divisions (
	grant_id INTEGER NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
	account_id TEXT NOT NULL,
	division_id TEXT NOT NULL,
	PRIMARY KEY (grant_id, division_id),
	FOREIGN KEY (account_id, division_id) REFERENCES divisions (account_id, id)
) STRICT;
CREATE TABLE tokens (
	ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE CHECK (id <> ''),
	user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	name TEXT NOT NULL,
	hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
	enabled INTEGER NOT NULL,
	end_date TEXT NOT NULL, -- '': never
	created_at INTEGER NOT NULL,
	created_by TEXT NOT NULL,
	last_used_minute INTEGER NOT NULL DEFAULT 0,
	UNIQUE (user_id, name)
) STRICT;
CREATE TABLE token_accounts (
	token_id TEXT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
	account_id TEXT NOT NULL REFERENCES accounts (id),
	PRIMARY KEY (token_id, account_id)
) STRICT;
CREATE TABLE token_sources (
	token_id TEXT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
	source TEXT NOT NULL,
	PRIMARY KEY (token_id, source)
) STRICT;
`

// schema2 adds client certificates, which are kept like tokens, and the outbox: what has changed here and is
// not yet known to be in the trail. A row is one change, its events a JSON array; AUTOINCREMENT, since the order
// of rows is the order of changes and a number that was used again would break it.
const schema2 = `
CREATE TABLE certificates (
	ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE CHECK (id <> ''),
	user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	name TEXT NOT NULL,
	fingerprint BLOB NOT NULL UNIQUE CHECK (length(fingerprint) = 32),
	subject TEXT NOT NULL,
	issuer TEXT NOT NULL,
	serial TEXT NOT NULL,
	not_before INTEGER NOT NULL,
	not_after INTEGER NOT NULL,
	enabled INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	created_by TEXT NOT NULL,
	last_used_minute INTEGER NOT NULL DEFAULT 0,
	UNIQUE (user_id, name)
) STRICT;
CREATE TABLE certificate_accounts (
	certificate_id TEXT NOT NULL REFERENCES certificates (id) ON DELETE CASCADE,
	account_id TEXT NOT NULL REFERENCES accounts (id),
	PRIMARY KEY (certificate_id, account_id)
) STRICT;
CREATE TABLE certificate_sources (
	certificate_id TEXT NOT NULL REFERENCES certificates (id) ON DELETE CASCADE,
	source TEXT NOT NULL,
	PRIMARY KEY (certificate_id, source)
) STRICT;
CREATE TABLE outbox (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	recorded_by TEXT NOT NULL,
	events TEXT NOT NULL
) STRICT;
`

// schema3 adds when reports are made. bound_accounts is what the credential was bound to, JSON null for nothing: an
// empty list would be read as nothing by one and as everything by another.
const schema3 = `
CREATE TABLE report_schedules (
	ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE CHECK (id <> ''),
	user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	name TEXT NOT NULL,
	framework TEXT NOT NULL,
	framework_file TEXT NOT NULL,
	cron TEXT NOT NULL,
	time_zone TEXT NOT NULL,
	period TEXT NOT NULL,
	accounts TEXT NOT NULL,
	bound_accounts TEXT NOT NULL,
	enabled INTEGER NOT NULL,
	created_at INTEGER NOT NULL
) STRICT;
`

// Keys of the table meta.
const (
	metaDedupKey = "dedup_key" // 32 bytes, made with the file and never changed
	metaScrub    = "scrub"     // there while purged values may still be in free pages
)

// openDatabase opens the file with everything a connection must have set. The settings travel in the name,
// so that a connection that database/sql opens again has them too.
func openDatabase(path string) (*sql.DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	name := url.URL{Scheme: "file", Path: abs, RawQuery: url.Values{
		"_defensive": {"1"},
		"_dqs":       {"0"},
		"_txlock":    {"immediate"},
		"_pragma": {
			"busy_timeout(1000)",
			// A second process would change what this one's snapshot says, unseen. Before journal_mode: then
			// the log needs no shared memory either.
			"locking_mode(exclusive)",
			"journal_mode(wal)",
			"synchronous(full)",
			"foreign_keys(on)",
			"trusted_schema(off)",
			"secure_delete(on)",
			// VACUUM would leave a copy of everything in a temporary directory.
			"temp_store(memory)",
		},
	}.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// prepare brings the database to the newest schema, and refuses what is damaged, newer or not ours.
func prepare(ctx context.Context, db *sql.DB, now time.Time, mustExist bool) error {
	if err := checkPages(ctx, db); err != nil {
		return err
	}
	version, err := schemaVersion(ctx, db)
	switch {
	case err != nil:
		return err
	case version == 0 && mustExist:
		return errors.New("it is empty")
	case version > len(migrations):
		return fmt.Errorf("its schema is version %d, newer than the %d known here: use the version of countersign that wrote it", version, len(migrations))
	}
	for ; version < len(migrations); version++ {
		if err := migrate(ctx, db, version+1, now); err != nil {
			return fmt.Errorf("schema version %d: %w", version+1, err)
		}
	}
	return checkReferences(ctx, db)
}

// schemaVersion returns 0 for an empty database.
func schemaVersion(ctx context.Context, db *sql.DB) (int, error) {
	var tables, ours int
	if err := db.QueryRowContext(ctx, `SELECT count(*), count(*) FILTER (WHERE name = 'schema_version') FROM sqlite_schema`).Scan(&tables, &ours); err != nil {
		return 0, err
	}
	if tables == 0 {
		return 0, nil
	}
	if ours == 0 {
		return 0, errors.New("it is an SQLite database of something else")
	}
	var version int
	err := db.QueryRowContext(ctx, `SELECT max(version) FROM schema_version`).Scan(&version)
	return version, err
}

// migrate makes one version from the one before, whole or not at all.
func migrate(ctx context.Context, db *sql.DB, version int, now time.Time) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // without effect after Commit
	if version == 1 {
		if _, err := tx.ExecContext(ctx, `CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT`); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, migrations[version-1]); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO schema_version (version, applied_at) VALUES (?,?)`, version, now.Unix()); err != nil {
		return err
	}
	return tx.Commit()
}

// checkPages has SQLite look at the structure of every page. SQLite keeps no checksums, so a changed value
// in a whole page is not seen here.
func checkPages(ctx context.Context, db *sql.DB) error {
	var found string
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		return fmt.Errorf("it is damaged: %s", found)
	}
	return nil
}

func checkReferences(ctx context.Context, db *sql.DB) error {
	var table string
	err := db.QueryRowContext(ctx, `SELECT "table" FROM pragma_foreign_key_check LIMIT 1`).Scan(&table)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("it is damaged: a row of table %s refers to one that is not there", table)
}
