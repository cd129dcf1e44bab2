package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"countersign/client"
	"countersign/report"
)

func newReport() *cobra.Command {
	cmd := &cobra.Command{
		Use: "report", Short: "Compliance reports and evidence packs", Args: noArgs,
		Long: `Report has the server make a report over a framework's requirements, with the evidence for each, and brings it as
an evidence pack that anybody checks with countersign verify. docs/reports.md is the guide.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newReportRun(), newReportFrameworks(), newReportLint(), newReportGet())
	list := reportResource()
	cmd.AddCommand(list.listCommand(), list.showCommand(), list.deleteCommand())
	schedule := scheduleResource.command()
	schedule.AddCommand(newScheduleRuns())
	cmd.AddCommand(schedule)
	return cmd
}

// reportResource is what reports have in common with other things under /api/v1.
func reportResource() resource {
	return resource{
		name: "report", plural: "reports",
		columns: []column{{"ID", "id"}, {"FRAMEWORK", "framework"}, {"FROM", "from"}, {"TO", "to"}, {"STATE", "state"}, {"BY", "by_name"}, {"CREATED", "created_at"}},
	}
}

func newReportFrameworks() *cobra.Command {
	cmd := &cobra.Command{
		Use: "frameworks", Short: "List the frameworks that come with Countersign", Args: noArgs,
		Long: `Frameworks lists those that come with this program, which are those of a server of the same version. Your own are
files of the same form: give their name to report run, and check them with report lint.`,
		Example: "  countersign report frameworks",
	}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkOutput(*output); err != nil {
			return err
		}
		all, err := report.BuiltIn()
		if err != nil {
			return err
		}
		type shown struct {
			ID           string `json:"id"`
			Version      string `json:"version"`
			Title        string `json:"title"`
			Covers       string `json:"covers"`
			Requirements int    `json:"requirements"`
			SHA256       string `json:"sha256"`
		}
		list := make([]shown, len(all))
		for i, f := range all {
			list[i] = shown{f.ID, f.Version, f.Title, f.Covers, len(f.Requirements), f.SHA256()}
		}
		if *output == "json" {
			return printJSON(cmd.OutOrStdout(), list)
		}
		t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, columnGap, ' ', 0)
		fmt.Fprintln(t, "ID\tVERSION\tREQUIREMENTS\tTITLE\tCOVERS")
		for _, f := range list {
			fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\n", f.ID, f.Version, f.Requirements, f.Title, f.Covers)
		}
		return t.Flush()
	}
	return cmd
}

func newReportLint() *cobra.Command {
	return &cobra.Command{
		Use: "lint FILE", Short: "Check a framework of your own", Args: exactArgs("a FILE"),
		Long:    `Lint names everything that is wrong with a framework's file, each with its line, and exits with 1 if there is anything.`,
		Example: "  countersign report lint house-rules.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := readFramework(args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is a framework: %s, version %s, %d requirements, %d searches\n",
				visible(args[0]), f.ID, visible(f.Version), len(f.Requirements), len(f.Searches))
			return err
		},
	}
}

// readFramework reads a framework's file. What is wrong with it is told a line each, as compilers do.
func readFramework(name string) (*report.Framework, error) {
	text, err := readSmall(name, report.MaxFrameworkBytes)
	if err != nil {
		return nil, err
	}
	f, err := report.Load(text)
	if faults, ok := errors.AsType[*report.LoadError](err); ok {
		lines := make([]string, len(faults.Faults))
		for i, fault := range faults.Faults {
			lines[i] = fmt.Sprintf("%s:%d: %s", name, fault.Line, fault.What)
		}
		return nil, errors.New(strings.Join(lines, "\n"))
	}
	return f, err
}

