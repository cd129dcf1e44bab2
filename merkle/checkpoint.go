package merkle

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

const (
	maxNoteBytes      = 64 << 10
	maxNoteSignatures = 100 // as many as package note reads
)

var (
	// ErrUntrusted is wrapped when no given key of the origin signed a checkpoint.
	ErrUntrusted = errors.New("no given key has signed it")
	// ErrBadSignature is wrapped when a given key is named beside a signature that is not its own.
	ErrBadSignature = errors.New("the signature is not by the key that it names")
)

// Checkpoint states the size and root of the tree of an origin. The fields are read from Note and are claims until
// Verify.
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   Hash
	Note   []byte // the signed note as text, never changed
}

// body returns the text that is signed (tlog-checkpoint, "Note text").
func (c *Checkpoint) body() []byte {
	b := append([]byte(c.Origin), '\n')
	b = append(strconv.AppendUint(b, c.Size, 10), '\n')
	return append(base64.StdEncoding.AppendEncode(b, c.Root[:]), '\n')
}

// ParseCheckpoint reads a checkpoint in its one rendering and keeps note; it does not look whether the signatures
// are good. Extension lines are allowed, since they are signed, and mean nothing here.
func ParseCheckpoint(signed []byte) (Checkpoint, error) {
	c, err := parseCheckpoint(signed)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	return c, nil
}

func parseCheckpoint(signed []byte) (Checkpoint, error) {
	if len(signed) > maxNoteBytes {
		return Checkpoint{}, fmt.Errorf("%d bytes, the limit is %d", len(signed), maxNoteBytes)
	}
	if !utf8.Valid(signed) || bytes.ContainsFunc(signed, func(r rune) bool { return r < ' ' && r != '\n' }) {
		return Checkpoint{}, errors.New("a byte that is not UTF-8, or a control character")
	}
	text, signatures, ok := bytes.Cut(signed, []byte("\n\n"))
	if !ok {
		return Checkpoint{}, errors.New("no empty line before the signatures")
	}
	c := Checkpoint{Note: signed}
	if err := c.parseBody(append(text[:len(text):len(text)], '\n')); err != nil {
		return Checkpoint{}, err
	}
	return c, checkSignatureLines(string(signatures))
}

// parseBody reads text, which ends in a line feed and has no empty line but perhaps the first.
func (c *Checkpoint) parseBody(text []byte) error {
	lines := strings.SplitN(string(text), "\n", 4)
	if len(lines) < 4 {
		return errors.New("fewer than three lines before the signatures")
	}
	if err := CheckOrigin(lines[0]); err != nil {
		return err
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil || size > maxSize {
		return errors.New("the second line is not a tree size")
	}
	root, ok := decodeBase64(lines[2])
	if !ok || len(root) != len(c.Root) {
		return errors.New("the third line is not a root in base64")
	}
	c.Origin, c.Size, c.Root = lines[0], size, Hash(root)
	if size == 0 && c.Root != emptyRoot {
		return errors.New("the root is not that of an empty tree")
	}
	if !bytes.HasPrefix(text, c.body()) {
		return errors.New("the tree size is not in its plain decimal form")
	}
	return nil
}

// checkSignatureLines checks what follows the empty line. A key signs once: of a second signature it would be
// open which one counts, and package note would leave it unread.
func checkSignatureLines(lines string) error {
	if !strings.HasSuffix(lines, "\n") {
		return errors.New("no signature, or one that is cut")
	}
	type key struct {
		name string
		id   uint32
	}
	seen := map[key]bool{}
	for line := range strings.Lines(lines) {
		rest, ok := strings.CutPrefix(line[:len(line)-1], "— ")
		name, sig64, space := strings.Cut(rest, " ")
		sig, canonical := decodeBase64(sig64)
		if !ok || !space || !isKeyName(name) || !canonical || len(sig) < 5 {
			return fmt.Errorf("line %d of the signatures is none", len(seen)+1)
		}
		k := key{name, binary.BigEndian.Uint32(sig)}
		if seen[k] {
			return fmt.Errorf("two signatures of the key %s+%08x", k.name, k.id)
		}
		if len(seen) == maxNoteSignatures {
			return fmt.Errorf("more than %d signatures", maxNoteSignatures)
		}
		seen[k] = true
	}
	return nil
}

// Verify returns nil when a given key whose name is the origin signed the checkpoint and no signature of any given
// key is bad. Signatures of other keys mean nothing. One good key is enough while two sign side by side.
func (c Checkpoint) Verify(keys Keys) error {
	_, err := c.SignedBy(keys)
	return err
}

// SignedBy is Verify, and names the given keys of the origin that signed, as name+id.
func (c Checkpoint) SignedBy(keys Keys) ([]string, error) {
	read, err := ParseCheckpoint(c.Note)
	if err != nil {
		return nil, err
	}
	// Whoever fills the fields by hand must not have them taken for what was signed.
	if read.Origin != c.Origin || read.Size != c.Size || read.Root != c.Root {
		return nil, errors.New("checkpoint: its fields are not those of its note")
	}
	opened, err := note.Open(c.Note, note.VerifierList(keys.verifiers...))
	if bad := new(note.InvalidSignatureError); errors.As(err, &bad) {
		return nil, fmt.Errorf("checkpoint of %d entries: %w: %s+%08x", c.Size, ErrBadSignature, bad.Name, bad.Hash)
	}
	var signed []string
	if err == nil {
		for _, s := range opened.Sigs {
			if s.Name == c.Origin {
				signed = append(signed, fmt.Sprintf("%s+%08x", s.Name, s.Hash))
			}
		}
	}
	if len(signed) == 0 {
		return nil, fmt.Errorf("checkpoint of %s, %d entries: %w", c.Origin, c.Size, ErrUntrusted)
	}
	return signed, nil
}

// Sign makes a checkpoint with one signature of each signer, in their order. The caller has made durable what it
// states: once it is out, the trail can only go on from there.
func Sign(origin string, size uint64, root Hash, signers ...*Signer) (Checkpoint, error) {
	c := Checkpoint{Origin: origin, Size: size, Root: root}
	if size > maxSize || size == 0 && root != emptyRoot {
		return Checkpoint{}, fmt.Errorf("sign checkpoint: no tree has %d entries and this root", size)
	}
	if len(signers) == 0 {
		return Checkpoint{}, errors.New("sign checkpoint: no key")
	}
	var list []note.Signer
	for i, s := range signers {
		if s.Origin() != origin {
			return Checkpoint{}, fmt.Errorf("sign checkpoint: the key %s is not one of %s", s.vkey, origin)
		}
		for _, other := range signers[:i] {
			if other.vkey == s.vkey {
				return Checkpoint{}, fmt.Errorf("sign checkpoint: the key %s twice", s.vkey)
			}
		}
		list = append(list, s.signer)
	}
	signed, err := note.Sign(&note.Note{Text: string(c.body())}, list...)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("sign checkpoint: %w", err)
	}
	c.Note = signed
	return c, nil
}
