package merkle

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// The vkeys that a reader trusts, and the key that the trail signs with. docs/format/keys.md is the format of
// both files.

const (
	// MaxOriginBytes bounds an origin, which is also the name of its keys.
	MaxOriginBytes = 255

	maxKeysBytes = 64 << 10
	maxSkeyBytes = 1 << 10

	algEd25519   = 0x01 // signed-note, "Signature types"
	algCosigner  = 0x04 // tlog-cosignature
	publicBytes  = 1 + 32
	secretPrefix = "PRIVATE+KEY+"
)

// CheckOrigin tells why origin cannot name a trail. It must be a name for keys (signed-note: no spaces, no plus),
// and it goes into file names, headers and pages, so nothing in it is invisible.
func CheckOrigin(origin string) error {
	switch {
	case origin == "":
		return errors.New("the origin is empty")
	case len(origin) > MaxOriginBytes:
		return fmt.Errorf("the origin has %d bytes, the limit is %d", len(origin), MaxOriginBytes)
	case !isKeyName(origin):
		return errors.New("the origin is not UTF-8 without spaces and plus signs")
	case strings.ContainsFunc(origin, func(r rune) bool { return !unicode.IsGraphic(r) }):
		return errors.New("the origin has a character that cannot be seen")
	}
	return nil
}

// isKeyName is signed-note's rule for the names of all keys, also of those that are not ours.
func isKeyName(s string) bool {
	return s != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsSpace) && !strings.Contains(s, "+")
}

// Keys are the keys that a reader trusts, obtained from elsewhere than what they are to check. The zero value
// trusts nobody.
type Keys struct {
	verifiers []note.Verifier
}

// ParseKeys reads vkeys, one a line. Blank lines and lines that begin with # are skipped. A line that is no
// vkey of an Ed25519 log key, in its one rendering, is refused, and so is a second key with the same name and
// id; a mistyped key that went unseen would let a check pass that nobody asked for.
func ParseKeys(text []byte) (Keys, error) {
	if len(text) > maxKeysBytes {
		return Keys{}, fmt.Errorf("keys: %d bytes, the limit is %d", len(text), maxKeysBytes)
	}
	var keys Keys
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		// The file is the reader's own, so the editor that he made it with is free in its line ends.
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		v, err := parseVKey(line)
		if err != nil {
			return Keys{}, fmt.Errorf("keys: line %d: %w", n, err)
		}
		if keys.find(v.Name(), v.KeyHash()) {
			return Keys{}, fmt.Errorf("keys: line %d: a second key %s+%08x", n, v.Name(), v.KeyHash())
		}
		keys.verifiers = append(keys.verifiers, v)
	}
	if len(keys.verifiers) == 0 {
		return Keys{}, errors.New("keys: there is none")
	}
	return keys, nil
}

// Has tells whether there is a key of that name.
func (k Keys) Has(origin string) bool {
	return slices.ContainsFunc(k.verifiers, func(v note.Verifier) bool { return v.Name() == origin })
}

func (k Keys) find(name string, id uint32) bool {
	return slices.ContainsFunc(k.verifiers, func(v note.Verifier) bool { return v.Name() == name && v.KeyHash() == id })
}

// parseVKey reads name+id+key. The errors show nothing of the line: whoever takes the wrong file for the key
// file must not find his signing key in a log.
func parseVKey(line string) (note.Verifier, error) {
	if strings.HasPrefix(line, secretPrefix) {
		return nil, errors.New("this is a signing key, which nobody but the server may have; a vkey is wanted (countersign key show)")
	}
	_, id, key, ok := cutKey(line)
	if !ok {
		return nil, errors.New("not a vkey: name, id and key, joined by plus signs")
	}
	switch {
	case key[0] == algCosigner:
		return nil, errors.New("a key for cosignatures (type 4), which is not the key of a log")
	case key[0] != algEd25519:
		return nil, fmt.Errorf("a key of type %d, which is not known; log keys are Ed25519 (type 1)", key[0])
	case len(key) != publicBytes:
		return nil, fmt.Errorf("an Ed25519 key of %d bytes, not 32", len(key)-1)
	}
	v, err := note.NewVerifier(line)
	if err != nil {
		return nil, fmt.Errorf("the id %s is not that of the name and key", id)
	}
	return v, nil
}

