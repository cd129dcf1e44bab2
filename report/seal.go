package report

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"countersign/bundle"
	"countersign/event"
	"countersign/identity"
	"countersign/internal/durable"
)

func errCannotOpen(seq uint64) error { return fmt.Errorf("entry %d cannot be opened", seq) }

// The words of what a run records of itself (docs/reports.md).
const (
	actionReport = "REPORT"
	typeLog      = "AUDIT_LOG"
	ownSource    = event.OwnSourcePrefix + "server"

	attrPhase     = "phase"
	phaseBegun    = "begun"
	phaseFinished = "finished"
	phaseFailed   = "failed"
)

// event is what the run records in an account.
func (m *making) event(account, phase, outcome, description string, more ...event.Attribute) event.Event {
	c, r := &m.req.Caller, m.req
	e := event.Event{
		OccurredAt: event.MicrosOf(m.clock()), Account: event.Account{ID: account},
		Actor:       event.Actor{ID: event.TextOrAbsent(c.UserID), Name: event.TextOrAbsent(c.Name), Type: string(c.UserType)},
		Action:      actionReport,
		Resource:    event.Resource{Type: typeLog, ID: event.TextOf(r.ID), Name: event.TextOf("Report " + m.framework.ID + " " + m.framework.Version)},
		Outcome:     outcome,
		Description: event.TextOf(description),
		Client:      m.req.Client,
		Source:      ownSource,
		Attributes: append([]event.Attribute{
			{Name: attrPhase, Value: phase}, {Name: "framework", Value: m.framework.ID}, {Name: "framework_sha256", Value: m.framework.SHA256()},
			{Name: "from", Value: r.From}, {Name: "to", Value: r.To}, {Name: "report_id", Value: r.ID},
		}, more...),
	}
	if r.Schedule != "" {
		e.Attributes = append(e.Attributes, event.Attribute{Name: "schedule", Value: r.Schedule})
	}
	slices.SortFunc(e.Attributes, func(a, b event.Attribute) int { return strings.Compare(a.Name, b.Name) })
	e.Normalize(identity.OwnAccount)
	return e
}

// accounts are where the run is recorded: in each account that the report is over, in the server's own when it is over
// everything, and else in that of who asked.
func (m *making) accounts() []string {
	switch {
	case m.scope.whole():
		return []string{identity.OwnAccount}
	case len(m.scope.accounts) > 0:
		return m.scope.accounts
	}
	return []string{m.req.Caller.PrimaryAccount}
}

func (m *making) each(phase, outcome, description string, more ...event.Attribute) []event.Event {
	var out []event.Event
	for _, a := range m.accounts() {
		out = append(out, m.event(a, phase, outcome, description, more...))
	}
	return out
}

func (m *making) begins() []event.Event {
	return m.each(phaseBegun, event.OutcomeUnknown, fmt.Sprintf("A report over %s to %s was begun", m.req.From, m.req.To))
}

func (m *making) recordEnd(ctx context.Context, r *Result) error {
	_, err := m.maker.Trail.Append(ctx, m.each(phaseFinished, event.OutcomeSuccess, "A report was made",
		event.Attribute{Name: "manifest_sha256", Value: r.ManifestSHA256},
		event.Attribute{Name: "rows", Value: strconv.FormatUint(m.tally.rows, 10)},
		event.Attribute{Name: "tree_size", Value: strconv.FormatUint(m.size, 10)}), identity.OwnAccount)
	return err
}

// recordFailure records that there is no report. What the cause says may be for the log only.
func (m *making) recordFailure(ctx context.Context, cause error) error {
	_, err := m.maker.Trail.Append(ctx, m.each(phaseFailed, event.OutcomeFailure, "A report broke off: "+Reason(cause)), identity.OwnAccount)
	return err
}

