package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"countersign/problem"
)

var errSilent = errors.New("nothing arrived")

// open asks for an answer that may last for ever. It fails, and later its body does, when nothing arrives for
// as long as silence. The body must be closed.
func (c *Client) open(ctx context.Context, path string, v url.Values, accept string, silence time.Duration) (*http.Response, error) {
	if len(v) > 0 {
		path += "?" + v.Encode()
	}
	return c.openFor(ctx, silence, func(ctx context.Context) (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
		if err == nil {
			req.Header.Set("Accept", accept)
		}
		return req, err
	})
}

// openFor is open for any request.
func (c *Client) openFor(ctx context.Context, silence time.Duration, request func(context.Context) (*http.Request, error)) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	b := &watched{ctx: ctx, cancel: cancel, silence: silence}
	b.timer = time.AfterFunc(silence, func() { cancel(errSilent) })
	resp, err := c.openWatched(ctx, request)
	b.timer.Stop()
	if err != nil {
		err = b.failure(err)
		cancel(nil)
		return nil, err
	}
	b.body, resp.Body = resp.Body, b
	if resp.StatusCode != http.StatusOK {
		defer b.Close()
		body, err := io.ReadAll(io.LimitReader(b, maxAnswerBytes))
		if err != nil {
			return nil, err
		}
		return nil, refusal(resp, body)
	}
	return resp, nil
}

func (c *Client) openWatched(ctx context.Context, request func(context.Context) (*http.Request, error)) (*http.Response, error) {
	req, err := request(ctx)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	return c.long.Do(req)
}

// watched is the body of an answer that may last.
type watched struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	body    io.ReadCloser
	timer   *time.Timer
	silence time.Duration
}

// Read watches while it waits only: a reader that takes its time is not the server's fault.
func (b *watched) Read(p []byte) (int, error) {
	b.timer.Reset(b.silence)
	n, err := b.body.Read(p)
	b.timer.Stop()
	if err != nil && err != io.EOF {
		err = b.failure(err)
	}
	return n, err
}

func (b *watched) Close() error {
	b.timer.Stop()
	b.cancel(nil)
	return b.body.Close()
}

func (b *watched) failure(err error) error {
	if errors.Is(context.Cause(b.ctx), errSilent) {
		return &problem.Error{Kind: problem.Unavailable, Detail: fmt.Sprintf("nothing arrived for %s", b.silence), Cause: err}
	}
	return unreached(b.ctx, err)
}
