package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Call makes one request of the native API that is not about sending events: in, unless nil, is sent as
// JSON, and the answer is decoded into out, unless that is nil. path begins with /api/v1 and may have a query.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	want := http.StatusOK
	switch method {
	case http.MethodPost:
		want = http.StatusCreated
	case http.MethodDelete:
		want = http.StatusNoContent
	}
	return c.do(req, want, out)
}
