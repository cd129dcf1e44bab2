package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"countersign/identity"
	"countersign/store"
)

func newFsck() *cobra.Command {
	var data string
	var rebuild bool
	cmd := &cobra.Command{
		Use:   "fsck",
		Short: "Look for damage in the data directory of a stopped server",
		Long: `Fsck looks at every byte of a data directory: it holds each file to its checksums, and what is made from the entries,
which is indexes, ids, state and the hashes of the tree, to the entries. It prints what is damaged, where, and how many
entries that costs. It changes nothing. The server must be stopped.

With --rebuild-indexes it then makes again what is made from the entries. Bodies, salts and log are only read; if they are
damaged themselves, nothing is changed.

Fsck needs no key and trusts what the directory says of itself: it finds accidents. Whether the entries are those that were
recorded, countersign verify --data tells. Exit 0: no damage. 1: it could not be checked. 3: damage, which is named.`,
		Example: `  countersign fsck --data /var/lib/countersign
  countersign fsck --rebuild-indexes --data /var/lib/countersign`,
		Args: noArgs,
	}
	dataFlag(cmd, &data)
	cmd.Flags().BoolVar(&rebuild, "rebuild-indexes", false, "make again what is made from the entries: indexes, ids, state, the hashes of the tree")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := settleData(cmd, &data); err != nil {
			return err
		}
		if err := checkOutput(*output); err != nil {
			return err
		}
		show, done := dataBar(cmd.ErrOrStderr(), data)
		report, err := check(cmd.Context(), data, rebuild, show)
		done()
		if err != nil {
			return err
		}
		if *output == "json" {
			err = printJSON(cmd.OutOrStdout(), checkedData{data, report.OK(), report})
		} else {
			err = printCheck(cmd.OutOrStdout(), data, rebuild, report)
		}
		if err == nil && !report.OK() {
			err = damageError{uint64(len(report.Damage)) + report.More}
		}
		return err
	}
	return cmd
}

// damageError is that files are not as they were written: exit code 3. What and where has been printed.
type damageError struct{ places uint64 }

func (e damageError) Error() string { return fmt.Sprintf("damage in %d places", e.places) }

// checkedData is what is printed as JSON.
type checkedData struct {
	Checked string `json:"data"`
	Whole   bool   `json:"whole"`
	*store.CheckReport
}

func check(ctx context.Context, data string, rebuild bool, show func(done, total int64)) (*store.CheckReport, error) {
	look := store.Check
	if rebuild {
		look = store.RebuildIndexes
	}
	report, err := look(ctx, data, store.CheckOptions{Control: identity.Check, Progress: show})
	if err != nil && ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	return report, err
}

// dataBar shows on a terminal how far a directory was looked at.
func dataBar(stderr io.Writer, what string) (show func(done, total int64), end func()) {
	if !isTerminal(stderr) {
		return nil, func() {}
	}
	bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(stderr), progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	return func(done, total int64) {
		if bar.GetMax64() != total {
			bar.ChangeMax64(total)
		}
		_ = bar.Set64(done) // a bar that cannot be drawn is no reason to stop
	}, func() { _ = bar.Finish() }
}

// printCheck prints a report for people: what was looked at, what is damaged, and what to do.
func printCheck(w io.Writer, data string, rebuilt bool, r *store.CheckReport) error {
	if len(r.Parts) == 0 {
		fmt.Fprintf(w, "%s: what else is in it only the manifest says\n\n", visible(data))
		return printDamage(w, data, r)
	}
	fmt.Fprintf(w, "%s: %d entries, %d of them sealed\n\n", visible(data), r.Entries, r.Sealed)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PART\tFILES\tBYTES")
	for _, p := range r.Parts {
		fmt.Fprintf(t, "%s\t%d\t%d\n", p.Part, p.Files, p.Bytes)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, n := range r.Notes {
		fmt.Fprintln(w, visible(n))
	}
	switch {
	case !r.OK():
		return printDamage(w, data, r)
	case rebuilt:
		fmt.Fprintln(w, "Indexes, ids, state and the hashes of the tree are made again. Every file is as it was written.")
	default:
		fmt.Fprintln(w, "Every file is as it was written.")
	}
	return nil
}

func printDamage(w io.Writer, data string, r *store.CheckReport) error {
	fmt.Fprintf(w, "%s\n\n", screenOf(w).paint(red, "DAMAGE"))
	derived, given := 0, 0
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, d := range r.Damage {
		where, costs := d.File, ""
		if d.Offset != nil {
			where += fmt.Sprintf(" at byte %d", *d.Offset)
		}
		switch {
		case d.Entries == 1:
			costs = fmt.Sprintf("entry %d", d.First)
		case d.Entries > 1:
			costs = fmt.Sprintf("entries %d to %d", d.First, d.First+d.Entries-1)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", visible(where), costs, visible(d.What))
		if d.Derived {
			derived++
		} else {
			given++
		}
	}
	if r.More > 0 {
		fmt.Fprintf(t, "  and %d more\n", r.More)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var next []string
	if given > 0 || r.More > 0 {
		next = append(next, "Keep the directory as it is, look at the disk, and restore a backup (docs/troubleshooting.md).")
	} else {
		next = append(next, fmt.Sprintf("All of this is made from the entries, which are whole: countersign fsck --rebuild-indexes --data %s makes it again.", visible(data)))
	}
	if given > 0 && derived > 0 {
		next = append(next, "Indexes, ids, state and the hashes of the tree can be made again when the rest is whole.")
	}
	_, err := fmt.Fprintf(w, "\n%s\n", strings.Join(next, "\n"))
	return err
}
