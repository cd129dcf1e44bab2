package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"countersign/bench/engine"
	"countersign/bench/made"
	"countersign/event"
)

// agentTypes are the resource types whose category has "agent" in its name.
var agentTypes = []string{"AGENT", "AGENT_SCHEDULE", "BULK_AGENT_SCHEDULE", "SENSOR", "SCAN"}

// keyfactorQuestions asks as scripts for Keyfactor Command do, with the limited token.
func keyfactorQuestions() []question {
	var agents, names []asker
	for _, p := range periods {
		from, to := made.Start.AddDate(0, 0, p.from), made.Start.AddDate(0, 0, p.to+1)
		q := fmt.Sprintf(`Category -contains "Agent" AND Timestamp -ge "%s" AND Timestamp -lt "%s"`, from.Format(time.RFC3339), to.Format(time.RFC3339))
		agents = append(agents, keyfactorList(q, "", always(in("resource_type", agentTypes...)+" AND "+p.where()), always("seq")))
	}
	for _, n := range [...]string{"www-123", "HOST-4", "user-77"} {
		names = append(names, keyfactorList(`AuditIdentifier -contains "`+n+`"`, "",
			func(t engine.Table) string { return t.Contains("resource_name", strings.ToLower(n)) }, always("seq")))
	}
	operations := keyfactorList("(Operation -eq 1 OR Operation -eq 2 OR Operation -eq 3) AND Level -eq 0", "Operation",
		always("operation IN (1, 2, 3) AND level = 0"), always("operation, seq"))
	page := func(name string, budget time.Duration, asks ...asker) question {
		return question{api: "Keyfactor", name: name, budget: budget, limit: 50, anywhere: true, asks: asks}
	}
	return []question{
		page(`category contains "Agent", dates`, budgetKeyfactor, agents...),
		page("operation and level, by operation", budgetKeyfactor, operations),
		page("identifier contains", budgetKeyfactor, names...),
	}
}

func keyfactorList(q, sort string, where, order func(engine.Table) string) list {
	ps := url.Values{"QueryString": {q}}
	if sort != "" {
		ps.Set("SortField", sort)
	}
	return list{
		who: engine.Some, head: map[string]string{"x-keyfactor-requested-with": "APIClient", "Accept": "application/json"},
		path: func(offset uint64, limit int) string {
			return "/KeyfactorAPI/Audit?" + ps.Encode() + "&PageReturned=" + pageNumber(offset, limit) + "&ReturnLimit=" + strconv.Itoa(limit)
		},
		rows: keyfactorRows, where: where, order: order, show: showKeyfactor,
	}
}

// keyfactorRow is what this vendor shows of an entry, but for the signature and what is made of the details.
type keyfactorRow struct {
	ID                  uint64
	Timestamp           string
	Category            int
	Operation           int
	Level               int
	User                string
	EntityType          string
	AuditIdentifier     *string
	ImmutableIdentifier *string
}

func keyfactorRows(a engine.Answer) (answer, error) {
	total, err := strconv.ParseUint(a.Header.Get("x-total-count"), 10, 64)
	if err != nil {
		return answer{}, fmt.Errorf("x-total-count: %w", err)
	}
	var rows []keyfactorRow
	if err := json.Unmarshal(a.Body, &rows); err != nil {
		return answer{}, err
	}
	got := answer{total: total}
	for _, r := range rows {
		got.rows = append(got.rows, shown(r))
	}
	return got, nil
}

func showKeyfactor(e *event.Entry) string {
	r := keyfactorRow{
		ID: e.Seq + 1, Timestamp: event.KeyfactorTimestamp(&e.Event), Operation: event.KeyfactorOperation(&e.Event), Level: event.KeyfactorLevel(&e.Event),
		User: event.KeyfactorUser(&e.Event),
	}
	r.Category, r.EntityType = event.KeyfactorCategory(&e.Event)
	r.AuditIdentifier, r.ImmutableIdentifier = orNull(event.KeyfactorAuditIdentifier(&e.Event)), orNull(event.KeyfactorImmutableIdentifier(&e.Event))
	return shown(r)
}

func orNull(t event.Text) *string {
	if !t.Present {
		return nil
	}
	return &t.Value
}
