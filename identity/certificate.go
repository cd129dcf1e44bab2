package identity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"time"

	"github.com/google/uuid"

	"countersign/problem"
)

// Certificate is a client certificate that signs its user in by mTLS. It is known by the SHA-256 of its DER
// alone: who issued it is not asked, so neither another certificate of the same name nor one that the issuer
// renewed is taken for it. It signs in from NotBefore to NotAfter, both included. Bounds and LastUsedAt are
// as a token's.
type Certificate struct {
	ID          string     `json:"id"`
	UserID      string     `json:"user_id"`
	Name        string     `json:"name"`
	Fingerprint string     `json:"fingerprint_sha256"` // of the DER, in hexadecimal
	Subject     string     `json:"subject"`            // RFC 4514
	Issuer      string     `json:"issuer"`
	Serial      string     `json:"serial"` // in hexadecimal
	NotBefore   time.Time  `json:"not_before"`
	NotAfter    time.Time  `json:"not_after"`
	Status      Validity   `json:"status"`
	Enabled     bool       `json:"enabled"`
	Accounts    []string   `json:"accounts,omitempty"` // sorted
	Sources     []string   `json:"sources,omitempty"`  // sorted
	CreatedAt   time.Time  `json:"created_at"`
	CreatedBy   string     `json:"created_by"`
	LastUsedAt  *time.Time `json:"last_used_at,omitempty"`
}

// NewCertificate binds a certificate to UserID (Me for the caller). PEM is the certificate alone, in one
// CERTIFICATE block. Enabled is true when left out.
type NewCertificate struct {
	UserID   string   `json:"user_id"`
	Name     string   `json:"name"`
	PEM      string   `json:"pem"`
	Enabled  *bool    `json:"enabled"`
	Accounts []string `json:"accounts"`
	Sources  []string `json:"sources"`
}

// CertificateUpdate is what may change of a certificate.
type CertificateUpdate struct {
	Name    Optional[string] `json:"name"`
	Enabled Optional[bool]   `json:"enabled"`
}

// certificate is a certificate in a snapshot.
type certificate struct {
	Certificate
	pass
}

// view is the certificate as it is told at a moment.
func (v *certificate) view(now time.Time) Certificate {
	out := v.Certificate
	out.Status, out.LastUsedAt = v.validityAt(now), v.used.at()
	return out
}

// maxPEMBytes is room for the largest certificate that Authenticate looks at, in base64.
const maxPEMBytes = 2 * maxCertificateBytes

// parse checks the fields and reads the certificate.
func (n NewCertificate) parse(now time.Time) (*x509.Certificate, error) {
	if err := valid(checkNeeded("user_id", n.UserID), checkPassName(n.Name),
		checkBounds("accounts", n.Accounts, maxAccounts, checkID), checkBounds("sources", n.Sources, maxSources, checkSource)); err != nil {
		return nil, err
	}
	return parsePEM(n.PEM, now)
}

// parsePEM reads one certificate that a client may sign in with. The text is never put into the error:
// somebody may have sent the key.
func parsePEM(text string, now time.Time) (*x509.Certificate, error) {
	bad := func(format string, args ...any) error { return problem.Bad("pem", "", format, args...) }
	if len(text) > maxPEMBytes {
		return nil, bad("must have at most %d bytes", maxPEMBytes)
	}
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return nil, bad("must be a certificate in PEM, beginning with -----BEGIN CERTIFICATE-----")
	case block.Type != "CERTIFICATE":
		return nil, bad("must be a CERTIFICATE, and nothing else: a key never leaves its owner")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, bad("must be one certificate: that of the client alone, without its chain or key")
	}
	v, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		e := problem.Bad("pem", "", "must hold an X.509 certificate")
		e.Cause = err
		return nil, e
	}
	switch {
	case len(v.Raw) > maxCertificateBytes:
		return nil, bad("must have at most %d bytes as DER", maxCertificateBytes)
	case v.NotAfter.Before(now):
		return nil, bad("expired on %s", v.NotAfter.Format(time.DateOnly))
	case !forClients(v):
		return nil, bad("must be for client authentication: its extended key usage has other uses only")
	}
	return v, nil
}

