package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"countersign/event"
	"countersign/internal/durable"
	"countersign/merkle"
)

// DefaultOverlap is for how many entries after a rotation the old key signs beside the new one.
const DefaultOverlap = 100_000

const maxKeyFileBytes = 1 << 12

// KeyRange is a key of the trail and the tree sizes whose checkpoints it signs: those from From to Until, Until
// being nil for the newest key.
type KeyRange struct {
	VKey  string  `json:"key"`
	From  uint64  `json:"from"`
	Until *uint64 `json:"until,omitempty"`
}

func (k *KeyRange) covers(size uint64) bool {
	return size >= k.From && (k.Until == nil || size <= *k.Until)
}

// Origin is the name that the key signs for.
func (k *KeyRange) Origin() string {
	name, _, _ := strings.Cut(k.VKey, "+")
	return name
}

// keyring is the keys of a trail, oldest first, and what is there to sign with. It is never changed: a
// key change makes another.
type keyring struct {
	origin  string // the name of the newest key
	history []KeyRange
	signers map[string]*merkle.Signer // by vkey
}

// at returns the keys whose checkpoints of a size are those of the trail. They are all of one name, that of the newest
// among them: with another name the time of every key before is over, whatever its range says, or there could be two
// checkpoints of one size with two names.
func (k *keyring) at(size uint64) (keys []*KeyRange) {
	for i := range slices.Backward(k.history) {
		r := &k.history[i]
		if size < r.From {
			continue
		}
		if len(keys) > 0 && r.Origin() != keys[0].Origin() {
			break
		}
		if r.covers(size) {
			keys = append(keys, r)
		}
	}
	slices.Reverse(keys)
	return keys
}

// sign makes the checkpoint of the tree of that size, signed by every key whose range it is in.
func (k *keyring) sign(size uint64, root merkle.Hash) (merkle.Checkpoint, error) {
	return merkle.Sign(k.origin, size, root, k.signersAt(size)...)
}

// signersAt returns the keys whose range the size is in, as far as they are there.
func (k *keyring) signersAt(size uint64) []*merkle.Signer {
	var signers []*merkle.Signer
	for _, r := range k.at(size) {
		if s := k.signers[r.VKey]; s != nil {
			signers = append(signers, s)
		}
	}
	return signers
}

// verifies tells whether c is a checkpoint of this trail.
func (k *keyring) verifies(c merkle.Checkpoint) error {
	var lines strings.Builder
	for _, r := range k.at(c.Size) {
		lines.WriteString(r.VKey + "\n")
	}
	keys, err := merkle.ParseKeys([]byte(lines.String()))
	if err != nil {
		return err
	}
	return c.Verify(keys)
}

// with returns the keyring after a key change.
func (k *keyring) with(c keyChange, signer *merkle.Signer) *keyring {
	added := KeyRange{VKey: c.Key, From: c.From}
	n := &keyring{origin: added.Origin(), history: slices.Clone(k.history), signers: map[string]*merkle.Signer{c.Key: signer}}
	for v, s := range k.signers {
		n.signers[v] = s
	}
	until := c.PreviousUntil
	n.history[len(n.history)-1].Until = &until
	n.history = append(n.history, added)
	return n
}

// newest returns the key that signs from now on.
func (k *keyring) newest() *KeyRange { return &k.history[len(k.history)-1] }

// keyChange is the statement of a system fact of KindKey, its members in the order of RFC 8785.
type keyChange struct {
	Key           string `json:"key"`
	Previous      string `json:"previous"`
	PreviousUntil uint64 `json:"previous_valid_until"`
	From          uint64 `json:"valid_from"`
}

// loadKeys reads the signing keys that the manifest names, after making the first one at the first start. Whether the
// newest key is there is asked when the log was read: it may name a newer one.
func (d *Dir) loadKeys(origin string) (*keyring, error) {
	if d.manifest.Origin == "" {
		if err := d.makeKey(origin); err != nil {
			return nil, err
		}
	}
	ring := &keyring{origin: d.manifest.Origin, history: d.manifest.Keys, signers: map[string]*merkle.Signer{}}
	for i := range ring.history {
		signer, err := d.readKey(ring.history[i].VKey)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it may be destroyed once its time is over
		}
		if err != nil {
			return nil, fmt.Errorf("signing key: %w", err)
		}
		ring.signers[ring.history[i].VKey] = signer
	}
	return ring, nil
}

