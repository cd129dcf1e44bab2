// Command bench measures Countersign beside PostgreSQL and SQLite: the same events, the same questions, one
// table. README.md says how it is run and what the figures mean.
//
// Terms. A question is asked of every engine in one or more ways that differ in their parameters; a line of the
// report is a question at one place (its first, a middle and its last page). A disagreement is an answer that is
// not the first engine's, in its total or in a row.
//
// Promises. The same events for the same seed. Every process that it starts has ended when it ends, also after
// Ctrl-C, and every file that it made is gone unless it is to be kept. Times never make it fail; a disagreement
// does.
//
// Exit codes: 0 done, 1 failed or a wrong answer, 2 misused.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

const (
	exitFailed  = 1
	exitMisused = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with its surroundings handed in.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, output, err := parse(args, stderr)
	if errors.Is(err, pflag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitMisused
	}
	began := time.Now()
	c.say = func(format string, args ...any) {
		fmt.Fprintf(stderr, "%6.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	r, err := c.run(ctx)
	if ctx.Err() != nil {
		fmt.Fprintln(stderr, "bench: interrupted")
		return exitFailed
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	if output == "json" {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		err = e.Encode(r)
	} else {
		_, err = io.WriteString(stdout, r.text())
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	if len(r.Disagreement) > 0 {
		fmt.Fprintf(stderr, "bench: %d wrong answers\n", len(r.Disagreement))
		return exitFailed
	}
	return 0
}

// The engines by the names that the command line has for them.
const (
	countersignEngine = "Countersign"
	flagCountersign   = "countersign"
	flagPostgres      = "postgres"
	flagSQLite        = "sqlite"
)

// parse reads the command line.
func parse(args []string, stderr io.Writer) (config, string, error) {
	c := config{}
	var output, questions string
	f := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&c.events, "events", 1_000_000, "how many events")
	f.Uint64Var(&c.seed, "seed", 1, "what the events are drawn from")
	f.StringSliceVar(&c.engines, "engines", []string{flagCountersign, flagPostgres, flagSQLite}, "which engines")
	f.StringVar(&questions, "questions", "", "only those whose API and name match this regular expression; - for none")
	f.DurationVar(&c.long, "time", 3*time.Second, "how long each engine is asked for a line of the report")
	f.IntVar(&c.runs, "runs", 500, "how often at most")
	f.IntVar(&c.connections, "connections", 8, "how many connections load events into Countersign")
	f.IntVar(&c.writers, "writers", 64, "how many writers of single events there are after that")
	f.StringVar(&c.repo, "repo", "..", "the repository that the server is built from")
	f.StringVar(&c.binary, "binary", "", "a server to measure in place of that")
	f.StringVar(&c.dir, "dir", "", "where to make the working directory (default: that of the system for such)")
	f.BoolVar(&c.keep, "keep", false, "keep the working directory")
	f.StringVar(&c.profiles, "profiles", "", "write profiles of the server to this directory")
	f.StringVar(&output, "output", "text", "text or json")
	if err := f.Parse(args); err != nil {
		return c, "", err
	}
	for _, e := range c.engines {
		if !slices.Contains([]string{flagCountersign, flagPostgres, flagSQLite}, e) {
			return c, "", fmt.Errorf("--engines is of %s, %s and %s, not %q", flagCountersign, flagPostgres, flagSQLite, e)
		}
	}
	switch {
	case f.NArg() > 0:
		return c, "", fmt.Errorf("takes no arguments, got %q", strings.Join(f.Args(), " "))
	case c.events < 1:
		return c, "", errors.New("--events must be at least 1")
	case len(c.engines) == 0:
		return c, "", errors.New("--engines names none")
	case c.connections < 1 || c.writers < 1 || c.runs < 1:
		return c, "", errors.New("--connections, --writers and --runs must be at least 1")
	case output != "text" && output != "json":
		return c, "", fmt.Errorf("--output is text or json, not %q", output)
	case c.profiles != "" && c.binary != "":
		return c, "", errors.New("--profiles needs a server that is built for it, so it does not go with --binary")
	}
	var err error
	c.questions, err = regexp.Compile(questions)
	c.none = questions == "-"
	return c, output, err
}
