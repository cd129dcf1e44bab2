package client

import (
	"net/http"
	"time"
)

// SetTransport puts rt in place of the network.
func (c *Client) SetTransport(rt http.RoundTripper) {
	c.http.Transport, c.long.Transport = rt, rt
}

// HurryStreams makes the waits between the connections of a stream as short as a test likes.
func HurryStreams() (undo func()) {
	was := streamBackoff
	streamBackoff = backoff{first: time.Microsecond, longest: time.Millisecond}
	return func() { streamBackoff = was }
}

// SetPageBytes sets how large one page of a search may be.
func (c *Client) SetPageBytes(n int64) { c.pageBytes = n }