// checkOrigin tells why a trail cannot be opened under a name, which is empty when none is asked for.
func (k *keyring) checkOrigin(origin string) error {
	if origin == "" || origin == k.origin {
		return nil
	}
	return fmt.Errorf("the origin of this trail is %q, fixed at its first start; it cannot become %q", k.origin, origin)
}

// checkSigner tells why the trail cannot go on: the key that signs is not there.
func (k *keyring) checkSigner(d *Dir) error {
	if vkey := k.newest().VKey; k.signers[vkey] == nil {
		return fmt.Errorf("signing key: %s, which signs as %s, is missing: put the file back, from where the keys are kept, or let the trail go on under a new name with countersign restore --new-origin NAME --data %s",
			d.keyFile(vkey), k.origin, d.path)
	}
	return nil
}

// makeKey gives a new trail its origin and its first key. A crash before the manifest is written leaves a key
// file that nothing names.
func (d *Dir) makeKey(origin string) error {
	if origin == "" {
		var b [8]byte
		rand.Read(b[:])
		origin = "countersign.invalid/" + hex.EncodeToString(b[:])
	}
	signer, err := d.writeKey(origin)
	if err != nil {
		return err
	}
	return d.changeManifest(func(m *manifest) { m.Origin, m.Keys = origin, []KeyRange{{VKey: signer.VKey()}} })
}

// writeKey makes a signing key and keeps it.
func (d *Dir) writeKey(origin string) (*merkle.Signer, error) {
	signer, err := merkle.NewSigner(origin)
	if err != nil {
		return nil, err
	}
	return signer, d.putKey(signer)
}

// putKey keeps a signing key in its place.
func (d *Dir) putKey(signer *merkle.Signer) error {
	text, err := signer.MarshalText()
	if err != nil {
		return err
	}
	if err := d.fs.MkdirAll(filepath.Join(d.path, keysName), durable.DirMode); err != nil {
		return fmt.Errorf("make the folder of keys: %w", err)
	}
	if err := durable.WriteFile(d.fs, d.keyFile(signer.VKey()), text); err != nil {
		return fmt.Errorf("keep the signing key: %w", err)
	}
	return nil
}

func (d *Dir) readKey(vkey string) (*merkle.Signer, error) {
	return readKeyFile(d.fs, d.keyFile(vkey), vkey)
}

func readKeyFile(fsys durable.FS, name, vkey string) (*merkle.Signer, error) {
	text, err := durable.ReadFile(fsys, name, maxKeyFileBytes)
	if err != nil {
		return nil, err
	}
	var signer merkle.Signer
	if err := signer.UnmarshalText(text); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if signer.VKey() != vkey {
		return nil, fmt.Errorf("%s is another key than the one that the manifest names", name)
	}
	return &signer, nil
}

// checkKeyModes refuses a directory whose signing keys others than their owner may read or change: nobody could say
// afterwards whose signatures they made.
func checkKeyModes(path string) error {
	dir := filepath.Join(path, keysName)
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("signing keys: %w", err)
	}
	for _, n := range names {
		name := filepath.Join(dir, n.Name())
		info, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("signing keys: %w", err)
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			return fmt.Errorf("the signing key %s has mode %04o: others may have read it; find out why, then run chmod 600 %s and countersign key rotate", name, mode, name)
		}
	}
	return nil
}

// keyFile returns the file of a signing key: its id, the middle part of a vkey, is its name.
func (d *Dir) keyFile(vkey string) string {
	id := "none"
	if parts := strings.Split(vkey, "+"); len(parts) > 1 {
		id = filepath.Base(parts[1])
	}
	return filepath.Join(d.path, keysName, id+".key")
}

