package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"countersign/client"
	"countersign/collect"
	"countersign/event"
)

// asideShown is how many of the records that were set aside are told of on the terminal.
const asideShown = 20

func newImport() *cobra.Command {
	var o collect.Options
	var asideFile string
	var strict bool
	cmd := &cobra.Command{
		Use:   "import FILE...|-",
		Short: "Import events from files: our own NDJSON or saved answers of a vendor's API",
		Long: `Import reads our own NDJSON or the saved answers of a vendor's API (a page, an array of pages, or one
record a line; gzip is recognised) and sends the events to the server. Importing a file again records
nothing twice. A record that cannot become an event is set aside, reported, and passed over: docs/import.md.`,
		Example: `  countersign import --format digicert-one page-*.json
  countersign import --format discovery --account 5153184 --aside bad.ndjson auditlog.json
  zcat events.ndjson.gz | countersign import --format native -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return misused("nothing to import: name files, or - for standard input")
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Format, "format", "", strings.Join(collect.Formats(), ", ")+" (required)")
	f.StringVar(&o.Source, "source", "", "source of the events, in place of the usual one of the format")
	f.StringVar(&o.Account, "account", "", "account of records that name none")
	f.StringVar(&asideFile, "aside", "", "write records that are set aside to this file, one JSON object a line")
	f.BoolVar(&strict, "strict", false, "exit 1 when a record was set aside")
	connect, output := serverFlags(cmd), outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		if err := checkOutput(*output); err != nil {
			return err
		}
		c, err := connect()
		if err != nil {
			return err
		}
		defer c.Close()
		if o.Format == "" {
			return misused("--format is required: one of %s", strings.Join(collect.Formats(), ", "))
		}
		aside, err := openAside(asideFile, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		o.Aside = aside
		o.Send = sender(c)
		total, err := importFiles(cmd, o, files)
		err = errors.Join(err, aside.close())
		if printErr := printImport(cmd.OutOrStdout(), *output, total); printErr != nil {
			return errors.Join(err, printErr)
		}
		if err == nil && strict && total.Aside > 0 {
			return fmt.Errorf("%d records were set aside", total.Aside)
		}
		return err
	}
	return cmd
}

func sender(c *client.Client) collect.Send {
	return func(ctx context.Context, events []event.Event) (accepted, duplicates int, err error) {
		r, err := c.Append(ctx, events)
		return r.Accepted, r.Duplicates, err
	}
}

func importFiles(cmd *cobra.Command, o collect.Options, files []string) (total collect.Result, err error) {
	stderr := cmd.ErrOrStderr()
	var bar *progressbar.ProgressBar
	if isTerminal(stderr) {
		o.Progress = func(n int64) { _ = bar.Set64(n) } // a bar that cannot be drawn is no reason to stop
	}
	o.Waiting = func(w collect.Wait) {
		fmt.Fprintf(stderr, "waiting %s to send again: %v\n", w.For.Round(time.Millisecond), w.Cause)
	}
	im, err := collect.New(o)
	if err != nil {
		return total, usageError{err}
	}
	for _, name := range files {
		in, size, err := openInput(cmd.InOrStdin(), name)
		if err != nil {
			return total, fmt.Errorf("import %w", err)
		}
		if o.Progress != nil {
			bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(stderr), progressbar.OptionSetDescription(name),
				progressbar.OptionShowBytes(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
		}
		r, err := im.Import(cmd.Context(), name, in)
		total.Add(r)
		if bar != nil {
			_ = bar.Finish()
		}
		if err := errors.Join(err, in.Close()); err != nil {
			return total, fmt.Errorf("import %s: %w", name, err)
		}
	}
	return total, nil
}

// openInput opens a file, or standard input for "-". The size is -1 when it is not known.
func openInput(stdin io.Reader, name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(stdin), -1, nil
	}
	f, err := os.Open(name)
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, 0, fmt.Errorf("%s: %w", name, pathErr.Err)
	}
	if err != nil {
		return nil, 0, err
	}
	size := int64(-1)
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	return f, size, nil
}

func printImport(w io.Writer, output string, r collect.Result) error {
	if output == "json" {
		return printJSON(w, map[string]int64{"read": r.Read, "accepted": r.Accepted, "duplicates": r.Duplicates, "aside": r.Aside})
	}
	_, err := fmt.Fprintf(w, "%d records read: %d recorded, %d known already, %d set aside\n", r.Read, r.Accepted, r.Duplicates, r.Aside)
	return err
}

// aside takes the lines of records that are set aside: all of them into the file, if there is one, and the
// first few to the terminal.
type aside struct {
	file  *os.File
	tell  io.Writer
	lines int
}

func openAside(name string, tell io.Writer) (*aside, error) {
	a := &aside{tell: tell}
	if name == "" {
		return a, nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the file for records set aside: %w", err)
	}
	a.file = f
	return a, nil
}

// Write gets one line at a time.
func (a *aside) Write(line []byte) (int, error) {
	a.lines++
	switch {
	case a.lines <= asideShown:
		fmt.Fprintf(a.tell, "set aside: %s\n", shorten(line))
	case a.lines == asideShown+1:
		fmt.Fprintln(a.tell, "set aside: more; --aside FILE keeps them all")
	}
	if a.file == nil {
		return len(line), nil
	}
	return a.file.Write(line)
}

// shorten cuts the record off a line: it may be long and is in the input anyway.
func shorten(line []byte) []byte {
	if i := bytes.Index(line, []byte(`,"record`)); i > 0 {
		return append(bytes.Clone(line[:i]), '}')
	}
	return bytes.TrimSpace(line)
}

func (a *aside) close() error {
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}
