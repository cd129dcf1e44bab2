package native

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"countersign/backup"
	"countersign/identity"
	"countersign/problem"
)

// Backups makes backups of the trail.
type Backups interface {
	// Take holds the files of a backup while send sends them, and records who had it. send returns how many bytes it has
	// sent.
	Take(ctx context.Context, c identity.Caller, send func(p *backup.Plan, open func(i int, offset int64) (io.ReadCloser, error)) (int64, error)) error
	// Made returns the backups that were begun since the server started, the newest first; of very many only the last.
	Made() []BackupMade
}

// What becomes of a backup.
const (
	BackupRunning   = "running"
	BackupComplete  = "complete"
	BackupBrokenOff = "broken_off"
)

// BackupMade is a backup that somebody has, or tried to have.
type BackupMade struct {
	State     string     `json:"state"`
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
	TreeSize  uint64     `json:"tree_size"`
	Files     int        `json:"files"`
	// Bytes is the size of all files, SentBytes what was sent of them and around them.
	Bytes     int64  `json:"bytes"`
	SentBytes int64  `json:"sent_bytes"`
	UserID    string `json:"user_id"`
	UserName  string `json:"user_name"`
}

// maxHaveBytes holds what the receiver of the largest backup has.
const maxHaveBytes = 16 << 20

func (h *Handler) makeBackups(d Backups) {
	h.handle("POST /api/v1/backups", func(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
		return h.sendBackup(w, r, c, d)
	})
	h.handle("GET /api/v1/backups", index(func(_ context.Context, c identity.Caller, _ params, p identity.Page) ([]BackupMade, int, error) {
		if err := mayOperate(c); err != nil {
			return nil, 0, err
		}
		all := d.Made()
		from := min(p.Offset, len(all))
		return all[from:min(from+p.Limit, len(all))], len(all), nil
	}))
}

// mayOperate refuses who does not operate the server.
func mayOperate(c identity.Caller) error {
	if !c.MayServer(identity.Operate) {
		return problem.New(problem.Denied, "the caller may not %s", identity.Operate)
	}
	return nil
}

// sendBackup answers with the archive of a backup, without what the receiver has already.
func (h *Handler) sendBackup(w http.ResponseWriter, r *http.Request, c identity.Caller, d Backups) error {
	if _, err := parseParams(r.URL.RawQuery); err != nil {
		return err
	}
	if err := mayOperate(c); err != nil {
		return err
	}
	var order struct {
		Have []backup.Held `json:"have"`
	}
	if err := decodeBody(maxHaveBytes, w, r, &order, mediaJSON); err != nil {
		return err
	}
	for i := range order.Have {
		if order.Have[i].Size < 0 {
			return problem.Bad(fmt.Sprintf("have[%d].size", i), "", "must not be negative")
		}
	}
	out := &counted{to: w}
	err := d.Take(r.Context(), c, func(p *backup.Plan, open func(int, int64) (io.ReadCloser, error)) (int64, error) {
		w.Header().Set("Content-Type", "application/x-tar")
		err := backup.Write(out, p, order.Have, open)
		return out.n, err
	})
	if err == nil || out.n == 0 {
		return err
	}
	if r.Context().Err() == nil {
		h.log.Error("backup broke off", "request_id", w.Header().Get("X-Request-Id"), "bytes", out.n, "error", err)
	}
	// The status is sent. Only a connection that breaks off tells the reader that the rest is missing.
	panic(http.ErrAbortHandler)
}

// counted counts what is written.
type counted struct {
	to io.Writer
	n  int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.n += int64(n)
	return n, err
}
