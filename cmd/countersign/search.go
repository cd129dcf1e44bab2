package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"countersign/client"
	"countersign/event"
)

func newSearch() *cobra.Command {
	var o searchOptions
	cmd := &cobra.Command{
		Use:   "search [QUERY...]",
		Short: "Find entries of the trail",
		Long: `Search prints the entries that a search text finds, the newest first; without a text all of them. The words of
QUERY are put together with blanks. A text with quotes or parentheses, or that begins with -, is best given
as one argument in single quotes, after --. The language is described in docs/search-text.md.

A table shows values without control characters and, on a terminal, cut to its width. JSON, NDJSON and CSV
have them whole.`,
		Example: `  countersign search action:LOGIN_ERROR --from 2026-01-01 --to 2026-03-31
  countersign search --columns occurred_at,actor.name,attributes.ticket 'resource.type:(USER,APIKEY) -outcome:success'
  countersign search --all --output csv source:^keyfactor/ > keyfactor.csv
  countersign search -- '-client.country:null'`,
		ValidArgsFunction: completeQuery,
	}
	f := cmd.Flags()
	connect, wanted := serverFlags(cmd), queryFlags(cmd)
	f.StringVar(&o.sort, "sort", "", "FIELD:asc or FIELD:desc; occurred_at:desc when left out")
	f.Uint64Var(&o.limit, "limit", 50, "how many entries at most")
	f.BoolVar(&o.all, "all", false, "all entries, at one tree size")
	f.StringSliceVar(&o.columns, "columns", nil, "what a table or CSV shows, by the names of fields")
	f.StringVar(&o.output, "output", "table", "table, json, ndjson or csv")
	completeFlag(cmd, "output", "table", "json", "ndjson", "csv")
	completeSort(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.all && cmd.Flags().Changed("limit") {
			return misused("--all and --limit exclude each other")
		}
		q, err := wanted(args)
		if err != nil {
			return err
		}
		q.Sort = o.sort
		p, err := o.printer(cmd)
		if err != nil {
			return err
		}
		c, err := connect()
		if err != nil {
			return err
		}
		defer c.Close()
		return explainQuery(o.search(cmd.Context(), c, q, p), q)
	}
	return cmd
}

// queryFlags adds the flags that say which entries are meant.
func queryFlags(cmd *cobra.Command) func(args []string) (client.Query, error) {
	var q client.Query
	var asOf string
	f := cmd.Flags()
	f.StringVar(&q.From, "from", "", "first moment: a date, which means the whole day in UTC, or an RFC 3339 time")
	f.StringVar(&q.To, "to", "", "last moment")
	f.StringVar(&asOf, "as-of", "", "answer from the first so many entries of the trail")
	text := searchText(cmd)
	return func(args []string) (client.Query, error) {
		var err error
		if q.Text, err = text(args); err != nil {
			return q, err
		}
		if asOf != "" {
			n, err := strconv.ParseUint(asOf, 10, 64)
			if err != nil {
				return q, misused("--as-of %q: must be a whole number, as the tree size of an earlier answer is", asOf)
			}
			q.AsOf = &n
		}
		return q, nil
	}
}

// searchText adds the flag for a search text, which may as well be given as arguments: scripts like one, fingers the
// other.
func searchText(cmd *cobra.Command) func(args []string) (string, error) {
	text := cmd.Flags().String("q", "", "the search text, in place of QUERY")
	hyphenHint(cmd)
	return func(args []string) (string, error) {
		switch {
		case !cmd.Flags().Changed("q"):
			return strings.Join(args, " "), nil
		case len(args) > 0:
			return "", misused("a search text is given twice: with --q and as %q", strings.Join(args, " "))
		}
		return *text, nil
	}
}

// hyphenHint tells how to give a search text that looks like a flag.
func hyphenHint(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return misused("%w\na search text that begins with - goes last, after --: %s -- '-outcome:success'", err, cmd.CommandPath())
	})
}

type searchOptions struct {
	sort    string
	limit   uint64
	all     bool
	columns []string
	output  string
}

// entryPrinter prints what a search finds.
type entryPrinter interface {
	begin(first *client.Page) error
	rows(entries []client.Entry) error
	end(first *client.Page, printed uint64) error
}

func (o *searchOptions) printer(cmd *cobra.Command) (entryPrinter, error) {
	out, names := cmd.OutOrStdout(), o.columns
	if len(names) == 0 {
		if names = tableColumns; o.output == "csv" {
			names = exportColumns
		}
	}
	columns, err := columnsOf(names)
	if err != nil {
		return nil, err
	}
	if len(o.columns) > 0 && (o.output == "json" || o.output == "ndjson") {
		return nil, misused("--columns goes with --output table or csv")
	}
	switch o.output {
	case "table":
		return &tablePrinter{table{w: out, screen: screenOf(out), columns: columns}, cmd.ErrOrStderr()}, nil
	case "json":
		return &jsonPrinter{w: out}, nil
	case "ndjson":
		return &linePrinter{out}, nil
	case "csv":
		return &csvPrinter{out, columns, screenOf(out).width > 0}, nil
	}
	return nil, misused("--output is table, json, ndjson or csv, not %q", o.output)
}

