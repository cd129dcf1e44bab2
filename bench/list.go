package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"countersign/bench/engine"
	"countersign/bench/made"
	"countersign/event"
)

// list asks for a page of entries.
type list struct {
	who    engine.Who
	method string // "" for GET
	// path is that of the page; body is sent with POST.
	path func(offset uint64, limit int) string
	body func(offset uint64, limit int) []byte
	head map[string]string
	rows func(a engine.Answer) (answer, error)

	where func(t engine.Table) string
	order func(t engine.Table) string
	show  func(e *event.Entry) string
}

func (l list) request(ctx context.Context, c *engine.Countersign, offset uint64, limit int) (*http.Request, error) {
	var body []byte
	if l.body != nil {
		body = l.body(offset, limit)
	}
	r, err := c.Request(ctx, l.method, l.path(offset, limit), l.who, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, value := range l.head {
		r.Header.Set(name, value)
	}
	return r, nil
}

func (l list) read(a engine.Answer) (answer, error) {
	if a.Status != http.StatusOK {
		return answer{}, refused(a)
	}
	return l.rows(a)
}

// refused tells what was answered in place of 200.
func refused(a engine.Answer) error {
	if a.Status == http.StatusNotFound || a.Status == http.StatusMethodNotAllowed {
		return errNotOffered
	}
	return fmt.Errorf("answered %d %s", a.Status, bytes.TrimSpace(a.Body[:min(len(a.Body), 300)]))
}

func (l list) sql(ctx context.Context, t engine.Table, offset uint64, limit int) (answer, error) {
	total, entries, err := t.Page(ctx, l.where(t)+seenBy(l.who), l.order(t), offset, limit)
	a := answer{total: total}
	for i := range entries {
		a.rows = append(a.rows, l.show(&entries[i]))
	}
	return a, err
}

// seenBy is the restriction of a token's rights.
func seenBy(who engine.Who) string {
	if who != engine.Some {
		return ""
	}
	return " AND " + in("account_id", engine.Limited()...)
}

// in is the condition that a column has one of the values, byte for byte.
func in(column string, values ...string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = engine.Quote(v)
	}
	return column + " IN (" + strings.Join(quoted, ", ") + ")"
}

// always returns a condition that is the same for all tables.
func always(where string) func(engine.Table) string {
	return func(engine.Table) string { return where }
}

var (
	newestFirst = always("occurred_at DESC, seq DESC")
	oldestFirst = always("occurred_at ASC, seq ASC")
)

// byText is the order by a text column.
func byText(column string, desc bool) func(engine.Table) string {
	return func(t engine.Table) string { return engine.OrderByText(t.Fold, column, desc) }
}

// period is whole days of the trail, the last one included, counted from its start.
type period struct{ from, to int }

// periods are asked for in turn.
var periods = []period{{20, 26}, {3, 33}, {60, 89}, {45, 45}}

func (p period) days() (from, to string) {
	return made.Start.AddDate(0, 0, p.from).Format(time.DateOnly), made.Start.AddDate(0, 0, p.to).Format(time.DateOnly)
}

// where is the condition for the period.
func (p period) where() string {
	return fmt.Sprintf("occurred_at >= %d AND occurred_at < %d", made.Start.AddDate(0, 0, p.from).UnixMicro(), made.Start.AddDate(0, 0, p.to+1).UnixMicro())
}
