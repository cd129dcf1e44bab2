package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"countersign/backup"
	"countersign/bundle"
	"countersign/client"
	"countersign/merkle"
)

func newBackup() *cobra.Command {
	var b backingUp
	cmd := &cobra.Command{
		Use:   "backup --to FOLDER",
		Short: "Bring a backup of the whole trail while the server runs",
		Args:  noArgs,
		Long: `Backup brings the files of the trail as they are at a checkpoint that is published for it, and keeps them as a folder of
their own under FOLDER. The server goes on recording meanwhile. The first backup is whole; a later one brings what is
new and shares the files that did not change with the one before, so each is complete by itself and any may be removed.

A backup gets its name when all of it is there and on the disk. When it breaks off, the same command goes on with it. Before
anything of a later one is kept, the server shows that its trail goes on from the last one; if it does not, the exit code
is 3 and what is kept stays as it is.

It holds all entries, and who may sign in with the hashes of their tokens: keep it as safe as the server. The signing
keys are not in it; keep a copy of them elsewhere. The token's user needs SERVER_OPERATOR on the whole server.`,
		Example: `  countersign backup --to /backup/countersign
  countersign backup --to /backup/countersign --output json`,
	}
	f := cmd.Flags()
	connect, output := serverFlags(cmd), outputFlag(cmd)
	f.StringVar(&b.to, "to", "", "folder that keeps the backups; made when it is missing (required)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if b.to == "" {
			return misused("--to is required: the folder that keeps the backups")
		}
		if err := checkOutput(*output); err != nil {
			return err
		}
		if b.c, err = connect(); err != nil {
			return err
		}
		defer b.c.Close()
		b.stderr = cmd.ErrOrStderr()
		if err := b.run(cmd.Context()); err != nil {
			return err
		}
		return b.print(cmd.OutOrStdout(), *output)
	}
	return cmd
}

// backingUp is one call of the command.
type backingUp struct {
	to     string
	c      *client.Client
	stderr io.Writer

	kept *backup.Kept
	sent int64
}

func (b *backingUp) run(ctx context.Context) (err error) {
	folder, err := backup.OpenFolder(b.to)
	if err != nil {
		return contradicted(err)
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	have := folder.Have()
	held := make([]client.HeldFile, len(have))
	for i, h := range have {
		held[i] = client.HeldFile(h)
	}
	begun := false
	err = b.c.Backup(ctx, held, func(archive io.Reader) (err error) {
		begun = true
		accept := func(p *backup.Plan) error { return b.goesOn(ctx, &folder.Newest().Plan, p) }
		show, done := b.bar()
		defer done()
		b.kept, err = folder.Receive(ctx, &sized{archive, &b.sent}, have, accept, show)
		return err
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		err = errors.New("interrupted")
	}
	if _, is := errors.AsType[*backup.ContradictionError](err); begun && !is {
		err = fmt.Errorf("%w\nthere is no backup of it; the same command goes on with what came of it", err)
	}
	return contradicted(err)
}

// goesOn asks the server to show that its trail begins with the one that is kept.
func (b *backingUp) goesOn(ctx context.Context, had, now *backup.Plan) error {
	older, err := merkle.ParseCheckpoint([]byte(had.Checkpoint))
	if err != nil {
		return err
	}
	newer, err := merkle.ParseCheckpoint([]byte(now.Checkpoint))
	if err != nil {
		return err
	}
	var answer json.RawMessage
	if err := b.c.Call(ctx, http.MethodGet, fmt.Sprintf("/api/v1/consistency?from=%d&to=%d", older.Size, newer.Size), nil, &answer); err != nil {
		return err
	}
	proof, err := bundle.ParseConsistency(answer)
	if err != nil {
		return err
	}
	if err := merkle.CheckConsistency(proof.Path, older.Size, older.Root, newer.Size, newer.Root); err != nil {
		return &backup.ContradictionError{What: fmt.Sprintf("the server's trail does not go on from the newest backup in %s, of %d entries: %v", b.to, older.Size, err)}
	}
	return nil
}

// tamperError is evidence that is about one thing: exit code 3.
type tamperError struct{ error }

func (e tamperError) Unwrap() error { return e.error }

// contradicted marks what shows that a trail or a backup is not what it was.
func contradicted(err error) error {
	if _, is := errors.AsType[*backup.ContradictionError](err); is {
		return tamperError{err}
	}
	if _, is := errors.AsType[*backup.CorruptError](err); is {
		return tamperError{err}
	}
	return err
}

// sized counts what is read.
type sized struct {
	r io.Reader
	n *int64
}

func (s *sized) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	*s.n += int64(n)
	return n, err
}

// bar shows on a terminal how far it has come.
func (b *backingUp) bar() (show func(done, total int64), done func()) {
	if !isTerminal(b.stderr) {
		return nil, func() {}
	}
	bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(b.stderr), progressbar.OptionSetDescription(b.to),
		progressbar.OptionShowBytes(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	return func(done, total int64) {
		if bar.GetMax64() != total {
			bar.ChangeMax64(total)
		}
		// A bar that cannot be drawn is no reason to stop.
		_ = bar.Set64(done)
	}, func() { _ = bar.Finish() }
}

// backedUp is what is printed as JSON.
type backedUp struct {
	Path      string    `json:"path"`
	Origin    string    `json:"origin"`
	TreeSize  uint64    `json:"tree_size"`
	TakenAt   time.Time `json:"taken_at"`
	Files     int       `json:"files"`
	Bytes     int64     `json:"bytes"`
	SentBytes int64     `json:"sent_bytes"`
}

func (b *backingUp) print(w io.Writer, output string) error {
	p := &b.kept.Plan
	out := backedUp{Path: b.kept.Path, Origin: p.Origin, TreeSize: p.TreeSize, TakenAt: p.TakenAt, Files: len(p.Files), SentBytes: b.sent}
	for _, f := range p.Files {
		out.Bytes += f.Size
	}
	if output == "json" {
		return printJSON(w, out)
	}
	_, err := fmt.Fprintf(w, "%d entries of %s are in %s: %d files of %d bytes; %d bytes were sent\n",
		out.TreeSize, visible(out.Origin), out.Path, out.Files, out.Bytes, out.SentBytes)
	return err
}
