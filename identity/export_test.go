package identity

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"time"
)

// MakeCaller makes a caller out of nothing, for tests of what a caller may see.
func MakeCaller(grants []Grant, accounts, sources []string) Caller {
	return Caller{UserID: "u", TokenID: "t", grants: grants, accounts: accounts, sources: sources}
}

// Exec runs SQL on the open database, as its owner would.
func (d *Directory) Exec(query string) error {
	return d.submit(context.Background(), func() error {
		_, err := d.db.Exec(query)
		return err
	})
}

// SaveUsage does what happens every minute.
func (d *Directory) SaveUsage() error { return d.submit(context.Background(), d.saveUsage) }

// Redeliver does what happens every few seconds.
func (d *Directory) Redeliver() error { return d.submit(context.Background(), d.redeliver) }

// HashOf is what the database keeps of a token.
func HashOf(secret string) [sha256.Size]byte { return sha256.Sum256([]byte(secret)) }

// CompactObject reads a JSON object as a field of an account.
func CompactObject(raw []byte) ([]byte, error) { return compactObject("auth_config", raw) }

// Permissions returns all permissions.
func Permissions() []Permission {
	out := make([]Permission, len(permissionActs))
	for i := range out {
		out[i] = Permission(i)
	}
	return out
}

// ParsePEM reads a client certificate.
func ParsePEM(text string, now time.Time) (*x509.Certificate, error) { return parsePEM(text, now) }
