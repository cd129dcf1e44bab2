package server

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// maxBuckets bounds the memory of one limits, at about 200 bytes a bucket and rate. Tokens stay far below
	// it; addresses can be made up by whoever owns a network.
	maxBuckets = 1 << 16
	// sweepEvery is the least time between two looks for buckets that nobody needs, when the table is full.
	sweepEvery = time.Second
)

// limits counts the requests of each key against the same rates.
//
// Each rate is a bucket that holds Requests and fills up evenly within Per. So a caller who keeps within the
// rate over every window of that length is never refused, and one who does not gets at most twice as many
// through in one window. A rolling window would need the time of each request.
type limits[K comparable] struct {
	rates Rates

	mu      sync.Mutex // guards what follows; held for some arithmetic only
	buckets map[K]bucket
	others  bucket // of all keys for which there is no room
	swept   time.Time
	sweepAt int // how many buckets there may be before the next look
}

// bucket has a limiter for each rate.
type bucket []*rate.Limiter

func newLimits[K comparable](rates Rates) *limits[K] {
	return &limits[K]{rates: rates, buckets: map[K]bucket{}, others: newBucket(rates), sweepAt: 1024}
}

func newBucket(rates Rates) bucket {
	b := make(bucket, len(rates))
	for i, r := range rates {
		b[i] = rate.NewLimiter(rate.Limit(float64(r.Requests)/r.Per.Seconds()), r.Requests)
	}
	return b
}

// take takes one request from key's bucket. When a rate has none left nothing is taken, and wait is when there
// will be one.
func (l *limits[K]) take(key K, now time.Time) (wait time.Duration) {
	if len(l.rates) == 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(key, now)
	if wait = b.wait(now); wait > 0 {
		return wait
	}
	for _, r := range b {
		r.AllowN(now, 1)
	}
	return 0
}

// left tells what take would say, and takes nothing.
func (l *limits[K]) left(key K, now time.Time) (wait time.Duration) {
	if len(l.rates) == 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[key]
	switch {
	case known:
		return b.wait(now)
	case len(l.buckets) >= maxBuckets:
		return l.others.wait(now)
	}
	return 0
}

// wait is when the bucket has a request for each rate.
func (b bucket) wait(now time.Time) (longest time.Duration) {
	for _, r := range b {
		if missing := 1 - r.TokensAt(now); missing > 0 {
			longest = max(longest, time.Duration(missing/float64(r.Limit())*float64(time.Second))+1)
		}
	}
	return longest
}

func (b bucket) full(now time.Time) bool {
	for _, r := range b {
		if r.TokensAt(now) < float64(r.Burst()) {
			return false
		}
	}
	return true
}

// bucket returns the bucket of the key. A table that is full of buckets in use gives all further keys one
// together: they then wait for each other, and memory stays bounded.
func (l *limits[K]) bucket(key K, now time.Time) bucket {
	if b, known := l.buckets[key]; known {
		return b
	}
	if len(l.buckets) >= l.sweepAt && now.Sub(l.swept) >= sweepEvery {
		l.sweep(now)
	}
	if len(l.buckets) >= maxBuckets {
		return l.others
	}
	b := newBucket(l.rates)
	l.buckets[key] = b
	return b
}

// sweep forgets the buckets that are full: a new one is no different.
func (l *limits[K]) sweep(now time.Time) {
	l.swept = now
	for key, b := range l.buckets {
		if b.full(now) {
			delete(l.buckets, key)
		}
	}
	l.sweepAt = min(max(1024, 2*len(l.buckets)), maxBuckets)
}

// origin is what an address is counted under: of IPv6 the network of one customer, who has all of its
// addresses.
func origin(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address: all of these are one
	}
	return p
}
