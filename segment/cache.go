package segment

import (
	"container/list"
	"sync"

	"countersign/bitmap"
)

// Cache keeps sets of rows that took some work to find, for any number of segments, the last used ones up to a number
// of bytes. A segment never changes, so nothing in it is ever out of date. A nil Cache keeps nothing.
type Cache struct {
	mu      sync.Mutex // guards what follows; held for look-ups only
	most    int
	used    int
	entries map[cacheKey]*list.Element
	recent  list.List // of *cached, the last used one first
}

// cacheKey names a set: kind says what of, text which.
type cacheKey struct {
	segment *Segment
	kind    byte
	text    string
}

const (
	ofFilter   = iota // the rows that match the filter in canonical text
	ofRecorded        // the rows whose places are below the number
)

type cached struct {
	key   cacheKey
	set   bitmap.Set
	bytes int
}

// NewCache returns a cache for sets of that many bytes together.
func NewCache(bytes int) *Cache {
	return &Cache{most: bytes, entries: map[cacheKey]*list.Element{}}
}

func (c *Cache) find(k cacheKey) (bitmap.Set, bool) {
	if c == nil {
		return bitmap.Set{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[k]
	if !ok {
		return bitmap.Set{}, false
	}
	c.recent.MoveToFront(e)
	return e.Value.(*cached).set, true
}

func (c *Cache) keep(k cacheKey, s bitmap.Set) {
	const entryBytes = 200 // about what an entry takes beside the set and the text
	size := s.MemoryBytes() + len(k.text) + entryBytes
	if c == nil || size > c.most/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.entries[k]; known {
		return
	}
	c.entries[k] = c.recent.PushFront(&cached{k, s, size})
	for c.used += size; c.used > c.most; {
		c.remove(c.recent.Back())
	}
}

func (c *Cache) remove(e *list.Element) {
	old := c.recent.Remove(e).(*cached)
	delete(c.entries, old.key)
	c.used -= old.bytes
}

// drop forgets the sets of a segment.
func (c *Cache) drop(s *Segment) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, e := range c.entries {
		if k.segment == s {
			c.remove(e)
		}
	}
}
