package native

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"countersign/bundle"
	"countersign/identity"
	"countersign/merkle"
	"countersign/problem"
)

// What this file answers is the log as C2SP tlog-tiles has it, for monitors and mirrors of others' making, and
// the consistency of two of its sizes. It shows how many entries there are and when, and nothing of what they say.

const (
	// checkpointAge is how long a cache may keep the checkpoint: the next one is due 10 seconds after it at the
	// earliest (tlog-tiles: not beyond a few seconds).
	checkpointAge = 5 * time.Second
	// A full tile is the same for ever. So are the hashes of one that is not, but a cache need not keep it: the
	// full one takes its place.
	fullAge = 365 * 24 * time.Hour
	partAge = time.Hour

	// publishedWithin is when an entry that is acknowledged is under a published checkpoint at the latest.
	publishedWithin = 10 * time.Second
)

// public routes the pattern to answer, whoever calls.
func (h *Handler) public(pattern string, answer func(w http.ResponseWriter, r *http.Request) error) {
	h.open(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := answer(w, r); err != nil {
			h.Refuse(w, r, err)
		}
	})
}

func (h *Handler) tiles(openEntries bool) {
	h.public("GET /checkpoint", h.checkpoint)
	h.public("GET /tile/{level}/{index...}", h.hashTile)
	const entries = "GET /tile/entries/{index...}"
	if openEntries {
		h.public(entries, func(w http.ResponseWriter, r *http.Request) error { return h.entriesTile(w, r, "public") })
		return
	}
	h.handle(entries, func(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
		if !c.MayServer(identity.ReadTiles) {
			return problem.New(problem.Denied, "the caller may not %s", identity.ReadTiles)
		}
		return h.entriesTile(w, r, "private")
	})
}

// checkpoint answers GET /checkpoint: the newest published checkpoint as a signed note.
func (h *Handler) checkpoint(w http.ResponseWriter, r *http.Request) error {
	if _, err := parseParams(r.URL.RawQuery); err != nil {
		return err
	}
	c, published := h.trail.Published()
	if !published {
		return unpublished("", "the trail has no published checkpoint yet")
	}
	cacheable(w.Header(), "public", checkpointAge)
	writeBytes(w, "text/plain; charset=utf-8", c.Note)
	return nil
}

func (h *Handler) hashTile(w http.ResponseWriter, r *http.Request) error {
	t, err := tileOf(r)
	if err != nil {
		return err
	}
	b, err := h.trail.HashTile(t.Level, t.Index, t.Width)
	if err != nil {
		return err
	}
	writeTile(w, t, "public", b)
	return nil
}

func (h *Handler) entriesTile(w http.ResponseWriter, r *http.Request, who string) error {
	t, err := tileOf(r)
	if err != nil {
		return err
	}
	b, err := h.trail.EntriesTile(t.Index, t.Width)
	if err != nil {
		return err
	}
	writeTile(w, t, who, b)
	return nil
}

// tileOf reads the path in its one rendering: what is escaped is another.
func tileOf(r *http.Request) (merkle.Tile, error) {
	if _, err := parseParams(r.URL.RawQuery); err != nil {
		return merkle.Tile{}, err
	}
	t, err := merkle.ParseTilePath(strings.TrimPrefix(r.URL.EscapedPath(), "/"))
	if err != nil {
		return t, &problem.Error{Kind: problem.NotFound, Detail: "this is not the path of a tile: /tile/{level or entries}/{index}[.p/{width}], such as /tile/0/x001/234.p/7", Cause: err}
	}
	return t, nil
}

func writeTile(w http.ResponseWriter, t merkle.Tile, who string, b []byte) {
	if t.Width == merkle.TileWidth {
		cacheable(w.Header(), who, fullAge)
	} else {
		cacheable(w.Header(), who, partAge)
	}
	writeBytes(w, "application/octet-stream", b)
}

// cacheable lets caches keep an answer; who is public or private.
func cacheable(header http.Header, who string, age time.Duration) {
	text := who + ", max-age=" + strconv.Itoa(int(age/time.Second))
	if age == fullAge {
		text += ", immutable"
	}
	header.Set("Cache-Control", text)
}

func writeBytes(w http.ResponseWriter, contentType string, b []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.Write(b)
}

// unpublished is the answer to what will be there in a moment.
func unpublished(field, detail string) error {
	return &problem.Error{Kind: problem.NotFound, Field: field, Detail: detail, RetryAfter: publishedWithin}
}

// consistency answers GET /api/v1/consistency: that the trail of to entries begins with that of from. Anybody can
// compute it from the tiles, so anybody may have it.
func (h *Handler) consistency(w http.ResponseWriter, r *http.Request) error {
	ps, err := parseParams(r.URL.RawQuery, "from", "to", "checkpoints")
	if err != nil {
		return err
	}
	withCheckpoints, err := ps.flag("checkpoints")
	if err != nil {
		return err
	}
	c, err := h.sizes(ps)
	if err != nil {
		return err
	}
	if c.Path, err = h.trail.Consistency(c.From, c.To); err != nil {
		return err
	}
	b := c.JSON()
	if withCheckpoints {
		if b, err = h.addCheckpoints(b, c); err != nil {
			return err
		}
	}
	writeBytes(w, "application/json", append(b, '\n'))
	return nil
}

// sizes reads from and to.
func (h *Handler) sizes(ps params) (c bundle.Consistency, err error) {
	if _, ok := ps["from"]; !ok {
		return c, problem.Bad("from", "", "is required: the number of entries of the smaller tree")
	}
	if c.From, err = ps.number("from", 0, math.MaxInt64); err != nil {
		return c, err
	}
	newest, published := h.trail.Published()
	if !published {
		return c, unpublished("", "the trail has no published checkpoint yet")
	}
	if c.To, err = ps.number("to", max(newest.Size, c.From), math.MaxInt64); err != nil {
		return c, err
	}
	switch {
	case c.From > c.To:
		return c, problem.Bad("from", ps["from"], "is larger than to, which is %d", c.To)
	case c.To > newest.Size:
		field := "to"
		if _, ok := ps["to"]; !ok {
			field = "from"
		}
		return c, unpublished(field, fmt.Sprintf("the newest published checkpoint has %d entries; an acknowledged entry is under one within 10 seconds", newest.Size))
	}
	return c, nil
}

// addCheckpoints adds the published checkpoints of the two sizes, null where there is none of exactly that size.
func (h *Handler) addCheckpoints(b []byte, c bundle.Consistency) ([]byte, error) {
	b = b[:len(b)-1]
	for _, end := range [...]struct {
		name string
		size uint64
	}{{"from_checkpoint", c.From}, {"to_checkpoint", c.To}} {
		b = append(append(append(b, `,"`...), end.name...), `":`...)
		note, err := h.publishedAt(end.size)
		if err != nil {
			return nil, err
		}
		b = appendNote(b, note)
	}
	return append(b, '}'), nil
}

func (h *Handler) publishedAt(size uint64) (note []byte, err error) {
	if size == 0 {
		return nil, nil
	}
	c, published, err := h.trail.PublishedFor(size - 1)
	if err != nil || !published || c.Size != size {
		return nil, err
	}
	return c.Note, nil
}
