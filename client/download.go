package client

import (
	"context"
	"fmt"
	"io"

	"countersign/problem"
)

// Download writes what is at a path of the server, such as an evidence pack, to w, and returns how many bytes that
// were. An answer that breaks off is an error. advanced is told how far it has come; it may be nil.
func (c *Client) Download(ctx context.Context, path string, w io.Writer, advanced func(done, total int64)) (int64, error) {
	resp, err := c.open(ctx, path, nil, "*/*", c.idle)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(w, &told{r: resp.Body, total: resp.ContentLength, tell: advanced})
	switch {
	case err != nil:
		return n, fmt.Errorf("download: %w", err)
	case resp.ContentLength >= 0 && n != resp.ContentLength:
		return n, problem.New(problem.Unavailable, "the download broke off after %d of %d bytes", n, resp.ContentLength)
	}
	return n, nil
}

// told tells how much was read.
type told struct {
	r           io.Reader
	done, total int64
	tell        func(done, total int64)
}

func (t *told) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	if t.done += int64(n); t.tell != nil {
		t.tell(t.done, t.total)
	}
	return n, err
}
