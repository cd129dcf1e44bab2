package server

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"countersign/backup"
	"countersign/dialect/native"
	"countersign/event"
	"countersign/identity"
	"countersign/store"
)

const (
	// maxBackups is how many backups are sent at a time: each holds a copy of the identity in memory, and files on the disk
	// that would be gone without it.
	maxBackups = 2
	// backupWait is when to try again while they are.
	backupWait = time.Minute
	// keptBackups is how many are listed.
	keptBackups = 100

	backupsRoute = "/api/v1/backups"
)

// backups makes the backups of this server.
type backups struct {
	trail    *store.Store
	identity *identity.Directory
	audit    *auditor
	metrics  *metrics
	version  string
	places   chan struct{} // one is held by each backup that is sent

	mu   sync.Mutex // guards made: the oldest first, changed while one is sent
	made []*native.BackupMade
}

func newBackups(s *Server) *backups {
	return &backups{trail: s.Trail, identity: s.Identity, audit: s.audit, metrics: s.metrics, version: s.cfg.Version, places: make(chan struct{}, maxBackups)}
}

// Take implements native.Backups. It holds the files that the trail has at a published checkpoint, and the identity as it is
// then: no change of it is made between the two. Signing keys, the key of TLS and reports are not among them.
func (b *backups) Take(ctx context.Context, c identity.Caller, send func(p *backup.Plan, open func(i int, offset int64) (io.ReadCloser, error)) (int64, error)) error {
	a, err := accessOf(ctx)
	if err != nil {
		return err
	}
	select {
	case b.places <- struct{}{}:
		defer func() { <-b.places }()
	default:
		return throttled("as many backups are being made as may be at a time", backupWait)
	}
	var held *store.Backup
	control, err := b.identity.Copy(ctx, func() (err error) {
		held, err = b.trail.Backup(ctx)
		return err
	})
	if held != nil {
		defer held.Close()
	}
	if err != nil {
		return err
	}
	files := []backup.File{{Name: store.ControlName, Size: int64(len(control))}}
	for _, f := range held.Files {
		files = append(files, backup.File{Name: f.Name, Size: f.Size, Version: f.Version, Grows: f.Grows})
	}
	plan := backup.NewPlan(held.Checkpoint, b.version, time.Now(), files)
	made := b.begin(c, &plan)
	sent, err := send(&plan, func(i int, offset int64) (io.ReadCloser, error) {
		if i == 0 {
			return io.NopCloser(bytes.NewReader(control[offset:])), nil
		}
		return held.Open(&held.Files[i-1], offset)
	})
	ended := ended(*made, sent, err)
	b.record(a, c, &ended) // before it is listed as ended
	b.mu.Lock()
	*made = ended
	b.mu.Unlock()
	b.metrics.backups.WithLabelValues(ended.State).Inc()
	return err
}

// begin lists a backup.
func (b *backups) begin(c identity.Caller, p *backup.Plan) *native.BackupMade {
	m := &native.BackupMade{
		State: native.BackupRunning, StartedAt: p.TakenAt, TreeSize: p.TreeSize, Files: len(p.Files), UserID: c.UserID, UserName: c.Name,
	}
	for _, f := range p.Files {
		m.Bytes += f.Size
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.made = append(b.made, m)
	b.made = b.made[max(0, len(b.made)-keptBackups):]
	return m
}

// ended is a backup with what became of it.
func ended(m native.BackupMade, sent int64, err error) native.BackupMade {
	now := time.Now().UTC()
	m.State, m.EndedAt, m.SentBytes = native.BackupComplete, &now, sent
	if err != nil {
		m.State = native.BackupBrokenOff
	}
	return m
}

// record records that the whole trail has left the server, or a part of it. It is an export, so whoever looks for those finds
// it.
func (b *backups) record(a *access, c identity.Caller, m *native.BackupMade) {
	outcome, description := event.OutcomeSuccess, "Backed up the whole trail"
	if m.State != native.BackupComplete {
		outcome, description = event.OutcomeFailure, "Backed up the whole trail, and it broke off"
	}
	e := b.audit.by(a, c, actionExport, resource(typeLog, identity.OwnAccount, "Audit log"), outcome, description)
	e.OccurredAt = event.MicrosOf(m.StartedAt)
	number := func(name string, n uint64) {
		e.Attributes = append(e.Attributes, event.Attribute{Name: name, Value: strconv.FormatUint(n, 10)})
	}
	e.Attributes = append(e.Attributes, event.Attribute{Name: "route", Value: backupsRoute})
	number("count", 1)
	number("rows", m.TreeSize)
	number("total", m.TreeSize)
	number("tree_size", m.TreeSize)
	number("bytes", uint64(m.Bytes))
	number("sent_bytes", uint64(m.SentBytes))
	b.audit.record(e)
}

// Made implements native.Backups.
func (b *backups) Made() []native.BackupMade {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]native.BackupMade, 0, len(b.made))
	for _, m := range slices.Backward(b.made) {
		all = append(all, *m)
	}
	return all
}

// last returns the last backup that is whole.
func (b *backups) last() (native.BackupMade, bool) {
	for _, m := range b.Made() {
		if m.State == native.BackupComplete {
			return m, true
		}
	}
	return native.BackupMade{}, false
}
