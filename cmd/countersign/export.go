package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"countersign/client"
)

func newExport() *cobra.Command {
	var x export
	cmd := &cobra.Command{
		Use:   "export [QUERY...] --out FILE",
		Short: "Write all entries that a search text finds to a file",
		Long: `Export writes every entry that a search text finds, in the order of the trail and at one tree size. The last
record of the file says that it is complete and how many entries it has.

It writes to FILE.part, and renames that only when all of it is there and on the disk. When it breaks off, the
same command with --resume goes on where it ended; the file is then the same as if it had not.

With --proof the file holds what proves each entry, and whoever has the trail's key can check it without the server:
countersign verify FILE --key KEYS. Only the export of a range of seq (seq:0..4711, or no query at all), or of all of
an account (account.id:=ID), can also prove that nothing of it is missing. Such an export begins anew when it breaks off.`,
		Example: `  countersign export --from 2026-01-01 --to 2026-03-31 --out quarter.ndjson
  countersign export --proof --out acme.ndjson account.id:=acme
  countersign export --format csv --out roles.csv resource.type:ROLE
  countersign export --resume --out quarter.ndjson
  countersign export --out - action:DELETE | gzip > deleted.ndjson.gz`,
		ValidArgsFunction: completeQuery,
	}
	f := cmd.Flags()
	connect, wanted := serverFlags(cmd), queryFlags(cmd)
	f.StringVar(&x.job.Format, "format", client.NDJSON, "ndjson or csv")
	f.StringVar(&x.out, "out", "", "file to write, - for standard output (required)")
	f.BoolVar(&x.resume, "resume", false, "go on with the export to FILE that broke off")
	f.BoolVar(&x.job.Proof, "proof", false, "with what proves the entries, for countersign verify")
	f.BoolVar(&x.force, "force", false, "write over FILE, and begin anew if there is a part of it")
	completeFlag(cmd, "format", client.NDJSON, client.CSV)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q, err := wanted(args)
		if err != nil {
			return err
		}
		if err := x.check(cmd.OutOrStdout()); err != nil {
			return err
		}
		c, err := connect()
		if err != nil {
			return err
		}
		defer c.Close()
		x.c, x.stderr = c, cmd.ErrOrStderr()
		x.job.Server = strings.TrimRight(cmd.Flag("server").Value.String(), "/")
		x.job.Text, x.job.From, x.job.To, x.job.AsOf = q.Text, q.From, q.To, q.AsOf
		x.again = cmd.Flags().Changed("format") || q != client.Query{}
		if x.out == "-" {
			_, err := c.Export(cmd.Context(), client.ExportOptions{Query: q, Format: x.job.Format, Proof: x.job.Proof}, cmd.OutOrStdout())
			return explainQuery(err, q)
		}
		return explainQuery(x.run(cmd.Context(), cmd.OutOrStdout()), q)
	}
	return cmd
}

// export is one call of the command.
type export struct {
	job           job
	out           string
	resume, force bool
	again         bool // the command line says what is to be exported, also when it resumes

	c      *client.Client
	stderr io.Writer
}

func (x *export) check(stdout io.Writer) error {
	switch {
	case x.out == "":
		return misused("--out is required: the file to write, or - for standard output")
	case x.job.Format != client.NDJSON && x.job.Format != client.CSV:
		return misused("--format is ndjson or csv, not %q", x.job.Format)
	case x.resume && x.force:
		return misused("--resume goes on with what there is, --force begins anew: give one of them")
	case x.resume && x.job.Proof:
		return misused("an export with proof cannot be gone on with: begin anew with --force")
	case x.out == "-" && (x.resume || x.force):
		return misused("--resume and --force go with a file")
	case x.out == "-" && isTerminal(stdout):
		return misused("an export is not for a terminal: give --out FILE, or use countersign search")
	}
	return nil
}

// run writes the file.
func (x *export) run(ctx context.Context, stdout io.Writer) error {
	p, total, err := x.open(ctx)
	if err != nil {
		return err
	}
	show, done := x.bar(total, p.job.Progress.Rows)
	at, err := x.c.Export(ctx, client.ExportOptions{
		Query:  p.job.query(),
		Format: p.job.Format,
		Proof:  p.job.Proof,
		From:   &p.job.Progress,
		Advanced: func(at client.Progress) {
			p.advance(at, time.Now())
			show(at.Rows)
		},
	}, p)
	done()
	p.job.Progress = at
	if err != nil {
		return x.explain(ctx, p, err)
	}
	if err := p.finish(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%d entries of a trail of %d are in %s\n", at.Rows, at.TreeSize, x.out)
	return err
}

// open makes the part, or opens that of an export that broke off, and tells how many entries there will be.
func (x *export) open(ctx context.Context) (p *part, total uint64, err error) {
	if x.resume {
		if p, err = openPart(x.out, x.job, x.again); err != nil {
			return nil, 0, err
		}
		q := p.job.query()
		q.AsOf = &p.job.Progress.TreeSize
		page, err := x.c.Search(ctx, q, 0, 0)
		if err != nil {
			return nil, 0, errors.Join(err, p.f.Close())
		}
		return p, page.Total, nil
	}
	if !x.force {
		if err := mustNotExist(x.out, "it is there already: choose another name, or --force to write over it"); err != nil {
			return nil, 0, err
		}
		if err := mustNotExist(partName(x.out), "an export to "+x.out+" broke off: --resume goes on with it, --force begins anew"); err != nil {
			return nil, 0, err
		}
	}
	// The tree size is settled before the first row, so that it holds for what a later call adds.
	page, err := x.c.Search(ctx, x.job.query(), 0, 0)
	if err != nil {
		return nil, 0, err
	}
	x.job.Progress = client.Progress{TreeSize: page.TreeSize}
	p, err = createPart(x.out, x.job, x.force)
	return p, page.Total, err
}

// bar shows on a terminal how far it has come.
func (x *export) bar(total, rows uint64) (show func(uint64), done func()) {
	if !isTerminal(x.stderr) {
		return func(uint64) {}, func() {}
	}
	bar := progressbar.NewOptions64(int64(total), progressbar.OptionSetWriter(x.stderr), progressbar.OptionSetDescription(x.out),
		progressbar.OptionShowCount(), progressbar.OptionSetItsString("entries"), progressbar.OptionShowIts(),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	// A bar that cannot be drawn is no reason to stop.
	_ = bar.Set64(int64(rows))
	return func(n uint64) { _ = bar.Set64(int64(n)) }, func() { _ = bar.Finish() }
}

// explain keeps what there is and says how to go on.
func (x *export) explain(ctx context.Context, p *part, err error) error {
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	if p.job.Progress.Bytes == 0 || p.job.Proof {
		return errors.Join(err, p.discard())
	}
	if keepErr := p.keep(); keepErr != nil {
		return errors.Join(err, keepErr)
	}
	return fmt.Errorf("%w\n%s has the first %d entries; go on with: countersign export --resume --out %s", err, partName(x.out), p.job.Progress.Rows, x.out)
}
