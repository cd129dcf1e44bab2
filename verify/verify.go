// Package verify checks proof offline: the proof of one entry, an export, two checkpoints with what connects them,
// and a whole data directory. It is what an auditor runs, and it asks nobody.
//
// Terms are those of packages event, merkle and bundle. A finding is evidence that something is not what the log's
// key signed. A claim is what holds when there is no finding; its level says how far it goes (docs/verify.md): A, the
// rows are genuine; C, the population is complete as well.
//
// Promises. A report without findings means that all that was shown is what the signed tree holds. A finding names
// what is wrong and where, as far as that can be told, and the first MaxFindings are listed. Nothing that is read is
// changed. What is no evidence of anything, a file that cannot be read or is none of ours, is an error and not a
// finding. Memory is bounded by what each function says, not by what the bytes claim.
//
// Trust. Everything is foreign: files, directories, and what they say of themselves. Only the keys are trusted, which
// the caller got elsewhere. Keys that a data directory names are believed as far as entries under a checkpoint of a
// given key name them. It never imports package store, so the two do not share their mistakes.
//
// It leaves to others: the formats (bundle, wal, merkle, event), where keys and kept checkpoints come from, how a
// report looks.
package verify

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"countersign/internal/durable"
	"countersign/merkle"
)

// MaxFindings is how many findings a report lists; the rest are counted.
const MaxFindings = 100

// Kind says what is wrong.
type Kind string

// The kinds of findings.
const (
	Malformed   Kind = "malformed"    // bytes that are not the one rendering of anything
	Changed     Kind = "changed"      // an entry is not what the tree holds
	Missing     Kind = "missing"      // an entry that must be there is not
	Added       Kind = "added"        // an entry that must not be there is
	Moved       Kind = "moved"        // an entry stands in another place
	Repeated    Kind = "repeated"     // the same entry, or the same name for it, stands twice
	WrongTotal  Kind = "wrong-total"  // a count is not that of what is there
	WrongKey    Kind = "wrong-key"    // no trusted key signed, or not with this
	WrongProof  Kind = "wrong-proof"  // hashes do not lead to the signed root
	DroppedTail Kind = "dropped-tail" // the newest entries of a directory are gone
	RolledBack  Kind = "rolled-back"  // a directory, or a file in it, is of an earlier time
	Forked      Kind = "forked"       // two trees of one origin that are not one
	Misnumbered Kind = "misnumbered"  // the chain of an account or the clock of the server breaks its rule
	Forbidden   Kind = "forbidden"    // an entry that nobody could have recorded
	Disagrees   Kind = "disagrees"    // a file that is made from the entries says something else than they do
)

// Finding is evidence.
type Finding struct {
	Kind Kind `json:"kind"`
	// Where is the file or record, as far as it is known.
	Where string `json:"where,omitempty"`
	// Seq is the entry that it is about, if it is about one.
	Seq  *uint64 `json:"seq,omitempty"`
	What string  `json:"what"`
}

// Claim is what holds because there is no finding.
type Claim struct {
	Level string `json:"level"`
	Text  string `json:"text"`
}

// Fact is something that was read and may be told to people.
type Fact struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Report is what a check found.
type Report struct {
	// Subject is what was checked.
	Subject string `json:"subject"`
	Origin  string `json:"origin,omitempty"`
	// TreeSize and Root are those of the checkpoint that everything was held to, SignedBy the given keys that
	// signed it.
	TreeSize uint64   `json:"tree_size"`
	Root     string   `json:"root,omitempty"`
	SignedBy []string `json:"signed_by"`
	Facts    []Fact   `json:"facts,omitempty"`
	// Claims are empty when there are findings.
	Claims []Claim `json:"claims"`
	// Limits are what the claims do not say.
	Limits   []string  `json:"limits,omitempty"`
	Findings []Finding `json:"findings"`
	// More is how many findings are not listed.
	More uint64 `json:"more_findings,omitempty"`
}

// OK tells that there is no finding.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

// Options say what a check trusts and whom it tells how far it is.
type Options struct {
	// Keys are trusted. Without any nothing can be checked.
	Keys merkle.Keys
	// Kept are checkpoints that somebody else kept, for Data: what they state must still be so.
	Kept []merkle.Checkpoint
	// Progress is told how many bytes have been read; it may be nil.
	Progress func(bytes int64)
	// BytesPerSecond slows Data down, so that it can run beside a server; 0 does not.
	BytesPerSecond int64
	// Bounded has Data take no memory for each entry, so it does not see that an event is recorded twice: only who has the
	// signing key can make that so.
	Bounded bool
	// FS is where Data finds the directory; nil is the operating system's.
	FS durable.FS
}

// ErrNotChecked is wrapped by errors that say nothing about whether something is genuine.
var ErrNotChecked = errors.New("it cannot be checked")

func notChecked(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrNotChecked, fmt.Sprintf(format, args...))
}

// cannot makes an error one that says nothing about whether something is genuine.
func cannot(err error) error {
	if errors.Is(err, ErrNotChecked) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrNotChecked, err)
}

func newReport(subject string) *Report {
	return &Report{Subject: subject, SignedBy: []string{}, Claims: []Claim{}, Findings: []Finding{}}
}

func (r *Report) find(k Kind, where, format string, args ...any) {
	r.add(Finding{Kind: k, Where: where, What: fmt.Sprintf(format, args...)})
}

func (r *Report) findEntry(k Kind, where string, seq uint64, format string, args ...any) {
	r.add(Finding{Kind: k, Where: where, Seq: &seq, What: fmt.Sprintf(format, args...)})
}

func (r *Report) add(f Finding) {
	if len(r.Findings) == MaxFindings {
		r.More++
		return
	}
	r.Findings = append(r.Findings, f)
}

func (r *Report) fact(name, format string, args ...any) {
	r.Facts = append(r.Facts, Fact{name, fmt.Sprintf(format, args...)})
}

func (r *Report) claim(level, format string, args ...any) {
	r.Claims = append(r.Claims, Claim{level, fmt.Sprintf(format, args...)})
}

// anchor holds a checkpoint to the keys, and makes it the one that the report is about.
func (r *Report) anchor(c merkle.Checkpoint, keys merkle.Keys) {
	r.Origin, r.TreeSize, r.Root = c.Origin, c.Size, rootText(c.Root)
	signed, err := c.SignedBy(keys)
	if err != nil {
		r.find(WrongKey, "checkpoint", "%v", err)
		return
	}
	r.SignedBy = signed
}

func rootText(h merkle.Hash) string { return base64.StdEncoding.EncodeToString(h[:]) }

// done withdraws what was claimed if there is a finding.
func (r *Report) done() *Report {
	if !r.OK() {
		r.Claims, r.Limits = []Claim{}, nil
	}
	return r
}

// The limits that more than one claim has.
const (
	limitOperator = "The log says who did what as its sources told it; that a source told the truth, the proof does not say."
	limitView     = "A checkpoint shows one view of the log. That everybody else is shown the same view, only comparing checkpoints tells: keep them, and have them witnessed."
)

func stopped(ctx context.Context) error {
	return fmt.Errorf("%w: stopped: %w", ErrNotChecked, context.Cause(ctx))
}
