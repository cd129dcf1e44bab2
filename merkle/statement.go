package merkle

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"
)

// SignText signs a text that is no checkpoint, such as the one that stands for a pack's manifest: a note (C2SP
// signed-note) by the keys that sign checkpoints. What could be taken for a checkpoint is refused, so that no
// signature given here can ever vouch for a tree.
func SignText(text string, signers ...*Signer) ([]byte, error) {
	if len(signers) == 0 {
		return nil, errors.New("sign: no key")
	}
	var list []note.Signer
	for _, s := range signers {
		list = append(list, s.signer)
	}
	signed, err := note.Sign(&note.Note{Text: text}, list...)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if _, err := ParseCheckpoint(signed); err == nil {
		return nil, errors.New("sign: the text is that of a checkpoint")
	}
	return signed, nil
}

// OpenText returns the text of a note that a given key of the origin signed, and the keys that did, as name+id. A bad
// signature of any given key is an error, as it is for checkpoints.
func (k Keys) OpenText(origin string, signed []byte) (text string, by []string, err error) {
	if len(signed) > maxNoteBytes {
		return "", nil, fmt.Errorf("signed text: %d bytes, the limit is %d", len(signed), maxNoteBytes)
	}
	opened, err := note.Open(signed, note.VerifierList(k.verifiers...))
	if bad, ok := errors.AsType[*note.InvalidSignatureError](err); ok {
		return "", nil, fmt.Errorf("signed text: %w: %s+%08x", ErrBadSignature, bad.Name, bad.Hash)
	}
	if err == nil {
		for _, s := range opened.Sigs {
			if s.Name == origin {
				by = append(by, fmt.Sprintf("%s+%08x", s.Name, s.Hash))
			}
		}
	}
	if len(by) == 0 {
		return "", nil, fmt.Errorf("signed text of %s: %w", origin, ErrUntrusted)
	}
	slices.Sort(by)
	return opened.Text, by, nil
}
