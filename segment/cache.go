package segment

import (
	"container/list"
	"sync"
	"time"
)

// Cache keeps sets of rows and orders of them that took some work to find, for any number of segments, the last used
// ones up to a number of bytes. A segment never changes, so nothing in it is ever out of date. A nil Cache keeps nothing.
type Cache struct {
	mu      sync.Mutex // guards what follows; held for look-ups only
	most    int
	after   time.Duration
	used    int
	entries map[*Segment]map[cacheKey]*list.Element
	recent  list.List // of *cached, the last used one first
}

// cacheKey names what is kept: kind says what it is, text of which rows.
type cacheKey struct {
	segment *Segment
	kind    byte
	text    string
}

const (
	ofFilter   = iota // bitmap.Set: the rows that match the filter in canonical text
	ofRecorded        // bitmap.Set: the rows whose places are below the number
	ofOrder           // partRuns: the matches in the order that orderName names
	ofCode            // bitmap.Set: the matches of such an order that have the code
)

// kept must not change.
type kept interface{ MemoryBytes() int }

type cached struct {
	key   cacheKey
	kept  kept
	bytes int
}

// NewCache returns a cache for that many bytes.
func NewCache(bytes int) *Cache {
	const after = 50 * time.Microsecond // less is found again as quickly
	return &Cache{most: bytes, after: after, entries: map[*Segment]map[cacheKey]*list.Element{}}
}

// find returns what is kept under a key, or nil.
func (c *Cache) find(k cacheKey) kept {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[k.segment][k]
	if !ok {
		return nil
	}
	c.recent.MoveToFront(e)
	return e.Value.(*cached).kept
}

func (c *Cache) keep(k cacheKey, v kept) {
	const entryBytes = 200 // about what an entry takes beside what is kept and the text
	if c == nil {
		return
	}
	size := v.MemoryBytes() + len(k.text) + entryBytes
	if size > c.most/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	of := c.entries[k.segment]
	if of == nil {
		of = map[cacheKey]*list.Element{}
		c.entries[k.segment] = of
	}
	if _, known := of[k]; known {
		return
	}
	of[k] = c.recent.PushFront(&cached{k, v, size})
	for c.used += size; c.used > c.most; {
		c.remove(c.recent.Back())
	}
}

func (c *Cache) remove(e *list.Element) {
	old := c.recent.Remove(e).(*cached)
	c.used -= old.bytes
	of := c.entries[old.key.segment]
	if delete(of, old.key); len(of) == 0 {
		delete(c.entries, old.key.segment)
	}
}

// keepSince keeps what was looked for since the given time, if that took long.
func (c *Cache) keepSince(start time.Time, k cacheKey, v kept) {
	if c != nil && time.Since(start) >= c.after {
		c.keep(k, v)
	}
}

// drop forgets what is kept of a segment.
func (c *Cache) drop(s *Segment) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.entries[s] {
		c.remove(e)
	}
}
