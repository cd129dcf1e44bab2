package keyfactor

import (
	"encoding/base64"
	"fmt"

	"countersign/bundle"
	"countersign/event"
)

// signature returns what stands where the vendor has its signature: the proof that the entry is in the trail,
// pinned to the first published checkpoint that holds it and opened to its three hashes only, so that it is
// the same for every reader and at every read, and holds no value. It is null until that checkpoint is
// published.
func (h *Handler) signature(e *event.Entry) (event.Text, error) {
	p, ok, err := h.prove(e)
	switch {
	case err != nil:
		return event.Text{}, fmt.Errorf("sign entry %d: %w", e.Seq, err)
	case !ok:
		return event.Text{}, nil
	}
	return event.TextOf(base64.StdEncoding.EncodeToString(p.Text())), nil
}

func (h *Handler) prove(e *event.Entry) (p bundle.Proof, ok bool, err error) {
	checkpoint, ok, err := h.trail.PublishedFor(e.Seq)
	if err != nil || !ok {
		return bundle.Proof{}, false, err
	}
	seed, ok := h.trail.Seed(e.Seq)
	if !ok {
		return bundle.Proof{}, false, nil
	}
	entry, err := h.trail.EntryBytes(e.Seq)
	if err != nil {
		return bundle.Proof{}, false, err
	}
	path, err := h.trail.Inclusion(e.Seq, checkpoint.Size)
	if err != nil {
		return bundle.Proof{}, false, err
	}
	return bundle.Proof{Entry: entry, Opening: event.OpenHashes(seed, e), Index: e.Seq, Path: path, Checkpoint: checkpoint}, true, nil
}
