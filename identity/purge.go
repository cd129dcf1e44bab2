package identity

import (
	"context"
	"fmt"

	"countersign/problem"
)

// purgeUser takes out the row and what hangs on it, and notes in the same transaction that the bytes are
// still to be overwritten: a crash right after it leaves the note, and the next Open does it.
func (t *change) purgeUser(id string) error {
	if err := t.exec(`DELETE FROM users WHERE id = ?`, id); err != nil {
		return err
	}
	return t.exec(`INSERT INTO meta (key, value) VALUES (?, x'01') ON CONFLICT DO NOTHING`, metaScrub)
}

// scrub overwrites what a purge left in free pages and in the log.
func (d *Directory) scrub(ctx context.Context) error {
	err := d.submit(context.WithoutCancel(ctx), d.scrubNow)
	if err == nil {
		return nil
	}
	return &problem.Error{
		Kind:   problem.Unavailable,
		Detail: "the user is purged and nobody finds it, but its values could not yet be overwritten on disk: the next start or purge does it",
		Cause:  fmt.Errorf("identity: scrub: %w", err),
	}
}

// scrubNow does it when a purge has left its note. secure_delete zeroes deleted cells, but not the copies
// that a page split left behind; VACUUM writes every page anew, and emptying the log removes the old ones.
// A crash before the note is taken back repeats it.
func (d *Directory) scrubNow() error {
	var due bool
	if err := d.db.QueryRow(`SELECT EXISTS (SELECT 1 FROM meta WHERE key = ?)`, metaScrub).Scan(&due); err != nil || !due {
		return err
	}
	for _, step := range []string{
		`VACUUM`,
		`PRAGMA wal_checkpoint(TRUNCATE)`,
		`DELETE FROM meta WHERE key = '` + metaScrub + `'`,
	} {
		if _, err := d.db.Exec(step); err != nil {
			return err
		}
	}
	return nil
}
