package native

import (
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"countersign/bundle"
	"countersign/event"
	"countersign/identity"
	"countersign/merkle"
	"countersign/problem"
	"countersign/query"
	"countersign/store"
)

// checkpointHeader tells what the newest published checkpoint is, so that whoever keeps answers keeps that too.
const checkpointHeader = "X-Countersign-Checkpoint"

// erasureMark counts the erasures that were carried out. There is none to carry out yet.
const erasureMark = 0

// setCheckpoint sets checkpointHeader, a dictionary of RFC 9651.
func (h *Handler) setCheckpoint(header http.Header) {
	if c, published := h.trail.Published(); published {
		header.Set(checkpointHeader, fmt.Sprintf("tree_size=%d, root=:%s:, erasure_mark=%d", c.Size, base64.StdEncoding.EncodeToString(c.Root[:]), erasureMark))
	}
}

// proof answers GET /api/v1/events/{seq}/proof. It is that of the first published checkpoint that holds the entry,
// so the same one for ever.
func (h *Handler) proof(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
	ps, err := parseParams(r.URL.RawQuery, "format")
	if err != nil {
		return err
	}
	text, err := ps.proofText(r.Header)
	if err != nil {
		return err
	}
	seq, err := seqOf(r)
	if err != nil {
		return err
	}
	e, size, err := h.entry(r.Context(), c, identity.ExportTrail, seq)
	if err != nil {
		return err
	}
	checkpoint, published, err := h.trail.PublishedFor(seq)
	if err != nil {
		return err
	}
	if !published {
		return unpublished("seq", "the entry is recorded and not under a published checkpoint yet: it will be within 10 seconds")
	}
	p, err := h.prove(e, checkpoint, nil)
	if err != nil {
		return err
	}
	w.Header().Add("Vary", "Accept")
	w.Header().Set(asOfHeader, strconv.FormatUint(size, 10))
	if text {
		writeBytes(w, "text/plain; charset=utf-8", p.Text())
		return nil
	}
	writeBytes(w, "application/json", append(p.JSON(), '\n'))
	return nil
}

// proofText tells whether a proof is wanted as text: the parameter says so, or else the client names plain text and
// likes it better than JSON.
func (ps params) proofText(header http.Header) (bool, error) {
	switch format, given := ps["format"]; {
	case format == "json", format == "text":
		return format == "text", nil
	case given:
		return false, problem.Bad("format", format, "must be json or text")
	}
	w := weights(header.Values("Accept"))
	return w["text/plain"] > w["application/json"], nil
}

// seqOf reads {seq}.
func seqOf(r *http.Request) (uint64, error) {
	text := r.PathValue("seq")
	seq, ok := wholeNumber(text)
	if !ok {
		return 0, problem.Bad("seq", text, "must be a whole number from 0 to %d", uint64(math.MaxUint64))
	}
	if seq > math.MaxInt64 { // more than any trail has, and than a Range can say
		return 0, errNoEvent()
	}
	return seq, nil
}

// entry returns an entry that the caller may do p with, and the tree size that it was looked for in. System facts
// belong to no account: they are for those who may do p everywhere, and for monitors, whom the tiles show them too.
func (h *Handler) entry(ctx context.Context, c identity.Caller, p identity.Permission, seq uint64) (*event.Entry, uint64, error) {
	if c.MayServer(p) || c.MayServer(identity.ReadTiles) {
		size := h.trail.Size()
		e, err := h.trail.Fact(ctx, seq)
		if e != nil || err != nil {
			return e, size, err
		}
	}
	filter, err := c.Restrict(p, query.Range{Field: query.Seq, Min: int64(seq), Max: int64(seq)})
	if err != nil {
		return nil, 0, err
	}
	page, err := h.trail.Search(ctx, query.Query{Filter: filter, Limit: 1})
	if err != nil {
		return nil, 0, err
	}
	if len(page.Entries) == 0 {
		return nil, 0, errNoEvent()
	}
	return page.Entries[0], page.TreeSize, nil
}

// prove makes the proof of an entry under a checkpoint that holds it, opened but for the fields that are hidden.
func (h *Handler) prove(e *event.Entry, c merkle.Checkpoint, hidden func(field byte) bool) (p bundle.Proof, err error) {
	seed, ok := h.trail.Seed(e.Seq)
	if !ok {
		return p, fmt.Errorf("prove entry %d: there is no seed", e.Seq)
	}
	p = bundle.Proof{Opening: event.Open(seed, e), Index: e.Seq, Checkpoint: c}
	if hidden != nil {
		p.Opening = event.OpenPart(seed, e, func(field byte) bool { return !hidden(field) })
	}
	if p.Entry, err = h.trail.EntryBytes(e.Seq); err != nil {
		return p, fmt.Errorf("prove entry %d: %w", e.Seq, err)
	}
	if p.Path, err = h.trail.Inclusion(e.Seq, c.Size); err != nil {
		return p, fmt.Errorf("prove entry %d: %w", e.Seq, err)
	}
	return p, nil
}

// proveReceipt makes the proof of the i-th event of a receipt for its sender, under the checkpoint of its batch.
// Who sent a duplicate is not told who sent the first.
func (h *Handler) proveReceipt(ctx context.Context, r *store.Receipt, i int, sender string) (bundle.Proof, error) {
	e, err := h.trail.Acknowledged(ctx, r, i)
	if err != nil {
		return bundle.Proof{}, err
	}
	var hidden func(byte) bool
	if e.RecordedBy.Value != sender {
		hidden = func(field byte) bool { return field == event.FieldRecordedBy }
	}
	return h.prove(e, r.Checkpoint, hidden)
}

// appendNote appends a checkpoint as JSON text, null for none. A note is UTF-8, so quoting it cannot fail.
func appendNote(b, note []byte) []byte {
	if note == nil {
		return append(b, "null"...)
	}
	b, _ = jsontext.AppendQuote(b, note)
	return b
}