// GenerateKey gives a directory in which no trail was opened yet its origin and its first signing key, and
// returns the key's public part. An empty origin means one that is made up.
func (d *Dir) GenerateKey(origin string) (vkey string, err error) {
	if d.manifest.Origin != "" {
		return "", fmt.Errorf("%s has a key already: %s", d.path, d.manifest.Keys[len(d.manifest.Keys)-1].VKey)
	}
	if err := d.makeKey(origin); err != nil {
		return "", err
	}
	return d.manifest.Keys[0].VKey, nil
}

// Keys returns the public keys of the trail in a data directory, oldest first, and its present origin. Keys of an earlier
// name end where that name does. It reads the manifest alone and needs no lock.
func Keys(path string) (origin string, keys []KeyRange, err error) {
	m, err := readManifest(durable.OS(), path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, fmt.Errorf("%s is no data directory: it has no manifest", path)
	}
	if err != nil {
		return "", nil, err
	}
	if m.Origin == "" {
		return "", nil, fmt.Errorf("%s has no key yet: start the server once, or run key generate", path)
	}
	for i := range m.Keys {
		for j := range m.Keys[i+1:] {
			later := &m.Keys[i+1+j]
			if end := later.From - 1; later.Origin() != m.Keys[i].Origin() && m.Keys[i].Until != nil && *m.Keys[i].Until > end {
				m.Keys[i].Until = &end
			}
		}
	}
	return m.Origin, m.Keys, nil
}

// RotateKey makes a new signing key and records it. From the entry that says so on the new key signs, and for
// overlap further entries the old one beside it.
func (s *Store) RotateKey(ctx context.Context, overlap uint64) (KeyRange, error) {
	return s.changeKey(ctx, s.Origin(), func(from uint64) (until uint64) { return from + overlap })
}

// changeKey makes a new signing key for an origin and records it. The tree that holds the entry which says so is the
// first that it signs; until tells of that size how far the old key signs.
func (s *Store) changeKey(ctx context.Context, origin string, until func(from uint64) uint64) (KeyRange, error) {
	// A crash after this leaves a key file that nothing names.
	signer, err := s.dir.writeKey(origin)
	if err != nil {
		return KeyRange{}, err
	}
	r := &request{done: make(chan struct{}), fact: func(d *draft) (event.Entry, error) {
		from := d.next() + 1
		c := keyChange{Key: signer.VKey(), Previous: d.ring.newest().VKey, From: from, PreviousUntil: until(from)}
		statement, err := json.Marshal(c)
		if err != nil {
			return event.Entry{}, err
		}
		fact, err := event.NewFact(event.KindKey, string(statement))
		if err == nil {
			d.ring = d.ring.with(c, signer)
		}
		return fact, err
	}}
	if _, err := s.await(ctx, r); err != nil {
		return KeyRange{}, err
	}
	// A crash before this leaves a manifest without the key; the next start reads it from the entry.
	if err := s.dir.changeManifest(func(m *manifest) { m.Origin, m.Keys = s.Origin(), s.Keys() }); err != nil {
		return KeyRange{}, err
	}
	keys := s.Keys()
	return keys[slices.IndexFunc(keys, func(k KeyRange) bool { return k.VKey == signer.VKey() })], nil
}

// replayKey takes a key change that was recorded. The manifest knows it, unless a crash came between the two.
func (k *keyring) replay(d *Dir, e *event.Entry) (*keyring, error) {
	var c keyChange
	if err := json.Unmarshal([]byte(e.Statement), &c); err != nil {
		return nil, fmt.Errorf("the statement of a key change: %w", err)
	}
	if slices.ContainsFunc(k.history, func(r KeyRange) bool { return r.VKey == c.Key }) {
		return k, nil
	}
	signer, err := d.readKey(c.Key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // as with those that the manifest names
		return nil, err
	}
	return k.with(c, signer), nil
}

// Origin returns the name of the trail in its newest checkpoints.
func (s *Store) Origin() string { return s.snap.Load().ring.origin }

// Keys returns the public keys of the trail, oldest first.
func (s *Store) Keys() []KeyRange { return s.snap.Load().ring.history }