// writeReport writes the report in all of its forms.
func (m *making) writeReport(ctx context.Context, r *Report) error {
	b, err := r.JSON()
	if err != nil {
		return err
	}
	if _, err := m.files.bytes("report.json", b); err != nil {
		return err
	}
	for _, rendering := range m.maker.Renderings {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := m.files.write(rendering.Name, func(w io.Writer) error { return rendering.Render(w, r) }); err != nil {
			return err
		}
	}
	if _, err := m.files.bytes("framework.yaml", m.framework.Text); err != nil {
		return err
	}
	// For convenience only: a key that comes with what it is to check proves nothing.
	var keys strings.Builder
	for _, k := range m.maker.Trail.Keys() {
		keys.WriteString(k.VKey + "\n")
	}
	_, err = m.files.bytes("keys.txt", []byte(keys.String()))
	return err
}

// seal fixes the pack in the trail and writes it.
func (m *making) seal(ctx context.Context, r *Report) (*Result, error) {
	manifest := m.manifest()
	b, err := manifest.JSON()
	if err != nil {
		return nil, err
	}
	if _, err := m.files.bytes(bundle.PackManifest, b); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	seal, err := m.sealOf(ctx, manifest, sum)
	if err != nil {
		return nil, err
	}
	if b, err = seal.JSON(); err != nil {
		return nil, err
	}
	if _, err := m.files.bytes(bundle.PackSeal, b); err != nil {
		return nil, err
	}
	result := &Result{Report: r, Path: m.path(PackName), ManifestSHA256: hex.EncodeToString(sum[:]), PackSeq: seal.Index}
	f, err := durable.Replace(m.files.fs, result.Path, func(f durable.File) error {
		w := &atEnd{f: f}
		err := m.files.pack(&stoppable{ctx, w})
		result.Bytes = w.at
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("write the pack: %w", err)
	}
	return result, f.Close()
}

// stoppable writes until its context ends.
type stoppable struct {
	ctx context.Context
	w   io.Writer
}

func (s *stoppable) Write(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.w.Write(b)
}

// sealOf records the manifest's hash and proves the entry.
func (m *making) sealOf(ctx context.Context, manifest *bundle.Manifest, sum [32]byte) (*bundle.Seal, error) {
	t := m.maker.Trail
	signature, err := t.SignText(bundle.PackText(sum))
	if err != nil {
		return nil, err
	}
	s := &bundle.Seal{Signature: signature}
	if s.Index, err = t.RecordPack(ctx, bundle.PackStatement(manifest, sum)); err != nil {
		return nil, fmt.Errorf("record the pack: %w", err)
	}
	if s.Checkpoint, err = t.PublishNow(ctx); err != nil {
		return nil, fmt.Errorf("publish a checkpoint: %w", err)
	}
	if s.Entry, err = t.EntryBytes(s.Index); err != nil {
		return nil, err
	}
	if s.Path, err = t.Inclusion(s.Index, s.Checkpoint.Size); err != nil {
		return nil, err
	}
	s.Consistency, err = t.Consistency(m.checkpoint.Size, s.Checkpoint.Size)
	return s, err
}

func (m *making) manifest() *bundle.Manifest {
	r := m.req
	manifest := &bundle.Manifest{
		Report: bundle.ManifestReport{
			ID: r.ID, Framework: m.framework.ID, Version: m.framework.Version, FrameworkSHA256: m.framework.SHA256(), From: r.From, To: r.To,
			At: event.MicrosOf(m.now).String(), ByID: r.Caller.UserID, ByName: r.Caller.Name, Software: m.maker.Software,
		},
		Query: m.w.filter(), Scope: m.scope.filter, TreeSize: m.size, Checkpoint: m.checkpoint,
		Rows: m.tally.rows, Excluded: m.proof.count, Range: m.proof.whole, Chains: m.proof.chains, Seed: m.seed, Files: m.files.list(),
	}
	for _, x := range m.searches {
		if x.refused == "" {
			manifest.Searches = append(manifest.Searches, x.manifest())
		}
	}
	slices.SortFunc(manifest.Searches, func(a, b bundle.PackSearch) int { return strings.Compare(a.Name, b.Name) })
	return manifest
}
