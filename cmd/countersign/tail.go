package main

import (
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"countersign/client"
)

// tailWidths are those of the columns of a table whose rows are not known beforehand.
var tailWidths = map[string]int{
	"seq": 8, "occurred_at": 24, "received_at": 27, "action": 16, "actor.name": 24, "resource.type": 16, "resource.name": 24, "description": 40,
}

func newTail() *cobra.Command {
	var since int64
	var columns []string
	var output string
	cmd := &cobra.Command{
		Use:   "tail [QUERY...]",
		Short: "Show entries as they are recorded",
		Long: `Tail prints the entries that a search text finds as soon as they are recorded, until it is stopped (Ctrl-C). When
the connection breaks it goes on with the next entry: nothing is missing and nothing comes twice.`,
		Example: `  countersign tail outcome:failure
  countersign tail --since-seq 0 --output ndjson source:^discovery/ | jq .action`,
		ValidArgsFunction: completeQuery,
	}
	f := cmd.Flags()
	connect := serverFlags(cmd)
	f.Int64Var(&since, "since-seq", 0, "begin with the entry of this seq; 0 is the first of the trail")
	f.StringSliceVar(&columns, "columns", tableColumns, "what the table shows, by the names of fields")
	f.StringVar(&output, "output", "table", "table or ndjson")
	completeFlag(cmd, "output", "table", "ndjson")
	text := searchText(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q, err := text(args)
		if err != nil {
			return err
		}
		o := client.StreamOptions{Text: q, Broken: func(cause error, wait time.Duration) {
			fmt.Fprintf(cmd.ErrOrStderr(), "the connection broke (%v); trying again in %s\n", cause, wait.Round(100*time.Millisecond))
		}}
		if f.Changed("since-seq") {
			if since < 0 || since == math.MaxInt64 {
				return misused("--since-seq must be 0 or more")
			}
			after := since - 1
			o.After = &after
		}
		p, err := tailPrinter(cmd, output, columns)
		if err != nil {
			return err
		}
		c, err := connect()
		if err != nil {
			return err
		}
		defer c.Close()
		err = c.Stream(cmd.Context(), o, func(e client.Entry) error { return p.rows([]client.Entry{e}) })
		if cmd.Context().Err() != nil {
			return nil // Ctrl-C is how it ends
		}
		return explainQuery(err, client.Query{Text: o.Text})
	}
	return cmd
}

// tailPrinter prints each entry at once.
func tailPrinter(cmd *cobra.Command, output string, names []string) (interface{ rows([]client.Entry) error }, error) {
	out := cmd.OutOrStdout()
	switch output {
	case "ndjson":
		if cmd.Flags().Changed("columns") {
			return nil, misused("--columns goes with --output table")
		}
		return &linePrinter{out}, nil
	case "table":
		columns, err := columnsOf(names)
		if err != nil {
			return nil, err
		}
		return &table{w: out, screen: screenOf(out), columns: columns, least: tailWidths}, nil
	}
	return nil, misused("--output is table or ndjson, not %q", output)
}
