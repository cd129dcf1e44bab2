package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"countersign/bench/engine"
	"countersign/bench/made"
	"countersign/event"
)

// ranks of the accounts that are asked for: large and small ones.
var ranks = [...]int{0, 3, 10, 40, 150}

// needles are parts of names: frequent and rare ones, one of them with a letter beyond ASCII.
var needles = [...]string{"smith", "svc-deploy-7", "müller", "Jane.", "4711"}

var actionsAndOutcomes = [...][2]string{{"UPDATE", "failure"}, {"LOGIN", "success"}, {"REVOKE", "success"}, {"DOWNLOAD", "unknown"}, {"DELETE", "failure"}}

var typeLists = [...][]string{{"CERTIFICATE", "CERTIFICATE_REQUEST"}, {"USER", "SERVICE_USER", "APIKEY"}, {"SENSOR"}, {"SSO_SAML", "BASIC_AUTH"}}

// rare is an action with about one event in 500.
const rare = "RESUME"

func nativeQuestions(t made.Trail) []question {
	var byAccount, contains, containsSome, words, scattered []asker
	for _, n := range ranks {
		id := made.AccountID(n)
		byAccount = append(byAccount, nativeList(engine.All, "account.id:="+id, newest, always(in("account_id", id)), newestFirst))
		words = append(words, nativeList(engine.All, `account.id:=`+id+` "Wrong password"`, newest, func(t engine.Table) string {
			return in("account_id", id) + " AND (" + t.Contains("description", "wrong password") + " OR " + t.Contains("detail", "wrong password") + ")"
		}, newestFirst))
	}
	for _, n := range needles {
		where := func(t engine.Table) string { return t.Contains("actor_name", strings.ToLower(n)) }
		contains = append(contains, nativeList(engine.All, "actor.name:~"+n, newest, where, newestFirst))
		containsSome = append(containsSome, nativeList(engine.Some, "actor.name:~"+n, newest, where, newestFirst))
	}
	for _, outcome := range [...]string{"", " outcome:=success"} {
		where := in("action", rare)
		if outcome != "" {
			where += " AND outcome = 'success'"
		}
		scattered = append(scattered, nativeList(engine.All, "action:="+rare+outcome, newest, always(where), newestFirst))
	}
	everything := func(who engine.Who) []asker { return []asker{nativeList(who, "", newest, always("1=1"), newestFirst)} }
	adjacent := []asker{nativeList(engine.All, "", "occurred_at:asc", always("1=1"), oldestFirst)}
	page := func(name string, asks []asker) question {
		return question{api: "native", name: name, budget: budgetPage, limit: 20, anywhere: true, asks: asks}
	}
	return []question{
		page("everything", everything(engine.All)),
		page("account", byAccount),
		page("action and status", actionAndOutcome(engine.All)),
		page("date range and types", rangeAndTypes(engine.All)),
		page("nested and, or, not", nested(engine.All)),
		page("limited token: everything", everything(engine.Some)),
		page("limited token: action and status", actionAndOutcome(engine.Some)),
		page("limited token: date range and types", rangeAndTypes(engine.Some)),
		{api: "native", name: "1,000 rows, adjacent", budget: budgetAdjacent, limit: 1000, anywhere: true, asks: adjacent},
		{api: "native", name: "1,000 rows, scattered", budget: budgetScattered, limit: 1000, asks: scattered},
		{api: "native", name: "contains over names", budget: budgetContains, scan: true, limit: 20, anywhere: true, asks: contains},
		{api: "native", name: "limited token: contains over names", budget: budgetContains, scan: true, limit: 20, asks: containsSome},
		{api: "native", name: "everything by name", budget: budgetSort, scan: true, limit: 20, anywhere: true,
			asks: []asker{nativeList(engine.All, "", "actor.name:asc", always("1=1"), byText("actor_name", false))}},
		{api: "native", name: "failures by name, downwards", budget: budgetSort, scan: true, limit: 20, anywhere: true,
			asks: []asker{nativeList(engine.All, "outcome:=failure", "actor.name:desc", always("outcome = 'failure'"), byText("actor_name", true))}},
		{api: "native", name: "words in the texts of an account", scan: true, limit: 20, asks: words},
		{api: "native", name: "one event by its id", limit: 1, asks: eventsByID(t)},
		{api: "native", name: "failures by day, the top 10 names", scan: true, asks: []asker{counts{engine.All}, counts{engine.Some}}},
		{api: "native", name: "read a filtered quarter, 1,000 rows a page", budget: budgetRead, limit: 1000, whole: true},
		{api: "native", name: "inclusion proof", budget: budgetProof, limit: 1, asks: proofs(t)},
	}
}

func actionAndOutcome(who engine.Who) (asks []asker) {
	for _, p := range actionsAndOutcomes {
		asks = append(asks, nativeList(who, "action:="+p[0]+" outcome:="+p[1], newest, always(in("action", p[0])+" AND "+in("outcome", p[1])), newestFirst))
	}
	return asks
}

