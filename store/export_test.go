package store

import (
	"context"
	"time"

	"countersign/event"
	"countersign/internal/durable"
)

// ClaimOn is Claim on another file system.
func ClaimOn(fs durable.FS, path string) (*Dir, error) { return claim(fs, path) }

// WaitKept waits until there is no background work left to do, or giveUp says so.
func (s *Store) WaitKept(giveUp func() bool) {
	for !giveUp() {
		snap := s.snap.Load()
		_, due := s.sealDue(snap)
		if !due && s.indexDue(snap) == 0 && len(dueIndexes(snap, mergeFan)) == 0 && len(dueRuns(snap)) == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
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

// Unobserved is the Observer of a store that has none.
var Unobserved Observer = unobserved{}

// CheckOn is Check on another file system.
func CheckOn(fs durable.FS, path string, o CheckOptions) (*CheckReport, error) {
	return checkOn(context.Background(), fs, path, o)
}

// RebuildOn is RebuildIndexes on another file system.
func RebuildOn(fs durable.FS, path string, o CheckOptions) (*CheckReport, error) {
	return rebuildOn(context.Background(), fs, path, o)
}
