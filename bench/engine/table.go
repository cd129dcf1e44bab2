package engine

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"countersign/event"
)

// columns are those of the table, in order. Times are microseconds since 1970. operation and level are derived
// as one vendor shows them: an administrator would store them rather than compute them for every row.
var columns = []struct {
	name, kind string
	value      func(e *event.Entry) any // int64, string or nil
}{
	{"seq", "bigint", func(e *event.Entry) any { return int64(e.Seq) }},
	{"received_at", "bigint", func(e *event.Entry) any { return int64(e.OccurredAt) }},
	{"recorded_by", "text", func(e *event.Entry) any { return "bench" }},
	{"id", "text", func(e *event.Entry) any { return e.ID }},
	{"occurred_at", "bigint", func(e *event.Entry) any { return int64(e.OccurredAt) }},
	{"account_id", "text", func(e *event.Entry) any { return e.Account.ID }},
	{"account_name", "text", func(e *event.Entry) any { return orNull(e.Account.Name) }},
	{"division_id", "text", func(e *event.Entry) any { return orNull(e.Division.ID) }},
	{"division_name", "text", func(e *event.Entry) any { return orNull(e.Division.Name) }},
	{"actor_id", "text", func(e *event.Entry) any { return orNull(e.Actor.ID) }},
	{"actor_name", "text", func(e *event.Entry) any { return orNull(e.Actor.Name) }},
	{"actor_type", "text", func(e *event.Entry) any { return e.Actor.Type }},
	{"action", "text", func(e *event.Entry) any { return e.Action }},
	{"resource_type", "text", func(e *event.Entry) any { return e.Resource.Type }},
	{"resource_id", "text", func(e *event.Entry) any { return orNull(e.Resource.ID) }},
	{"resource_name", "text", func(e *event.Entry) any { return orNull(e.Resource.Name) }},
	{"outcome", "text", func(e *event.Entry) any { return e.Outcome }},
	{"description", "text", func(e *event.Entry) any { return orNull(e.Description) }},
	{"detail", "text", func(e *event.Entry) any { return orNull(e.Detail) }},
	{"client_ip", "text", func(e *event.Entry) any { return orNull(e.Client.IP) }},
	{"client_country", "text", func(e *event.Entry) any { return orNull(e.Client.Country) }},
	{"source", "text", func(e *event.Entry) any { return e.Source }},
	{"attributes", "jsonb", attributesOf},
	{"operation", "smallint", func(e *event.Entry) any { return int64(event.KeyfactorOperation(&e.Event)) }},
	{"level", "smallint", func(e *event.Entry) any { return int64(event.KeyfactorLevel(&e.Event)) }},
}

var columnNames = func() []string {
	var names []string
	for _, c := range columns {
		names = append(names, c.name)
	}
	return names
}()

func orNull(t event.Text) any {
	if !t.Present {
		return nil
	}
	return t.Value
}

func attributesOf(e *event.Entry) any {
	if len(e.Attributes) == 0 {
		return nil
	}
	m := map[string]string{}
	for _, a := range e.Attributes {
		m[a.Name] = a.Value
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // of texts there is nothing that cannot be marshalled
	}
	return string(b)
}

// createTable returns the statement that makes the table.
func createTable() string {
	var b strings.Builder
	b.WriteString("CREATE TABLE entries (")
	for i, c := range columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.name + " " + c.kind)
		if i == 0 {
			b.WriteString(" PRIMARY KEY")
		}
	}
	b.WriteString(")")
	return b.String()
}

// indexes returns the statements that make the indexes; byActor is the order of the one over names.
func indexes(byActor string) []string {
	return []string{
		"CREATE UNIQUE INDEX by_id ON entries (account_id, source, id)",
		"CREATE INDEX by_time ON entries (occurred_at, seq)",
		"CREATE INDEX by_account ON entries (account_id, occurred_at, seq)",
		"CREATE INDEX by_action ON entries (action, outcome, occurred_at, seq)",
		"CREATE INDEX by_type ON entries (resource_type, occurred_at, seq)",
		"CREATE INDEX by_actor ON entries (" + byActor + ")",
		"CREATE INDEX by_operation ON entries (operation, seq)",
	}
}