func rangeAndTypes(who engine.Who) (asks []asker) {
	for i, p := range periods {
		types := typeLists[i%len(typeLists)]
		from, to := p.days()
		q := fmt.Sprintf("occurred_at:%s..%s resource.type:=(%s)", from, to, strings.Join(types, ","))
		asks = append(asks, nativeList(who, q, newest, always(p.where()+" AND "+in("resource_type", types...)), newestFirst))
	}
	return asks
}

func nested(who engine.Who) []asker {
	return []asker{nativeList(who, `(action:=(UPDATE,DELETE) OR resource.type:^CERT client.country:=DE) -outcome:=success NOT division.id:null`, newest,
		always("(action IN ('UPDATE', 'DELETE') OR resource_type LIKE 'CERT%' AND client_country = 'DE') AND outcome <> 'success' AND division_id IS NOT NULL"), newestFirst)}
}

const newest = "occurred_at:desc"

// nativeList asks GET /api/v1/events.
func nativeList(who engine.Who, q, sort string, where, order func(engine.Table) string) list {
	return list{
		who: who,
		path: func(offset uint64, limit int) string {
			v := url.Values{"sort": {sort}, "offset": {strconv.FormatUint(offset, 10)}, "limit": {strconv.Itoa(limit)}}
			if q != "" {
				v.Set("q", q)
			}
			return "/api/v1/events?" + v.Encode()
		},
		rows: nativeRows, where: where, order: order, show: showNative,
	}
}

func nativeRows(a engine.Answer) (answer, error) {
	var page struct {
		Total *uint64 `json:"total"`
	}
	if err := json.Unmarshal(a.Body, &page); err != nil || page.Total == nil {
		return answer{}, fmt.Errorf("no list of events: %w", err)
	}
	entries, err := engine.Entries(a.Body)
	got := answer{total: *page.Total}
	for i := range entries {
		got.rows = append(got.rows, showNative(&entries[i]))
	}
	return got, err
}

// showNative writes all that was sent, and the seq.
func showNative(e *event.Entry) string {
	return strconv.FormatUint(e.Seq, 10) + " " + string(event.AppendJSON(nil, &e.Event))
}

// oneByID asks for an event by what names it.
type oneByID struct{ event event.Event }

// eventsByID asks for 20 events of all over the trail.
func eventsByID(t made.Trail) (asks []asker) {
	for i := range 20 {
		block := t.Append(nil, i*(t.Blocks()-1)/19)
		asks = append(asks, oneByID{block[i*37%len(block)]})
	}
	return asks
}

func (o oneByID) request(ctx context.Context, c *engine.Countersign, _ uint64, _ int) (*http.Request, error) {
	q := url.Values{"account": {o.event.Account.ID}, "source": {o.event.Source}, "id": {o.event.ID}}
	return c.Request(ctx, http.MethodGet, "/api/v1/events/by-id?"+q.Encode(), engine.All, nil)
}

func (o oneByID) read(a engine.Answer) (answer, error) {
	if a.Status != http.StatusOK {
		return answer{}, refused(a)
	}
	entries, err := engine.Entries(fmt.Appendf(nil, `{"items":[%s]}`, a.Body))
	if err != nil {
		return answer{}, err
	}
	return answer{1, []string{showNative(&entries[0])}}, nil
}

func (o oneByID) sql(ctx context.Context, t engine.Table, _ uint64, _ int) (answer, error) {
	where := in("account_id", o.event.Account.ID) + " AND " + in("source", o.event.Source) + " AND " + in("id", o.event.ID)
	total, entries, err := t.Page(ctx, where, "seq", 0, 1)
	got := answer{total: total}
	for i := range entries {
		got.rows = append(got.rows, showNative(&entries[i]))
	}
	return got, err
}

// proof asks for the inclusion proof of an entry. What it proves is checked by the project's own tests; here
// it is timed.
type proof struct{ seq int }

// proofs asks for 20 entries of all over the trail.
func proofs(t made.Trail) (asks []asker) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		asks = append(asks, proof{r.IntN(t.N)})
	}
	return asks
}

func (p proof) request(ctx context.Context, c *engine.Countersign, _ uint64, _ int) (*http.Request, error) {
	return c.Request(ctx, http.MethodGet, fmt.Sprintf("/api/v1/events/%d/proof", p.seq), engine.Root, nil)
}

func (p proof) read(a engine.Answer) (answer, error) {
	if a.Status != http.StatusOK {
		return answer{}, refused(a)
	}
	if len(bytes.TrimSpace(a.Body)) == 0 {
		return answer{}, fmt.Errorf("the proof of %d is empty", p.seq)
	}
	return answer{total: 1}, nil
}

func (p proof) sql(context.Context, engine.Table, uint64, int) (answer, error) {
	return answer{}, errNotAsked
}
