package tlog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
)

// fetcher is tessera's, with the monitor's token in its own way.
func fetcher(t *testing.T, s *server) *client.HTTPFetcher {
	t.Helper()
	u, err := url.Parse(s.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	f, err := client.NewHTTPFetcher(u, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.SetAuthorizationHeader("Bearer " + token)
	return f
}

// TestTesseraTracksTheLog has tessera's client follow the log while it grows under a running server, and prove
// that it only grew.
func TestTesseraTracksTheLog(t *testing.T) {
	s := serve(t)
	v := s.verifier()
	s.send(1)
	s.published()
	f := fetcher(t, s)
	tracker, err := client.NewLogStateTracker(t.Context(), f.ReadTile, nil, v, origin, client.UnilateralConsensus(f.ReadCheckpoint))
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []int{300, 2000} {
		s.send(more)
		_, size := s.published()
		before := tracker.Latest().Size
		_, steps, _, err := tracker.Update(t.Context())
		if err != nil || tracker.Latest().Size < size || before >= size || len(steps) == 0 {
			t.Fatalf("from %d to %d with %d hashes: %v", before, tracker.Latest().Size, len(steps), err)
		}
	}
	at := tracker.Latest()
	builder, err := client.NewProofBuilder(t.Context(), at.Size, f.ReadTile)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []uint64{0, 1, 255, 256, at.Size - 1} {
		bundle, err := client.GetEntryBundle(t.Context(), f.ReadEntryBundle, i/layout.EntryBundleWidth, at.Size)
		if err != nil {
			t.Fatal(err)
		}
		path, err := builder.InclusionProof(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		leaf := rfc6962.DefaultHasher.HashLeaf(bundle.Entries[i%layout.EntryBundleWidth])
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, i, at.Size, leaf, path, at.Hash); err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
	}
	// Beyond the checkpoint there is nothing, and a stranger gets no entries.
	if _, err := f.ReadTile(t.Context(), 0, at.Size/layout.TileWidth+1, 1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a tile that is not there: %v", err)
	}
	if status, b := s.get(layout.EntriesPath(0, 1), ""); status != 401 {
		t.Errorf("entries without a token: %d %s", status, b)
	}
}

// TestTilesAreByteForByteTesseras makes the tiles of trees of several sizes from the log's entries, with tessera's
// layout and hashes of others' making, and holds each byte of the served ones to them.
func TestTilesAreByteForByteTesseras(t *testing.T) {
	s := serve(t)
	const most = 70_000
	s.send(most)
	s.restart()
	_, published := s.published()
	entries := readEntries(t, s, most)
	for _, size := range []uint64{1, 255, 256, 257, most} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			hashes := make([][]byte, size)
			tree := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
			for i := range hashes {
				hashes[i] = rfc6962.DefaultHasher.HashLeaf(entries[i])
				if err := tree.Append(hashes[i], nil); err != nil {
					t.Fatal(err)
				}
			}
			tiles := 0
			for level := uint64(0); len(hashes) > 0; level++ {
				var above [][]byte
				for first := 0; first < len(hashes); first += layout.TileWidth {
					nodes := hashes[first:min(first+layout.TileWidth, len(hashes))]
					index := uint64(first / layout.TileWidth)
					want, err := api.HashTile{Nodes: nodes}.MarshalText()
					if err != nil {
						t.Fatal(err)
					}
					path := layout.TilePath(level, index, layout.PartialTileSize(level, index, size))
					if status, got := s.get(path, ""); status != 200 || !bytes.Equal(got, want) {
						t.Fatalf("%s: %d, %d bytes, want %d others", path, status, len(got), len(want))
					}
					tiles++
					if len(nodes) == layout.TileWidth {
						above = append(above, fold(nodes))
					}
				}
				hashes = above
			}
			// 70,000 are the tiles that the specification counts: 273 full and one partial, one full and one partial, and one.
			if size == most && tiles != 274+2+1 {
				t.Errorf("%d tiles", tiles)
			}
			root, err := tree.GetRootHash(nil)
			if err != nil {
				t.Fatal(err)
			}
			consistent(t, s, size, root, published)
		})
	}
}

// readEntries reads n entries with tessera's bundles.
func readEntries(t *testing.T, s *server, n uint64) (entries [][]byte) {
	t.Helper()
	f := fetcher(t, s)
	for r := range layout.Range(0, n, n) {
		raw, err := f.ReadEntryBundle(t.Context(), r.Index, r.Partial)
		if err != nil {
			t.Fatal(err)
		}
		var b api.EntryBundle
		if err := b.UnmarshalText(raw); err != nil {
			t.Fatal(err)
		}
		if uint(len(b.Entries)) != r.First+r.N {
			t.Fatalf("bundle %d has %d entries, want %d", r.Index, len(b.Entries), r.N)
		}
		entries = append(entries, b.Entries[r.First:]...)
	}
	return entries
}

// fold returns the root over a full tile.
func fold(nodes [][]byte) []byte {
	if len(nodes) == 1 {
		return nodes[0]
	}
	half := len(nodes) / 2
	return rfc6962.DefaultHasher.HashChildren(fold(nodes[:half]), fold(nodes[half:]))
}

// consistent holds the published checkpoint to the root of a smaller tree, by the server's own proof.
func consistent(t *testing.T, s *server, size uint64, root []byte, published uint64) {
	t.Helper()
	_, b := s.get(fmt.Sprintf("api/v1/consistency?from=%d&to=%d&checkpoints=true", size, published), "")
	var c struct {
		Path         []string
		ToCheckpoint string `json:"to_checkpoint"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	var path [][]byte
	for _, h := range c.Path {
		path = append(path, decode(t, h))
	}
	newest := decode(t, strings.Split(c.ToCheckpoint, "\n")[2])
	if err := proof.VerifyConsistency(rfc6962.DefaultHasher, size, published, path, root, newest); err != nil {
		t.Errorf("from %d to %d: %v", size, published, err)
	}
}
