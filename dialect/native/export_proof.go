package native

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"countersign/bundle"
	"countersign/event"
	"countersign/identity"
	"countersign/problem"
	"countersign/query"
)

// proofHeader says what an export with proof is of, and sets q to be answered at its tree size: that of a
// checkpoint which is published now, unless as_of names a smaller one.
func (h *Handler) proofHeader(ctx context.Context, ps params, c identity.Caller, q *query.Query) (bundle.ExportHeader, error) {
	var none bundle.ExportHeader
	if _, ok := ps["after"]; ok {
		return none, problem.Bad("after", ps["after"], "goes without proof: an export with proof that broke off begins anew")
	}
	if q.Sort.Field.Kind() == query.NoKind && q.Sort.Field != "" {
		return none, problem.Bad("sort", ps["sort"], "is not an order that an export can state")
	}
	if *q.AsOf == 0 {
		return none, problem.Bad("proof", "true", "needs an entry: there is no checkpoint of an empty trail")
	}
	scope, err := c.Restrict(identity.ExportTrail, nil)
	if err != nil {
		return none, err
	}
	checkpoint, published := h.trail.Published()
	if _, ok := ps["as_of"]; !ok || !published || *q.AsOf > checkpoint.Size {
		if checkpoint, err = h.trail.PublishNow(ctx); err != nil {
			return none, err
		}
	}
	if _, ok := ps["as_of"]; !ok {
		q.AsOf = &checkpoint.Size
	}
	return bundle.ExportHeader{
		Query: query.Normalize(q.Filter), Scope: query.Normalize(scope), Sort: q.Sort, TreeSize: *q.AsOf, Checkpoint: checkpoint,
	}, nil
}

// exportProof answers an export with proof.
func (h *Handler) exportProof(w http.ResponseWriter, r *http.Request, ps params, c identity.Caller, q query.Query) error {
	head, err := h.proofHeader(r.Context(), ps, c, &q)
	if err != nil {
		return err
	}
	if q.Filter, err = c.Restrict(identity.ExportTrail, q.Filter); err != nil {
		return err
	}
	contentType := ndjsonForm.contentType
	if head.Format = bundle.NDJSON; ps["format"] == "csv" {
		head.Format, contentType = bundle.CSV, csvForm(false).contentType
		head.Guard = ps["guard"] != "false"
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set(asOfHeader, strconv.FormatUint(head.TreeSize, 10))
	w.Header().Set("Trailer", completeHeader)
	body := h.body(w, r)
	out := &noted{w: body}
	x, err := bundle.NewExportWriter(out, head)
	if err != nil {
		// The only thing that a request can do about a header that cannot be made is to ask for less.
		return h.exportFailed(w, r, out.begun, 0, problem.Bad("proof", "true", "is not possible: %v", err))
	}
	p := prover{h: h, ctx: r.Context(), x: x}
	if err = p.rows(&head, q); err == nil {
		err = x.Finish(h.trail.Multi)
	}
	if err == nil {
		err = body.Close()
	}
	if err != nil {
		return h.exportFailed(w, r, out.begun, x.Count(), err)
	}
	w.Header().Set(completeHeader, fmt.Sprintf("count=%d, tree_size=%d", x.Count(), head.TreeSize))
	return nil
}

// noted remembers whether anything was sent.
type noted struct {
	w     io.Writer
	begun bool
}

func (n *noted) Write(b []byte) (int, error) {
	n.begun = true
	return n.w.Write(b)
}

// prover adds what proves them to rows.
type prover struct {
	h   *Handler
	ctx context.Context
	x   *bundle.ExportWriter
	row bundle.Row
}

// rows writes all rows: what the query finds, and in a plain range of the trail the system facts too, which no
// query finds.
func (p *prover) rows(head *bundle.ExportHeader, q query.Query) error {
	from, to, plain := head.Range()
	if !plain {
		_, err := p.h.trail.Each(p.ctx, q, p.entry)
		return err
	}
	// Between two events of a plain range there are facts only.
	next, last := from, to
	_, err := p.h.trail.Each(p.ctx, q, func(e *event.Entry) error {
		var err error
		if q.Sort.Desc {
			err = p.factsDown(e.Seq+1, last)
			last = e.Seq
		} else {
			err = p.facts(next, e.Seq)
			next = e.Seq + 1
		}
		if err != nil {
			return err
		}
		return p.entry(e)
	})
	switch {
	case err != nil:
		return err
	case q.Sort.Desc:
		return p.factsDown(from, last)
	}
	return p.facts(next, to)
}

// facts writes the system facts [from, to).
func (p *prover) facts(from, to uint64) error {
	for seq := from; seq < to; seq++ {
		if err := p.fact(seq); err != nil {
			return err
		}
	}
	return nil
}

// factsDown writes the system facts [from, to), the last one first.
func (p *prover) factsDown(from, to uint64) error {
	for seq := to; seq > from; seq-- {
		if err := p.fact(seq - 1); err != nil {
			return err
		}
	}
	return nil
}

func (p *prover) fact(seq uint64) error {
	e, err := p.h.trail.Fact(p.ctx, seq)
	if err == nil && e == nil {
		err = fmt.Errorf("entry %d is neither found by everything nor a system fact", seq)
	}
	if err != nil {
		return err
	}
	return p.entry(e)
}

func (p *prover) entry(e *event.Entry) error {
	seed, ok := p.h.trail.Seed(e.Seq)
	if !ok {
		return errors.New("an entry without a seed")
	}
	b, err := p.h.trail.EntryBytes(e.Seq)
	if err != nil {
		return err
	}
	p.row = bundle.Row{Entry: *e, Seed: seed, Leaf: event.LeafHash(b)}
	return p.x.Row(&p.row)
}