// cutKey takes a key as text apart and checks that it is in its one rendering: note takes more than one.
func cutKey(s string) (name, id string, key []byte, ok bool) {
	name, rest, ok := strings.Cut(s, "+")
	if !ok || !isKeyName(name) {
		return "", "", nil, false
	}
	id, key64, ok := strings.Cut(rest, "+")
	if !ok || len(id) != 8 || strings.Trim(id, "0123456789abcdef") != "" {
		return "", "", nil, false
	}
	key, ok = decodeBase64(key64)
	return name, id, key, ok && len(key) > 0
}

// decodeBase64 decodes s and refuses every rendering but the one that encoding gives.
func decodeBase64(s string) ([]byte, bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	// Even Strict skips line ends; the length tells.
	return b, err == nil && base64.StdEncoding.EncodedLen(len(b)) == len(s)
}

// Signer is an Ed25519 key that signs checkpoints of one origin. The zero value is for UnmarshalText. It prints as
// its vkey; MarshalText is what gives the secret away.
type Signer struct {
	skey   string
	vkey   string
	signer note.Signer
}

// NewSigner makes a fresh key.
func NewSigner(origin string) (*Signer, error) {
	if err := CheckOrigin(origin); err != nil {
		return nil, err
	}
	skey, _, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	s := new(Signer)
	if err := s.UnmarshalText([]byte(skey + "\n")); err != nil {
		return nil, err
	}
	return s, nil
}

// Origin returns the name that the key signs for.
func (s *Signer) Origin() string { return s.signer.Name() }

// VKey returns the key as others know it, which is no secret.
func (s *Signer) VKey() string { return s.vkey }

// String returns the vkey.
func (s *Signer) String() string { return s.vkey }

// Format prints the vkey whatever the verb, so that %+v of something that holds a Signer cannot show the secret.
func (s *Signer) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.vkey)) }

// LogValue is the vkey: slog would otherwise call MarshalText.
func (s *Signer) LogValue() slog.Value { return slog.StringValue(s.vkey) }

// MarshalText returns the key file, which is secret.
func (s *Signer) MarshalText() ([]byte, error) {
	if s.skey == "" {
		return nil, errors.New("signing key: there is none")
	}
	return []byte(s.skey + "\n"), nil
}

// UnmarshalText reads a key file: one line. Errors show nothing of it.
func (s *Signer) UnmarshalText(text []byte) error {
	if len(text) > maxSkeyBytes {
		return fmt.Errorf("signing key: %d bytes, the limit is %d", len(text), maxSkeyBytes)
	}
	skey, ok := strings.CutSuffix(string(text), "\n")
	if !ok || strings.Contains(skey, "\n") {
		return errors.New("signing key: not one line that ends in a line feed")
	}
	body, ok := strings.CutPrefix(skey, secretPrefix)
	if !ok {
		return errors.New("signing key: it does not begin with " + secretPrefix)
	}
	name, id, key, ok := cutKey(body)
	switch {
	case !ok:
		return errors.New("signing key: not a name, an id and a key, joined by plus signs")
	case key[0] != algEd25519 || len(key) != publicBytes:
		return errors.New("signing key: not an Ed25519 key (type 1)")
	}
	if err := CheckOrigin(name); err != nil {
		return fmt.Errorf("signing key: %w", err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return fmt.Errorf("signing key: the id %s is not that of the name and key", id)
	}
	public := ed25519.NewKeyFromSeed(key[1:]).Public().(ed25519.PublicKey)
	vkey, err := note.NewEd25519VerifierKey(name, public)
	if err != nil {
		return fmt.Errorf("signing key: %w", err)
	}
	*s = Signer{skey: skey, vkey: vkey, signer: signer}
	return nil
}
