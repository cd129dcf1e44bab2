package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"countersign/merkle"
	"countersign/verify"
)

const (
	maxKeyFile  = 64 << 10
	maxNoteFile = 64 << 10
)

// evidenceError is that something is not what it should be: exit code 3. What it is has been printed.
type evidenceError struct{ findings uint64 }

func (e evidenceError) Error() string {
	return fmt.Sprintf("evidence of tampering or damage: %d findings", e.findings)
}

func newVerify() *cobra.Command {
	var v verification
	cmd := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Check a proof, an export, a pack, a data directory or two checkpoints, offline",
		Long: `Verify checks evidence without the server and without the network. It trusts the keys that you give it and nothing
else, so get them from somebody else than the evidence: countersign key show prints them where the server runs.

  FILE              the proof of an entry (text or JSON), an export that was made with --proof (NDJSON or CSV), or an
                    evidence pack (evidence.zip)
  --data DIR        a whole data directory; a server may run on it
  --from, --to      two checkpoints, with the consistency proof that connects them (--proof)

A checkpoint that you kept tells whether a directory was rolled back or written anew: give it with --checkpoint.

What holds is printed with its level: A, the rows are genuine; B, rows, queries and counts were fixed in the trail; C,
nothing of the population is missing either. Exit 0: all is as it should be. 1: it could not be checked. 3: evidence of tampering or damage; what and where is named. The page
docs/verify.md says what each proves and what it does not.`,
		Example: `  countersign verify --key trail.vkey event.tlog-proof
  countersign verify --key trail.vkey quarter.ndjson
  countersign verify --key trail.vkey evidence.zip
  countersign verify --key trail.vkey --data /var/lib/countersign --checkpoint kept-2026-01.txt
  countersign verify --key trail.vkey --from older.txt --to newer.txt --proof consistency.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return misused("verify checks one file at a time, got %q", strings.Join(args, " "))
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&v.keys, "key", nil, "file of vkeys to trust, one a line; may be given more than once (required)")
	dataFlag(cmd, &v.data)
	f.StringArrayVar(&v.kept, "checkpoint", nil, "file with a checkpoint that you kept, for --data; may be given more than once")
	f.StringVar(&v.from, "from", "", "file with the older of two checkpoints")
	f.StringVar(&v.to, "to", "", "file with the newer of two checkpoints")
	f.StringVar(&v.proof, "proof", "", "file with the consistency proof between them")
	output := outputFlag(cmd)
	f.Lookup("data").Usage = "data directory to check"
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkOutput(*output); err != nil {
			return err
		}
		if len(args) == 1 {
			v.file = args[0]
		}
		if err := v.check(); err != nil {
			return err
		}
		v.stdin, v.stderr = cmd.InOrStdin(), cmd.ErrOrStderr()
		report, err := v.run(cmd.Context())
		if err != nil {
			return err
		}
		if *output == "json" {
			err = printJSON(cmd.OutOrStdout(), verified{Checked: v.subject(), Genuine: report.OK(), Report: report})
		} else {
			err = printReport(cmd.OutOrStdout(), v.subject(), report)
		}
		if err == nil && !report.OK() {
			err = evidenceError{uint64(len(report.Findings)) + report.More}
		}
		return err
	}
	return cmd
}

// verification is one call of the command.
type verification struct {
	keys, kept      []string
	file, data      string
	from, to, proof string

	stdin  io.Reader
	stderr io.Writer
}

// verified is what is printed as JSON.
type verified struct {
	Checked string `json:"checked"`
	Genuine bool   `json:"genuine"`
	*verify.Report
}

func (v *verification) check() error {
	var subjects int
	for _, given := range []bool{v.file != "", v.data != "", v.from != "" || v.to != "" || v.proof != ""} {
		if given {
			subjects++
		}
	}
	switch {
	case subjects != 1:
		return misused("give one thing to check: a file, --data DIR, or two checkpoints with --from, --to and --proof")
	case v.file == "" && v.data == "" && (v.from == "" || v.to == "" || v.proof == ""):
		return misused("two checkpoints take --from, --to and --proof together")
	case len(v.kept) > 0 && v.data == "":
		return misused("--checkpoint goes with --data")
	case len(v.keys) == 0:
		return misused("--key is required: a file with the keys that you trust, one a line; countersign key show prints them where the server runs")
	}
	return nil
}

func (v *verification) subject() string {
	switch {
	case v.file != "":
		return v.file
	case v.data != "":
		return v.data
	}
	return v.from + " and " + v.to
}

func (v *verification) run(ctx context.Context) (*verify.Report, error) {
	var o verify.Options
	var err error
	if o.Keys, err = trustedKeys(v.keys); err != nil {
		return nil, err
	}
	var report *verify.Report
	switch {
	case v.file != "":
		report, err = v.checkFile(ctx, o)
	case v.data != "":
		report, err = v.checkData(ctx, o)
	default:
		report, err = v.checkStep(o)
	}
	if err != nil && ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.subject(), err)
	}
	return report, nil
}

// trustedKeys reads the files of keys. A key that stands in two of them is one key.
func trustedKeys(files []string) (merkle.Keys, error) {
	var lines []string
	for _, name := range files {
		b, err := readSmall(name, maxKeyFile)
		if err != nil {
			return merkle.Keys{}, err
		}
		if _, err := merkle.ParseKeys(b); err != nil {
			return merkle.Keys{}, fmt.Errorf("%s: %w", name, err)
		}
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimSpace(line); !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	return merkle.ParseKeys([]byte(strings.Join(lines, "\n")))
}

// readSmall reads a file that is at most so many bytes long.
func readSmall(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > most {
		return nil, fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return b, nil
}

func (v *verification) checkFile(ctx context.Context, o verify.Options) (*verify.Report, error) {
	if pack, size, err := openPack(v.file); err != nil {
		return nil, err
	} else if pack != nil {
		defer pack.Close()
		progress, done := v.bar(-1) // what it holds is larger than it is
		defer done()
		o.Progress = progress
		return verify.Pack(ctx, pack, size, o)
	}
	in, size, err := openInput(v.stdin, v.file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	progress, done := v.bar(size)
	defer done()
	o.Progress = progress
	return verify.File(ctx, in, o)
}

// openPack opens a file that is an archive, and returns nil for any other, also for standard input.
func openPack(name string) (f *os.File, size int64, err error) {
	if name == "-" {
		return nil, 0, nil
	}
	if f, err = os.Open(name); err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	var start [4]byte
	if err == nil && info.Mode().IsRegular() {
		if n, _ := f.ReadAt(start[:], 0); string(start[:n]) == "PK\x03\x04" {
			return f, info.Size(), nil
		}
	}
	return nil, 0, errors.Join(err, f.Close())
}

func (v *verification) checkData(ctx context.Context, o verify.Options) (*verify.Report, error) {
	for _, name := range v.kept {
		b, err := readSmall(name, maxNoteFile)
		if err != nil {
			return nil, err
		}
		c, err := merkle.ParseCheckpoint(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		o.Kept = append(o.Kept, c)
	}
	size, err := verify.DataBytes(v.data)
	if err != nil {
		size = -1 // Data says what is wrong
	}
	progress, done := v.bar(size)
	defer done()
	o.Progress = progress
	return verify.Data(ctx, v.data, o)
}

func (v *verification) checkStep(o verify.Options) (*verify.Report, error) {
	var files [3][]byte
	for i, name := range []string{v.from, v.to, v.proof} {
		var err error
		if files[i], err = readSmall(name, maxNoteFile); err != nil {
			return nil, err
		}
	}
	return verify.Consistency(files[0], files[1], files[2], o)
}

// bar shows on a terminal how far it has come.
func (v *verification) bar(size int64) (show func(int64), done func()) {
	if !isTerminal(v.stderr) {
		return nil, func() {}
	}
	bar := progressbar.NewOptions64(size, progressbar.OptionSetWriter(v.stderr), progressbar.OptionSetDescription(v.subject()),
		progressbar.OptionShowBytes(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	// A bar that cannot be drawn is no reason to stop.
	return func(n int64) { _ = bar.Set64(n) }, func() { _ = bar.Finish() }
}

// printReport prints a report for people: what was checked and by which key, what holds and what not.
func printReport(w io.Writer, subject string, r *verify.Report) error {
	fmt.Fprintf(w, "%s: %s\n\n", visible(subject), r.Subject)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, text string) { fmt.Fprintf(t, "  %s\t%s\n", visible(name), visible(text)) }
	if r.Origin != "" {
		row("trail", r.Origin)
		row("checkpoint", fmt.Sprintf("%d entries, root %s", r.TreeSize, r.Root))
		signed := strings.Join(r.SignedBy, ", ")
		if signed == "" {
			signed = "none of the keys given"
		}
		row("signed by", signed)
	}
	for _, f := range r.Facts {
		row(f.Name, f.Text)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if !r.OK() {
		return printFindings(w, r)
	}
	fmt.Fprintln(w)
	if len(r.Claims) == 0 {
		fmt.Fprintln(w, "Nothing is wrong, and there is nothing that it proves.")
	}
	for _, c := range r.Claims {
		fmt.Fprintf(w, "%s  %s\n", c.Level, visible(c.Text))
	}
	if len(r.Limits) > 0 {
		fmt.Fprint(w, "\nWhat this does not say:\n")
	}
	for _, l := range r.Limits {
		fmt.Fprintf(w, "-  %s\n", visible(l))
	}
	return nil
}

func printFindings(w io.Writer, r *verify.Report) error {
	screen := screenOf(w)
	fmt.Fprintf(w, "\n%s\n\n", screen.paint(red, "EVIDENCE OF TAMPERING OR DAMAGE"))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range r.Findings {
		where := f.Where
		if f.Seq != nil {
			where = strings.TrimPrefix(fmt.Sprintf("%s, entry %d", f.Where, *f.Seq), ", ")
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", f.Kind, visible(where), visible(f.What))
	}
	if r.More > 0 {
		fmt.Fprintf(t, "  and %d more\n", r.More)
	}
	return t.Flush()
}
