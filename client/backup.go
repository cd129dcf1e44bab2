package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

const backupsPath = "/api/v1/backups"

// HeldFile is a file of an earlier backup, as its plan has it, that need not be sent again.
type HeldFile struct {
	Name    string `json:"name"`
	Size    int64  `json:"size"`
	Version string `json:"version,omitempty"`
}

// Backup asks for a backup of the server's trail without the files of have, and has receive read the archive, which
// docs/format/backup.md describes. An archive that breaks off ends with an error of its reader.
func (c *Client) Backup(ctx context.Context, have []HeldFile, receive func(io.Reader) error) error {
	if have == nil {
		have = []HeldFile{}
	}
	body, err := json.Marshal(map[string][]HeldFile{"have": have})
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	resp, err := c.openFor(ctx, c.idle, func(ctx context.Context) (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+backupsPath, bytes.NewReader(body))
		if err == nil {
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Accept", "application/x-tar")
		}
		return req, err
	})
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer resp.Body.Close()
	return receive(resp.Body)
}
