package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"countersign/bench/engine"
	"countersign/event"
)

// digicertOneQuestions asks as scripts for DigiCert ONE Account Manager do, with the limited token.
func digicertOneQuestions() []question {
	var actions, types, accounts, names []asker
	for _, p := range actionsAndOutcomes {
		status := strings.ToUpper(p[1])
		outcomes := []string{p[1]}
		if status == "FAILURE" {
			outcomes = append(outcomes, "warning")
		}
		actions = append(actions, digicertOneList(url.Values{"action": {p[0]}, "status": {status}}, always(in("action", p[0])+" AND "+in("outcome", outcomes...)), oldestFirst))
	}
	for i, p := range periods {
		of := typeLists[i%len(typeLists)]
		from, to := p.days()
		ps := url.Values{"resource_types": {strings.Join(of, ",")}, "from": {from}, "to": {to}, "sort": {"timestamp:desc"}}
		types = append(types, digicertOneList(ps, always(p.where()+" AND "+in("resource_type", of...)), newestFirst))
	}
	for _, id := range engine.Limited() {
		accounts = append(accounts, digicertOneList(url.Values{"account_id": {id}, "sort": {"timestamp:desc"}}, always(in("account_id", id)), newestFirst))
	}
	for _, n := range needles {
		where := func(t engine.Table) string {
			return "actor_type <> 'system' AND " + t.Contains("actor_name", strings.ToLower(n))
		}
		names = append(names, digicertOneList(url.Values{"user_name": {n}}, where, oldestFirst))
	}
	byDescription := digicertOneList(url.Values{"sort": {"description:asc"}}, always("1=1"), byText("description", false))
	page := func(name string, asks ...asker) question {
		return question{api: "DigiCert ONE", name: name, budget: budgetPage, limit: 20, anywhere: true, asks: asks}
	}
	all := []question{
		page("everything", digicertOneList(url.Values{"sort": {"timestamp:desc"}}, always("1=1"), newestFirst)),
		page("action and status", actions...),
		page("dates and types", types...),
		page("account", accounts...),
		page("user name contains", names...),
		page("everything by description", byDescription),
	}
	all[4].budget, all[4].scan = budgetContains, true
	all[5].budget, all[5].scan = budgetSort, true
	return all
}

func digicertOneList(ps url.Values, where, order func(engine.Table) string) list {
	query := ps.Encode()
	return list{
		who: engine.Some,
		path: func(offset uint64, limit int) string {
			return "/account/api/v1/audit-log?" + query + "&offset=" + strconv.FormatUint(offset, 10) + "&limit=" + strconv.Itoa(limit)
		},
		rows: digicertOneRows, where: where, order: order, show: showDigicertOne,
	}
}

// digicertOneItem is an entry as this vendor shows it.
type digicertOneItem struct {
	ID           string     `json:"id"`
	Account      reference  `json:"account"`
	ResourceType string     `json:"resource_type"`
	ResourceID   string     `json:"resource_id"`
	ResourceName string     `json:"resource_name"`
	Action       string     `json:"action"`
	User         *reference `json:"user"`
	Timestamp    string     `json:"timestamp"`
	Description  string     `json:"description"`
	Status       string     `json:"status"`
}

type reference struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func digicertOneRows(a engine.Answer) (answer, error) {
	var page struct {
		Total *uint64           `json:"total"`
		Items []digicertOneItem `json:"items"`
	}
	if err := json.Unmarshal(a.Body, &page); err != nil || page.Total == nil {
		return answer{}, fmt.Errorf("no audit log: %w", err)
	}
	got := answer{total: *page.Total}
	for _, item := range page.Items {
		got.rows = append(got.rows, shown(item))
	}
	return got, nil
}

func showDigicertOne(e *event.Entry) string {
	item := digicertOneItem{
		ID: event.DigiCertOneID(&e.Event), Account: reference{e.Account.ID, e.Account.Name.Value},
		ResourceType: e.Resource.Type, ResourceID: e.Resource.ID.Value, ResourceName: e.Resource.Name.Value, Action: e.Action,
		Timestamp: e.OccurredAt.String(), Description: e.Description.Value, Status: event.DigiCertOneStatus(&e.Event),
	}
	if name, ok := event.DigiCertOneUserName(&e.Event); ok {
		item.User = &reference{e.Actor.ID.Value, name}
	}
	return shown(item)
}

// shown writes what a vendor shows of an entry as one text.
func shown(item any) string {
	b, err := json.Marshal(item)
	if err != nil {
		panic(err) // of texts and numbers there is nothing that cannot be marshalled
	}
	return string(b)
}
