package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"countersign/bundle"
	"countersign/client"
	"countersign/event"
	"countersign/merkle"
	"countersign/problem"
)

// keys are what an auditor was given.
func (tr trail) keys(tb testing.TB) merkle.Keys {
	tb.Helper()
	keys, err := merkle.ParseKeys([]byte(tr.Trail.Keys()[0].VKey))
	if err != nil {
		tb.Fatal(err)
	}
	return keys
}

// verify holds a proof to the keys and to what it must show.
func (tr trail) verify(tb testing.TB, proof []byte, seq uint64, id string) bundle.Proof {
	tb.Helper()
	p, err := bundle.ParseProofJSON(proof)
	if err == nil {
		err = p.Verify(tr.keys(tb))
	}
	if err != nil {
		tb.Fatalf("%v: %s", err, proof)
	}
	if e, err := p.Shown(); err != nil || e.ID != id || p.Index != seq {
		tb.Errorf("the proof of %d shows %q at %d, %v", seq, e.ID, p.Index, err)
	}
	return p
}

func TestReceiptOfOneEventIsAProof(t *testing.T) {
	tr := newTrail(t, nil)
	c := tr.client(t)
	for range 2 { // also when it was there before
		r, err := c.Append(t.Context(), []event.Event{one("a")})
		if err != nil {
			t.Fatal(err)
		}
		if p := tr.verify(t, r.Entries[0].Proof, r.Entries[0].Seq, "a"); string(p.Checkpoint.Note) != r.Checkpoint {
			t.Errorf("the receipt has the checkpoint %q, its proof %q", r.Checkpoint, p.Checkpoint.Note)
		}
	}
	r, err := c.Append(t.Context(), []event.Event{one("b"), one("c")})
	if err != nil || r.Entries != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	checkpoint, err := merkle.ParseCheckpoint([]byte(r.Checkpoint))
	if err != nil || checkpoint.Verify(tr.keys(t)) != nil || checkpoint.Size <= *r.LastSeq {
		t.Errorf("checkpoint %q, %v", r.Checkpoint, err)
	}
}

func TestWriterBringsProofsWhenItIsAskedTo(t *testing.T) {
	tr := newTrail(t, nil)
	for _, proofs := range []bool{false, true} {
		var l ledger
		w := newWriter(t, tr.client(t), l.options(client.WriterOptions{Proofs: proofs}))
		const n = 300
		for i := range n {
			if err := w.Add(t.Context(), one(fmt.Sprint(proofs, i))); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(l.recorded) != n {
			t.Fatalf("%d are recorded", len(l.recorded))
		}
		for _, d := range l.recorded {
			if (d.Proof != nil) != proofs {
				t.Fatalf("proof %s", d.Proof)
			}
			if proofs {
				tr.verify(t, d.Proof, d.Seq, d.Event.ID)
			}
		}
	}
	c := tr.client(t)
	for _, o := range []client.WriterOptions{{Proofs: true, BatchEvents: 2001}, {Proofs: true, BatchBytes: 5 << 20}} {
		if _, err := c.NewWriter(o); err == nil || !strings.Contains(err.Error(), "must be from 1 to") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestProofIsWaitedForUntilItIsPublished(t *testing.T) {
	tr := newTrail(t, nil)
	c := tr.client(t)
	r, err := c.Append(t.Context(), []event.Event{one("a")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Trail.PublishNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := c.Proof(t.Context(), *r.FirstSeq)
	if err != nil {
		t.Fatal(err)
	}
	tr.verify(t, got, *r.FirstSeq, "a")
	if _, err := c.Proof(t.Context(), 1<<40); problem.KindOf(err) != problem.NotFound {
		t.Errorf("an entry that is not there: %v", err)
	}

	asked := 0
	slow := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if asked++; r.URL.Path != "/api/v1/events/7/proof" {
			t.Errorf("asked for %s", r.URL)
		}
		if asked < 2 {
			w.Header().Set("Retry-After", "1")
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"detail":"not yet"}`)
			return
		}
		w.Write(got)
	})
	if again, err := slow.Proof(t.Context(), 7); err != nil || string(again) != string(got) || asked != 2 {
		t.Errorf("asked %d times: %v", asked, err)
	}
	asked = 0
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := slow.Proof(ctx, 7); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a wait that is given up: %v", err)
	}
}