func newReportRun() *cobra.Command {
	var r reportRun
	cmd := &cobra.Command{
		Use: "run --framework ID|FILE --from DAY --to DAY --out DIR", Short: "Have a report made and bring it", Args: noArgs,
		Long: `Run has the server make a report and writes it to a folder: report and annexes, and evidence.zip, which has all of
it with the proofs. The period is whole days in UTC, both included. The framework is the id of one that comes with the
server, or a file of yours.

Interrupting it cancels the report. evidence.zip gets its name last, when all of it is there and on the disk.`,
		Example: `  countersign report run --framework pci-dss --from 2026-01-01 --to 2026-03-31 --out q1
  countersign report run --framework house-rules.yaml --from 2026-01-01 --to 2026-03-31 --account acme --out q1-acme
  countersign verify --key trail.vkey q1/evidence.zip`,
	}
	f := cmd.Flags()
	connect := serverFlags(cmd)
	f.StringVar(&r.framework, "framework", "", "id of a framework, or a file with one (required)")
	f.StringVar(&r.order.From, "from", "", "first day of the period, such as 2026-01-01 (required)")
	f.StringVar(&r.order.To, "to", "", "last day of the period (required)")
	f.StringArrayVar(&r.order.Accounts, "account", nil, "only this account; may be given more than once")
	f.StringVar(&r.order.Seed, "seed", "", "what the samples are drawn by; left out, it comes from the checkpoint, so that nobody chose it")
	f.StringVar(&r.out, "out", "", "folder to write to, which must be empty or not be there (required)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := r.check(); err != nil {
			return err
		}
		c, err := connect()
		if err != nil {
			return err
		}
		defer c.Close()
		r.c, r.stderr = c, cmd.ErrOrStderr()
		return r.run(cmd.Context(), cmd.OutOrStdout())
	}
	return cmd
}

// reportRun is one call of the command.
type reportRun struct {
	framework string
	order     reportOrder
	out       string

	c      *client.Client
	stderr io.Writer
}

// reportOrder is what the server is asked for.
type reportOrder struct {
	Framework     string   `json:"framework,omitempty"`
	FrameworkFile string   `json:"framework_file,omitempty"`
	From          string   `json:"from"`
	To            string   `json:"to"`
	Accounts      []string `json:"accounts,omitempty"`
	Seed          string   `json:"seed,omitempty"`
}

func (r *reportRun) check() error {
	switch {
	case r.framework == "":
		return misused("--framework is required: an id that 'countersign report frameworks' lists, or a file")
	case r.order.From == "" || r.order.To == "":
		return misused("--from and --to are required: the first and the last day of the period")
	case r.out == "":
		return misused("--out is required: the folder to write to")
	}
	for name, day := range map[string]string{"from": r.order.From, "to": r.order.To} {
		if _, err := time.Parse(time.DateOnly, day); err != nil {
			return misused("--%s %q is no day such as 2026-01-31", name, day)
		}
	}
	if r.order.From > r.order.To {
		return misused("--to %s is before --from %s", r.order.To, r.order.From)
	}
	var err error
	r.order.Framework, r.order.FrameworkFile, err = frameworkGiven(r.framework)
	return err
}

const reportsPath = "/api/v1/reports"

// run has the report made and brings it.
func (r *reportRun) run(ctx context.Context, stdout io.Writer) error {
	t, err := newTaking(r.c, r.out, r.stderr)
	if err != nil {
		return err
	}
	var job report.Job
	if err := r.c.Call(ctx, http.MethodPost, reportsPath, r.order, &job); err != nil {
		return errors.Join(explainReport(err), t.abandon())
	}
	if job, err = r.wait(ctx, job); err != nil {
		return errors.Join(err, t.abandon())
	}
	return t.take(ctx, &job, stdout)
}

// pollEvery is how often the server is asked how far it is.
const pollEvery = 250 * time.Millisecond

