package tlog_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func policy(v note.Verifier) torchwood.Policy {
	return torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(origin), torchwood.SingleVerifierPolicy(v))
}

// tree is what a checkpoint says of the log, once it is verified.
func tree(t *testing.T, signed []byte, v note.Verifier) tlog.Tree {
	t.Helper()
	c, n, err := torchwood.VerifyCheckpoint(signed, policy(v))
	if err != nil {
		t.Fatalf("%v: %s", err, signed)
	}
	if c.Origin != origin || len(n.UnverifiedSigs) != 0 {
		t.Errorf("checkpoint %+v with signatures %v beside", c, n.UnverifiedSigs)
	}
	return c.Tree
}

// TestTorchwoodFollowsTheLog has torchwood's client read every entry as the log grows, from where it was to where the
// log is. It authenticates each tile and entry against the signed tree.
func TestTorchwoodFollowsTheLog(t *testing.T) {
	s := serve(t)
	v := s.verifier()
	var before tlog.Tree
	read, facts := int64(0), 0
	for _, more := range []int{0, 1, 254, 1, 1, 600} {
		s.send(more)
		s.restart()
		signed, _ := s.published()
		now := tree(t, signed, v)
		fetcher, err := torchwood.NewTileFetcher(s.url, torchwood.WithHTTPClient(monitor))
		if err != nil {
			t.Fatal(err)
		}
		if before.N > 0 {
			proof, err := tlog.ProveTree(now.N, before.N, torchwood.TileHashReaderWithContext(t.Context(), now, fetcher))
			if err != nil {
				t.Fatal(err)
			}
			if err := tlog.CheckTree(proof, now.N, now.Hash, before.N, before.Hash); err != nil {
				t.Errorf("from %d to %d: %v", before.N, now.N, err)
			}
		}
		client, err := torchwood.NewClient(fetcher)
		if err != nil {
			t.Fatal(err)
		}
		for i, entry := range client.AllEntries(t.Context(), now, read) {
			if i != read {
				t.Fatalf("entry %d after %d", i, read-1)
			}
			read++
			if len(entry) < 54 || string(entry[:21]) != "countersign/entry/v1\n" {
				t.Fatalf("entry %d is %q", i, entry)
			}
			if entry[21] != 0 {
				facts++
			}
		}
		if err := client.Err(); err != nil || read != now.N {
			t.Fatalf("read %d of %d: %v", read, now.N, err)
		}
		for _, i := range []int64{0, now.N / 2, now.N - 1} {
			if _, _, err := client.Entry(t.Context(), now, i); err != nil {
				t.Errorf("entry %d of %d: %v", i, now.N, err)
			}
		}
		before = now
	}
	if facts != 0 {
		t.Errorf("%d system facts, and nothing happened that is one", facts)
	}
}

// The text of a proof is C2SP tlog-proof, with what the leaf is the hash of in front of the extra data.
func TestTorchwoodVerifiesProofs(t *testing.T) {
	s := serve(t)
	v := s.verifier()
	s.send(300)
	s.restart()
	_, size := s.published()
	for _, seq := range []uint64{0, 1, 255, 256, size - 1} {
		status, text := s.get(fmt.Sprintf("api/v1/events/%d/proof?format=text", seq), token)
		if status != 200 {
			t.Fatalf("entry %d: %d %s", seq, status, text)
		}
		extra, err := torchwood.ProofExtraData(text)
		if err != nil {
			t.Fatal(err)
		}
		leaf := tlog.RecordHash(extra[2:][:binary.BigEndian.Uint16(extra)])
		if err := torchwood.VerifyProof(policy(v), leaf, text); err != nil {
			t.Errorf("entry %d: %v", seq, err)
		}
		leaf[0] ^= 1
		if err := torchwood.VerifyProof(policy(v), leaf, text); err == nil {
			t.Errorf("entry %d: another leaf is proven too", seq)
		}
	}
}

// An acknowledgement is a proof under the checkpoint of its batch, which the published ones go on from.
func TestAcknowledgementIsProofToTorchwood(t *testing.T) {
	s := serve(t)
	v := s.verifier()
	s.send(260)
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/api/v1/events",
		strings.NewReader(`{"id":"one","occurred_at":"2026-01-15T10:30:00Z","action":"LOGIN","resource":{"type":"USER"},"source":"example/app"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	status, answer := s.do(req, token)
	var receipt struct {
		Checkpoint string
		Entries    []struct {
			Proof struct {
				Entry, Opening, Checkpoint string
				Index                      int64
				Path                       []string
			}
		}
	}
	if err := json.Unmarshal(answer, &receipt); err != nil || status != http.StatusCreated {
		t.Fatalf("%d %v: %s", status, err, answer)
	}
	p := receipt.Entries[0].Proof
	batch := tree(t, []byte(receipt.Checkpoint), v)
	if p.Checkpoint != receipt.Checkpoint || len(p.Path) == 0 {
		t.Errorf("the proof is of another checkpoint: %s", answer)
	}
	var path tlog.RecordProof
	for _, h := range p.Path {
		path = append(path, tlog.Hash(decode(t, h)))
	}
	if err := tlog.CheckRecord(path, batch.N, batch.Hash, p.Index, tlog.RecordHash(decode(t, p.Entry))); err != nil {
		t.Error(err)
	}
	s.sent++
	s.restart()
	signed, _ := s.published()
	now := tree(t, signed, v)
	fetcher, err := torchwood.NewTileFetcher(s.url)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := tlog.ProveTree(now.N, batch.N, torchwood.TileHashReaderWithContext(t.Context(), now, fetcher))
	if err != nil {
		t.Fatal(err)
	}
	if err := tlog.CheckTree(proof, now.N, now.Hash, batch.N, batch.Hash); err != nil {
		t.Error(err)
	}
}

func decode(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