// OrderByText returns the order of the trail by a text: without regard to case, then by bytes, then by seq,
// absent values first, all of it the other way round when desc.
func OrderByText(fold func(column string) string, column string, desc bool) string {
	if desc {
		return fold(column) + " DESC NULLS LAST, " + column + " DESC NULLS LAST, seq DESC"
	}
	return fold(column) + " ASC NULLS FIRST, " + column + " ASC NULLS FIRST, seq ASC"
}

// Quote returns a text as an SQL literal.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// database is what the SQL engines have in common.
type database struct{ db *sql.DB }

// Page counts and fetches as an API would that shows both. The rows are found by the index alone where that is
// possible, and only those of the page are read: a good query for deep pages.
func (d database) Page(ctx context.Context, where, order string, offset uint64, limit int) (total uint64, entries []event.Entry, err error) {
	if err := d.db.QueryRowContext(ctx, "SELECT count(*) FROM entries WHERE "+where).Scan(&total); err != nil {
		return 0, nil, fmt.Errorf("count where %s: %w", where, err)
	}
	query := fmt.Sprintf("SELECT %s FROM (SELECT seq AS found FROM entries WHERE %s ORDER BY %s LIMIT %d OFFSET %d) page JOIN entries ON seq = found ORDER BY %s",
		strings.Join(columnNames, ", "), where, order, limit, offset, order)
	rows, err := d.db.QueryContext(ctx, query)
	if err != nil {
		return 0, nil, fmt.Errorf("%s: %w", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		e, err := scan(rows)
		if err != nil {
			return 0, nil, fmt.Errorf("%s: %w", query, err)
		}
		entries = append(entries, e)
	}
	return total, entries, rows.Err()
}

// scan reads a row as an entry.
func scan(rows *sql.Rows) (event.Entry, error) {
	values := make([]sql.NullString, len(columns))
	places := make([]any, len(columns))
	for i := range values {
		places[i] = &values[i]
	}
	var e event.Entry
	var occurred, received int64
	var operation, level int
	places[0], places[1], places[4] = &e.Seq, &received, &occurred
	places[len(places)-2], places[len(places)-1] = &operation, &level
	if err := rows.Scan(places...); err != nil {
		return e, err
	}
	text := func(i int) event.Text { return event.Text{Value: values[i].String, Present: values[i].Valid} }
	e.OccurredAt, e.ID = event.Micros(occurred), values[3].String
	e.Account = event.Account{ID: values[5].String, Name: text(6)}
	e.Division = event.Division{ID: text(7), Name: text(8)}
	e.Actor = event.Actor{ID: text(9), Name: text(10), Type: values[11].String}
	e.Action = values[12].String
	e.Resource = event.Resource{Type: values[13].String, ID: text(14), Name: text(15)}
	e.Outcome, e.Description, e.Detail = values[16].String, text(17), text(18)
	e.Client = event.Client{IP: text(19), Country: text(20)}
	e.Source = values[21].String
	if values[22].Valid {
		m := map[string]string{}
		if err := json.Unmarshal([]byte(values[22].String), &m); err != nil {
			return e, err
		}
		for _, name := range slices.Sorted(maps.Keys(m)) {
			e.Attributes = append(e.Attributes, event.Attribute{Name: name, Value: m[name]})
		}
	}
	return e, nil
}

// Strings returns the answer of any query as texts.
func (d database) Strings(ctx context.Context, query string) ([][]string, error) {
	rows, err := d.db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", query, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var all [][]string
	for rows.Next() {
		row := make([]string, len(names))
		places := make([]any, len(names))
		for i := range row {
			places[i] = &row[i]
		}
		if err := rows.Scan(places...); err != nil {
			return nil, fmt.Errorf("%s: %w", query, err)
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// Insert adds entries that are not there yet.
func (d database) Insert(ctx context.Context, entries []event.Entry) error {
	var places []string
	for i := range columns {
		places = append(places, fmt.Sprintf("$%d", i+1))
	}
	insert := fmt.Sprintf("INSERT INTO entries (%s) VALUES (%s) ON CONFLICT (seq) DO NOTHING", strings.Join(columnNames, ", "), strings.Join(places, ", "))
	for i := range entries {
		if _, err := d.db.ExecContext(ctx, insert, rowOf(&entries[i])...); err != nil {
			return fmt.Errorf("insert an entry: %w", err)
		}
	}
	return nil
}

func rowOf(e *event.Entry) []any {
	row := make([]any, len(columns))
	for i, c := range columns {
		row[i] = c.value(e)
	}
	return row
}