// wait waits until the report has ended. When it is interrupted it cancels it.
func (r *reportRun) wait(ctx context.Context, job report.Job) (report.Job, error) {
	bar := newReportBar(r.stderr)
	defer bar.done()
	for {
		switch job.State {
		case report.JobFinished:
			return job, nil
		case report.JobFailed, report.JobCancelled:
			return job, fmt.Errorf("there is no report: %s", visible(job.Reason))
		}
		bar.show(&job)
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
			return job, r.cancel(ctx, job.ID)
		}
		err := r.c.Call(ctx, http.MethodGet, reportsPath+"/"+url.PathEscape(job.ID), nil, &job)
		if ctx.Err() != nil {
			return job, r.cancel(ctx, job.ID)
		}
		if err != nil {
			return job, fmt.Errorf("%w\nthe report may still be made: countersign report get %s --out DIR", err, job.ID)
		}
	}
}

// cancel gives the report up, though the call is interrupted.
func (r *reportRun) cancel(ctx context.Context, id string) error {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	if err := r.c.Call(ctx, http.MethodDelete, reportsPath+"/"+url.PathEscape(id), nil, nil); err != nil {
		return fmt.Errorf("interrupted, and the report could not be cancelled: %w", err)
	}
	return errors.New("interrupted; the report is cancelled")
}

// explainReport turns the server's refusal of a member into words about the flag.
func explainReport(err error) error {
	r, ok := errors.AsType[*client.Refusal](err)
	if !ok {
		return err
	}
	flags := map[string]string{"framework": "--framework", "framework_file": "--framework", "from": "--from", "to": "--to", "accounts": "--account", "seed": "--seed"}
	if flag := flags[r.Problem.Field]; flag != "" {
		return fmt.Errorf("%s: %w", flag, err)
	}
	return err
}

// reportBar shows on a terminal how far a report is.
type reportBar struct{ bar *progressbar.ProgressBar }

func newReportBar(stderr io.Writer) *reportBar {
	if !isTerminal(stderr) {
		return &reportBar{}
	}
	return &reportBar{progressbar.NewOptions64(-1, progressbar.OptionSetWriter(stderr), progressbar.OptionShowCount(), progressbar.OptionSetItsString("rows"),
		progressbar.OptionShowIts(), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())}
}

func (b *reportBar) show(job *report.Job) {
	if b.bar == nil {
		return
	}
	// A bar that cannot be drawn is no reason to stop.
	b.bar.Describe(string(job.State))
	if p := job.Progress; p != nil {
		b.bar.Describe(p.Phase)
		if p.Total > 0 {
			b.bar.ChangeMax64(int64(p.Total))
			_ = b.bar.Set64(int64(p.Done))
		}
	}
	_ = b.bar.RenderBlank()
}

func (b *reportBar) done() {
	if b.bar != nil {
		_ = b.bar.Finish()
	}
}

func newReportGet() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "get ID --out DIR", Short: "Bring a report that is made", Args: exactArgs("an ID"),
		Example: "  countersign report list\n  countersign report get 0197a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b --out q1",
	}
	connect := serverFlags(cmd)
	cmd.Flags().StringVar(&out, "out", "", "folder to write to, which must be empty or not be there (required)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if out == "" {
			return misused("--out is required: the folder to write to")
		}
		c, err := connect()
		if err != nil {
			return err
		}
		defer c.Close()
		var job report.Job
		if err := c.Call(cmd.Context(), http.MethodGet, reportsPath+"/"+url.PathEscape(args[0]), nil, &job); err != nil {
			return err
		}
		if job.State != report.JobFinished {
			return fmt.Errorf("the report is %s: it has no pack", job.State)
		}
		t, err := newTaking(c, out, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		return t.take(cmd.Context(), &job, cmd.OutOrStdout())
	}
	return cmd
}

// emptyFolder makes a folder, or takes one that is there and empty. made tells that it was not there.
func emptyFolder(name string) (made bool, err error) {
	entries, err := os.ReadDir(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return true, os.MkdirAll(name, 0o700)
	case err != nil:
		return false, err
	case len(entries) > 0:
		return false, fmt.Errorf("%s: there is something in it already (%s): choose another folder", name, visible(entries[0].Name()))
	}
	return false, nil
}
