package native

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

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
	ps, err := parseParams(r.URL.RawQuery, "proof")
	if err != nil {
		return err
	}
	proof, err := ps.flag("proof")
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
	writeReceipt(w, &receipt, proof || len(events) == 1)
	return nil
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
// null.
func writeReceipt(w http.ResponseWriter, r *store.Receipt, withEntries bool) {
	b := append(make([]byte, 0, 256), `{"accepted":`...)
	b = strconv.AppendInt(b, int64(r.Accepted), 10)
	b = append(b, `,"duplicates":`...)
	b = strconv.AppendInt(b, int64(r.Duplicates), 10)
	if r.Accepted > 0 {
		b = append(b, `,"first_seq":`...)
		b = strconv.AppendUint(b, r.FirstSeq, 10)
		b = append(b, `,"last_seq":`...)
		b = strconv.AppendUint(b, r.LastSeq, 10)
	} else {
		b = append(b, `,"first_seq":null,"last_seq":null`...)
	}
	if withEntries {
		b = append(b, `,"entries":[`...)
		for i := range r.Entries {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"id":`...)
			b, _ = jsontext.AppendQuote(b, r.Entries[i].ID) // fails on invalid UTF-8 only, which no recorded id is
			b = append(b, `,"seq":`...)
			b = strconv.AppendUint(b, r.Entries[i].Seq, 10)
			b = append(b, `,"duplicate":`...)
			b = strconv.AppendBool(b, r.Entries[i].Duplicate)
			b = append(b, '}')
		}
		b = append(b, ']')
	}
	b = append(b, "}\n"...)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(http.StatusCreated)
	w.Write(b)
}