func (o *searchOptions) search(ctx context.Context, c *client.Client, q client.Query, p entryPrinter) error {
	var first client.Page
	printed := uint64(0)
	if o.limit == 0 && !o.all {
		only, err := c.Search(ctx, q, 0, 0)
		if err != nil {
			return err
		}
		return errors.Join(p.begin(&only), p.end(&only, 0))
	}
	rows := 0
	if !o.all {
		rows = int(min(o.limit, 1000))
	}
	for page, err := range c.Pages(ctx, q, rows) {
		if err != nil {
			return err
		}
		if printed == 0 {
			first = page
			if err := p.begin(&first); err != nil {
				return err
			}
		}
		if left := o.limit - printed; !o.all && uint64(len(page.Items)) > left {
			page.Items = page.Items[:left]
		}
		if err := p.rows(page.Items); err != nil {
			return err
		}
		if printed += uint64(len(page.Items)); !o.all && printed == o.limit {
			break
		}
	}
	return p.end(&first, printed)
}

// tablePrinter is for people: a table, and below it how much of the answer it is.
type tablePrinter struct {
	table table
	notes io.Writer
}

func (p *tablePrinter) begin(*client.Page) error { return nil }

func (p *tablePrinter) rows(entries []client.Entry) error { return p.table.rows(entries) }

func (p *tablePrinter) end(first *client.Page, printed uint64) error {
	note := fmt.Sprintf("%d of %d entries, of a trail of %d", printed, first.Total, first.TreeSize)
	if printed < first.Total {
		note += "; --limit N or --all shows more"
	}
	if left := p.table.left; len(left) > 0 {
		slices.Reverse(left)
		note += fmt.Sprintf("; no room for the columns %s", strings.Join(left, ", "))
	}
	_, err := fmt.Fprintln(p.notes, note)
	return err
}

// jsonPrinter prints one object, shaped as the server's list.
type jsonPrinter struct {
	w     io.Writer
	begun bool
}

func (p *jsonPrinter) begin(first *client.Page) error {
	_, err := fmt.Fprintf(p.w, "{\n  \"total\": %d,\n  \"tree_size\": %d,\n  \"erasure_mark\": %d,\n  \"items\": [", first.Total, first.TreeSize, first.ErasureMark)
	return err
}

func (p *jsonPrinter) rows(entries []client.Entry) error {
	for i := range entries {
		b := bytes.NewBufferString(",\n    ")
		if !p.begun {
			b.Next(1)
			p.begun = true
		}
		if err := json.Indent(b, visibleJSON(entries[i].JSON), "    ", "  "); err != nil {
			return err
		}
		if _, err := p.w.Write(b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

func (p *jsonPrinter) end(*client.Page, uint64) error {
	end := "]\n}\n"
	if p.begun {
		end = "\n  " + end
	}
	_, err := io.WriteString(p.w, end)
	return err
}

// linePrinter prints NDJSON.
type linePrinter struct{ w io.Writer }

func (p *linePrinter) begin(*client.Page) error { return nil }

func (p *linePrinter) rows(entries []client.Entry) error {
	var b bytes.Buffer
	for i := range entries {
		b.Write(visibleJSON(entries[i].JSON))
		b.WriteByte('\n')
	}
	_, err := p.w.Write(b.Bytes())
	return err
}

func (p *linePrinter) end(*client.Page, uint64) error { return nil }

// csvPrinter prints CSV, which has no escapes: on a terminal what is invisible is not printed.
type csvPrinter struct {
	w        io.Writer
	columns  []entryColumn
	terminal bool
}

func (p *csvPrinter) begin(*client.Page) error {
	names := make([]event.Text, len(p.columns))
	for i, c := range p.columns {
		names[i] = event.TextOf(c.name)
	}
	_, err := io.WriteString(p.w, csvRecord(names))
	return err
}

func (p *csvPrinter) rows(entries []client.Entry) error {
	var b strings.Builder
	for i := range entries {
		cells := values(p.columns, &entries[i])
		for n := range cells {
			if p.terminal {
				cells[n].Value = visible(cells[n].Value)
			}
		}
		b.WriteString(csvRecord(cells))
	}
	_, err := io.WriteString(p.w, b.String())
	return err
}

func (p *csvPrinter) end(*client.Page, uint64) error { return nil }
