package identity

import (
	"context"
	"errors"
	"fmt"
)

// Copy returns a copy of the whole database, as SQLite writes it. Before the next change is made it calls meanwhile: what
// that takes note of is of the same moment. The copy holds all that control.db does, secrets too.
func (d *Directory) Copy(ctx context.Context, meanwhile func() error) (db []byte, err error) {
	err = d.submit(ctx, func() error {
		conn, err := d.db.Conn(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
		err = conn.Raw(func(driver any) error {
			db, err = driver.(interface{ Serialize() ([]byte, error) }).Serialize()
			return err
		})
		return errors.Join(err, conn.Close(), meanwhile())
	})
	if err != nil {
		return nil, fmt.Errorf("identity: copy: %w", err)
	}
	return db, nil
}