// forClients reports whether the certificate may identify a TLS client: RFC 5280, 4.2.1.12 restricts it to
// the uses that it names, when it names any.
func forClients(v *x509.Certificate) bool {
	none := len(v.ExtKeyUsage) == 0 && len(v.UnknownExtKeyUsage) == 0
	return none || slices.Contains(v.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || slices.Contains(v.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// AddCertificate binds a certificate to a user. mayMakePass says who may. One certificate is bound to one
// user at most.
func (d *Directory) AddCertificate(ctx context.Context, c Caller, n NewCertificate) (Certificate, error) {
	id := uuid.NewString()
	st, err := d.change(ctx, c, "add certificate", func(t *change, c Caller) error {
		if !c.mayAnywhere(ManageTokens) {
			return mayNot(ManageTokens)
		}
		parsed, err := n.parse(t.now)
		if err != nil {
			return err
		}
		u, err := t.st.mayMakePass(c, n.UserID, n.Accounts, n.Sources)
		if err != nil {
			return err
		}
		hash := sha256.Sum256(parsed.Raw)
		switch {
		case u.hasCertificate(n.Name):
			return conflict("name", n.Name, "the user has a certificate with this name")
		case t.st.certificateByHash[hash] != nil:
			// Not whose: the caller may not know of that user.
			return conflict("pem", "", "this certificate is bound to a user already")
		}
		return t.insertCertificate(&Certificate{
			ID: id, UserID: u.ID, Name: n.Name, Enabled: n.Enabled == nil || *n.Enabled,
			Subject: printable(parsed.Subject.String()), Issuer: printable(parsed.Issuer.String()), Serial: parsed.SerialNumber.Text(16),
			NotBefore: parsed.NotBefore, NotAfter: parsed.NotAfter,
			Accounts: n.Accounts, Sources: n.Sources, CreatedAt: t.now, CreatedBy: c.UserID,
		}, hash)
	})
	if err != nil {
		return Certificate{}, err
	}
	return st.certificateByID[id].view(d.now()), nil
}

func (t *change) insertCertificate(v *Certificate, hash [sha256.Size]byte) error {
	if err := t.exec(`INSERT INTO certificates (id, user_id, name, fingerprint, subject, issuer, serial, not_before, not_after,
		enabled, created_at, created_by) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)`, v.ID, v.UserID, v.Name, hash[:], v.Subject, v.Issuer,
		v.Serial, v.NotBefore.Unix(), v.NotAfter.Unix(), v.Enabled, v.CreatedAt.Unix(), v.CreatedBy); err != nil {
		return err
	}
	return t.insertBounds("certificate", v.ID, v.Accounts, v.Sources)
}

// Certificate returns a certificate of the caller or of a user whose tokens they manage.
func (d *Directory) Certificate(_ context.Context, c Caller, id string) (Certificate, error) {
	v := d.state.Load().certificateByID[id]
	if v == nil || !c.knows(v.user) {
		return Certificate{}, noSuch("certificate")
	}
	return v.view(d.now()), nil
}

// Certificates returns the certificates of the user (Me for the caller), or all that the caller may see when
// userID is empty, in the order of users and then of making, and how many there are on all pages.
func (d *Directory) Certificates(_ context.Context, c Caller, userID string, p Page) ([]Certificate, int, error) {
	users, err := d.state.Load().knownTo(c, userID)
	if err != nil {
		return nil, 0, err
	}
	var seen []*certificate
	for _, u := range users {
		seen = append(seen, u.certificates...)
	}
	now := d.now()
	return page(seen, p, func(v *certificate) Certificate { return v.view(now) })
}

// UpdateCertificate renames, enables or disables a certificate. It needs ManageTokens over its user. No
// certificate disables itself.
func (d *Directory) UpdateCertificate(ctx context.Context, c Caller, id string, n CertificateUpdate) (Certificate, error) {
	st, err := d.change(ctx, c, "update certificate", func(t *change, c Caller) error {
		v := t.st.certificateByID[id]
		if v == nil {
			return noSuch("certificate")
		}
		if err := c.mayManage(v.user, "certificate"); err != nil {
			return err
		}
		name, enabled := n.Name.or(v.Name), n.Enabled.or(v.Enabled)
		if err := checkPassName(name); err != nil {
			return err
		}
		switch {
		case name != v.Name && v.user.hasCertificate(name):
			return conflict("name", name, "the user has a certificate with this name")
		case !enabled && v.ID == c.CertificateID:
			return conflict("enabled", "false", "no certificate disables itself: use another one, or a token")
		}
		return t.exec(`UPDATE certificates SET name = ?, enabled = ? WHERE id = ?`, name, enabled, id)
	})
	if err != nil {
		return Certificate{}, err
	}
	return st.certificateByID[id].view(d.now()), nil
}

// DeleteCertificate unbinds a certificate for ever. It needs ManageTokens over its user. No certificate
// deletes itself.
func (d *Directory) DeleteCertificate(ctx context.Context, c Caller, id string) error {
	_, err := d.change(ctx, c, "delete certificate", func(t *change, c Caller) error {
		v := t.st.certificateByID[id]
		if v == nil {
			return noSuch("certificate")
		}
		if err := c.mayManage(v.user, "certificate"); err != nil {
			return err
		}
		if v.ID == c.CertificateID {
			return conflict("id", id, "no certificate deletes itself: use another one, or a token")
		}
		return t.exec(`DELETE FROM certificates WHERE id = ?`, id)
	})
	return err
}
