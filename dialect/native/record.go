package native

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"countersign/event"
	"countersign/identity"
	"countersign/problem"
	"countersign/store"
)

// Ingest is what a request sent and what became of it.
type Ingest struct {
	Bytes  int64 // decompressed, as far as they were read
	Events int   // as far as they were read
	// Accepted and Duplicates add up to Events when the request was recorded.
	Accepted, Duplicates int
	// Problem is the last part of the type of the problem that it was refused with, "" when it was recorded.
	Problem string
}

// record answers POST /api/v1/events: all the events of the body are recorded, or none.
func (h *Handler) record(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
	var in Ingest
	err := h.ingest(w, r, c, &in)
	if err != nil {
		in.Problem = problemName(err)
	}
	if h.ingested != nil {
		h.ingested(in)
	}
	return err
}

func (h *Handler) ingest(w http.ResponseWriter, r *http.Request, c identity.Caller, in *Ingest) error {
	ps, err := parseParams(r.URL.RawQuery, "proof", "entries")
	if err != nil {
		return err
	}
	told, err := ps.told()
	if err != nil {
		return err
	}
	form, err := ingestForm(r.Header)
	if err != nil {
		return err
	}
	body, err := h.newIngestBody(w, r)
	if err != nil {
		return err
	}
	defer body.release()
	events, err := readEvents(body, form, c)
	in.Bytes, in.Events = body.bytes, len(events)
	if err != nil {
		return err
	}
	receipt, err := h.trail.Append(r.Context(), events, c.UserID)
	if err != nil {
		return err
	}
	in.Accepted, in.Duplicates = receipt.Accepted, receipt.Duplicates
	body.release() // the answer may be taken slowly
	h.writeReceipt(w, r, c, &receipt, told)
	return nil
}

// told is what a request wants to be told of each of its events.
type told struct{ entries, proofs, unsaid bool }

// told reads proof and entries.
func (ps params) told() (t told, err error) {
	if t.proofs, err = ps.flag("proof"); err != nil {
		return t, err
	}
	t.entries, err = ps.flag("entries")
	t.unsaid = ps["proof"] == ""
	return t, err
}

// of settles it for n events: one event is told of, and proven unless the request says no.
func (t told) of(n int) (entries, proofs bool) {
	proofs = t.proofs || n == 1 && t.unsaid
	return t.entries || proofs || n == 1, proofs
}

// ingestForm tells from the content type how the body is to be read.
func ingestForm(header http.Header) (event.Form, error) {
	switch mediaType(header) {
	case "application/json":
		return event.Auto, nil
	case "application/x-ndjson":
		return event.Lines, nil
	}
	return 0, &refusal{unsupportedMedia, fmt.Sprintf("content type %q is not known: send application/json or application/x-ndjson in UTF-8", cut(header.Get("Content-Type")))}
}

// mediaType returns the content type without parameters, "" for one that is broken or not in UTF-8.
func mediaType(header http.Header) string {
	media, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if charset := params["charset"]; err != nil || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return ""
	}
	return media
}

// readEvents decodes the whole body and checks each event as soon as it is complete, so that a refused
// one costs no more than what came before it. With an error it returns those before.
func readEvents(body *ingestBody, form event.Form, c identity.Caller) ([]event.Event, error) {
	var (
		events  []event.Event
		allowed scope
		d       = event.NewDecoder(body, form)
	)
	for {
		e, err := d.Next()
		if body.err != nil {
			return events, body.err
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return events, err
		}
		if err := check(&e, c, &allowed); err != nil {
			return events, at(len(events), err)
		}
		if !body.charge(eventOverhead) {
			return events, errMemory()
		}
		if len(events) == cap(events) {
			events = slices.Grow(events, body.more(len(events)))
		}
		events = append(events, e)
	}
	if len(events) == 0 {
		return nil, problem.Bad("body", "", "holds no event")
	}
	return events, nil
}

// scope is the account and source that the caller was last allowed to write: most requests have one.
type scope struct{ account, source string }

// check makes e ready to be recorded, or says why it is not.
func check(e *event.Event, c identity.Caller, allowed *scope) error {
	e.Normalize(c.PrimaryAccount)
	if err := e.Validate(); err != nil {
		return err
	}
	if s := (scope{e.Account.ID, e.Source}); s != *allowed {
		if err := c.MayWrite(s.account, s.source); err != nil {
			return err
		}
		*allowed = s
	}
	return nil
}

// at names the event that err is about.
func at(index int, err error) error {
	if inv, ok := errors.AsType[*event.InvalidError](err); ok {
		named := *inv
		named.Index = index
		return &named
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		named := *p
		named.Event = index + 1
		return &named
	}
	return fmt.Errorf("event %d: %w", index, err)
}

// writeReceipt answers 201, also when every event was recorded before: then first_seq and last_seq are
// null. Proofs take more room than events, so they are made while the answer is sent.
func (h *Handler) writeReceipt(w http.ResponseWriter, r *http.Request, c identity.Caller, rec *store.Receipt, told told) {
	entries, proofs := told.of(len(rec.Entries))
	out := pieces{w: &answerBody{w: w, status: http.StatusCreated}}
	out.number(`{"accepted":`, uint64(rec.Accepted))
	out.number(`,"duplicates":`, uint64(rec.Duplicates))
	if rec.Accepted > 0 {
		out.number(`,"first_seq":`, rec.FirstSeq)
		out.number(`,"last_seq":`, rec.LastSeq)
	} else {
		out.raw(`,"first_seq":null,"last_seq":null`)
	}
	out.raw(`,"checkpoint":`)
	out.b = appendNote(out.b, rec.Checkpoint.Note)
	w.Header().Set("Content-Type", "application/json")
	if entries {
		out.raw(`,"entries":[`)
		for i := range rec.Entries {
			if i > 0 {
				out.raw(",")
			}
			out.text(`{"id":`, rec.Entries[i].ID)
			out.number(`,"seq":`, rec.Entries[i].Seq)
			out.b = strconv.AppendBool(append(out.b, `,"duplicate":`...), rec.Entries[i].Duplicate)
			if proofs {
				out.b = h.appendProof(append(out.b, `,"proof":`...), w, r, c, rec, i)
			}
			out.raw("}")
		}
		out.raw("]")
	}
	out.raw("}\n")
	if !out.w.sent {
		w.Header().Set("Content-Length", strconv.Itoa(len(out.b)))
	}
	out.close()
}

// appendProof appends the proof of the i-th event of a receipt. The event is recorded whatever becomes of this, so one
// that cannot be proven now is told of all the same, with null.
func (h *Handler) appendProof(b []byte, w http.ResponseWriter, r *http.Request, c identity.Caller, rec *store.Receipt, i int) []byte {
	p, err := h.proveReceipt(r.Context(), rec, i, c.UserID)
	if err != nil {
		h.log.Error("an acknowledgement has no proof", "request_id", w.Header().Get("X-Request-Id"), "error", err)
		return append(b, "null"...)
	}
	return append(b, p.JSON()...)
}
