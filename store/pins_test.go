package store_test

import (
	"fmt"
	"testing"
	"time"

	"countersign/store"
)

func TestPins(t *testing.T) {
	const token, key = "token-1", "query-1"
	type page struct {
		token, key       string
		size, from, upto uint64
		idle             time.Duration // before the page
	}
	loop := func(size, step uint64, n int) (pages []page) {
		for i := range uint64(n) {
			pages = append(pages, page{token, key, size, i * step, (i + 1) * step, 0})
		}
		return pages
	}
	var crowd []page
	for i := range 16 {
		crowd = append(crowd, page{token, fmt.Sprint("other-", i), 900, 0, 10, time.Second})
	}
	tests := []struct {
		name   string
		pages  []page
		idle   time.Duration
		token  string
		key    string
		offset uint64
		want   uint64 // 0: not pinned
	}{
		{"nothing asked before", nil, 0, token, key, 1000, 0},
		{"goes on where the page ended", loop(100, 10, 1), 0, token, key, 10, 100},
		{"offset 0 takes the newest", loop(100, 10, 3), 0, token, key, 0, 0},
		{"an offset inside a page is no continuation", loop(100, 10, 3), 0, token, key, 15, 0},
		{"past the last page is no continuation", loop(100, 10, 3), 0, token, key, 40, 0},
		{"an earlier page asked again keeps its size", loop(100, 10, 5), 0, token, key, 20, 100},
		{"a long loop keeps its first pages", loop(1e9, 1000, 100_000), 0, token, key, 1000, 1e9},
		{"a long loop goes on", loop(1e9, 1000, 100_000), 0, token, key, 100_000_000, 1e9},
		{"another token is another loop", loop(100, 10, 3), 0, "token-2", key, 10, 0},
		{"another query is another loop", loop(100, 10, 3), 0, token, "query-2", 10, 0},
		{"kept for 15 idle minutes", loop(100, 10, 3), 15 * time.Minute, token, key, 30, 100},
		{"forgotten after them", loop(100, 10, 3), 15*time.Minute + 1, token, key, 30, 0},
		{"the loop that last ended there is preferred", append(loop(100, 10, 3), loop(120, 10, 2)...), 0, token, key, 20, 120},
		{"a new loop leaves the old one its pages", append(loop(100, 10, 3), loop(120, 10, 1)...), 0, token, key, 30, 100},
		{"sixteen other queries push out the oldest", append(loop(100, 10, 1), crowd...), 0, token, key, 10, 0},
		{"fifteen other queries do not", append(loop(100, 10, 1), crowd[1:]...), 0, token, key, 10, 100},
		{"an empty page is no place to go on from", []page{{token, key, 100, 50, 50, 0}}, 0, token, key, 50, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Unix(1_800_000_000, 0)
			p := store.NewPins(func() time.Time { return now })
			for _, page := range tt.pages {
				now = now.Add(page.idle)
				p.Ended(page.token, page.key, page.size, page.from, page.upto)
			}
			now = now.Add(tt.idle)
			got, pinned := p.Size(tt.token, tt.key, tt.offset)
			if pinned != (tt.want != 0) || got != tt.want {
				t.Fatalf("size %d pinned %v, want %d", got, pinned, tt.want)
			}
		})
	}
}

func TestPinsForgetIdleTokens(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	p := store.NewPins(func() time.Time { return now })
	p.Ended("token-1", "q", 5, 0, 5)
	now = now.Add(time.Hour)
	p.Size("token-1", "q", 5)
	if p.Tokens() != 0 {
		t.Fatal("a token that idled for an hour is still remembered")
	}
}
