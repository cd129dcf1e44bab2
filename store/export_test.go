package store

import (
	"cmp"
	"context"
	"hash/maphash"
	"strings"
	"time"

	"countersign/event"
	"countersign/internal/durable"
	"countersign/query"
)

// ClaimOn is Claim on another file system.
func ClaimOn(fs durable.FS, path string) (*Dir, error) { return claim(fs, path) }

// Window is what sorts one page.
func Window(a []*event.Entry, from, to int, cmp func(a, b *event.Entry) int) {
	window(a, from, to, cmp)
}

// Pins gives tests the pins alone, with keys that are plain text.
type Pins struct{ p *pins }

// NewPins returns empty pins.
func NewPins(now func() time.Time) Pins { return Pins{newPins(now)} }

// Size is pins.size.
func (p Pins) Size(token, key string, offset uint64) (uint64, bool) {
	return p.p.size(token, textKey(key), offset)
}

// Ended is pins.ended.
func (p Pins) Ended(token, key string, size, offset, end uint64) {
	p.p.ended(token, textKey(key), size, offset, end)
}

// Tokens returns how many tokens are remembered.
func (p Pins) Tokens() int { return len(p.p.byToken) }

func textKey(key string) (k queryKey) {
	copy(k[:], key)
	return k
}

// Around returns the first moment of the bucket that m is in, and of the next.
func (i Interval) Around(m event.Micros) (start, next event.Micros) {
	return i.start(i.bucket(m)), i.start(i.bucket(m) + 1)
}

// CountValues is what Stats does for a field, with most values at one time.
func CountValues(ctx context.Context, entries []*event.Entry, f query.Field, most, top int) (Values, error) {
	c := counter{of: query.TextOf(f), most: most, top: top, seed: maphash.MakeSeed(), counts: map[string]uint64{}}
	return c.all(ctx, entries)
}

// MoreFrequent is the order of Values.Top.
func MoreFrequent(a, b ValueCount) int {
	return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
}
