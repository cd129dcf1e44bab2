package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"countersign/problem"
)

// maxProofBytes bounds the memory of one proof: those of the largest events have less.
const maxProofBytes = 4 << 20

// Proof returns the proof of the entry at seq under the first published checkpoint that holds it: the same for ever, byte
// for byte as countersign verify and bundle.ParseProofJSON take it. Of an entry that was recorded a moment ago there is
// none yet; Proof then waits for it, some ten seconds at most, unless ctx ends before.
func (c *Client) Proof(ctx context.Context, seq uint64) (json.RawMessage, error) {
	for {
		var proof json.RawMessage
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+eventsPath+"/"+strconv.FormatUint(seq, 10)+"/proof?format=json", nil)
		if err == nil {
			req.Header.Set("Authorization", "Bearer "+c.token)
			err = c.doUpTo(maxProofBytes, req, http.StatusOK, &proof)
		}
		if err == nil {
			return proof, nil
		}
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || p.Kind != problem.NotFound || p.RetryAfter == 0 {
			return nil, fmt.Errorf("proof of entry %d: %w", seq, err)
		}
		if err := sleep(ctx, p.RetryAfter); err != nil {
			return nil, fmt.Errorf("proof of entry %d: %w", seq, err)
		}
	}
}
