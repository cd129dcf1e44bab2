package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"countersign/bench/engine"
)

// counts asks how many failures there are, on each day and of how many names, and which names have the most.
type counts struct{ who engine.Who }

func (s counts) request(ctx context.Context, c *engine.Countersign, _ uint64, _ int) (*http.Request, error) {
	return c.Request(ctx, http.MethodGet, "/api/v1/events/stats?q=outcome:%3Dfailure&interval=1d&field=actor.name&top=10", s.who, nil)
}

func (s counts) read(a engine.Answer) (answer, error) {
	if a.Status != http.StatusOK {
		return answer{}, refused(a)
	}
	var got struct {
		Total     uint64
		Histogram []struct {
			Start time.Time
			Count uint64
		}
		Field struct {
			Distinct, Null uint64
			Top            []struct {
				Value string
				Count uint64
			}
		}
	}
	if err := json.Unmarshal(a.Body, &got); err != nil {
		return answer{}, err
	}
	rows := []string{fmt.Sprintf("%d names, %d without", got.Field.Distinct, got.Field.Null)}
	for _, b := range got.Histogram {
		if b.Count > 0 { // a table has no row for an empty day
			rows = append(rows, fmt.Sprintf("%d: %d", b.Start.Unix()/(24*3600), b.Count))
		}
	}
	for _, v := range got.Field.Top {
		rows = append(rows, fmt.Sprintf("%s: %d", v.Value, v.Count))
	}
	return answer{got.Total, rows}, nil
}

func (s counts) sql(ctx context.Context, t engine.Table, _ uint64, _ int) (answer, error) {
	from := " FROM entries WHERE outcome = 'failure'" + seenBy(s.who)
	sums, err := t.Strings(ctx, "SELECT count(*), count(DISTINCT actor_name), count(*) - count(actor_name)"+from)
	if err != nil {
		return answer{}, err
	}
	total, err := strconv.ParseUint(sums[0][0], 10, 64)
	if err != nil {
		return answer{}, err
	}
	got := answer{total, []string{sums[0][1] + " names, " + sums[0][2] + " without"}}
	for _, q := range [...]string{
		"SELECT occurred_at / 86400000000, count(*)" + from + " GROUP BY 1 ORDER BY 1",
		"SELECT actor_name, count(*)" + from + " AND actor_name IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10",
	} {
		rows, err := t.Strings(ctx, q)
		if err != nil {
			return answer{}, err
		}
		for _, r := range rows {
			got.rows = append(got.rows, strings.Join(r, ": "))
		}
	}
	return got, nil
}
