package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/bench/engine"
	"countersign/event"
	"countersign/query"
)

// discoveryUser is the userName as a table has it.
const discoveryUser = "CASE WHEN actor_type = 'system' THEN 'System' WHEN actor_name IS NOT NULL THEN actor_name WHEN actor_id IS NOT NULL THEN actor_id ELSE 'System' END"

// discoveryFunctions are functions, with the action and the type that they are made of.
var discoveryFunctions = [...][3]string{{"Download sensor", "DOWNLOAD", "SENSOR"}, {"create user", "CREATE", "USER"}, {"Login sso saml", "LOGIN", "SSO_SAML"}}

// discoveryQuestions asks as scripts for CertCentral Discovery do, with the limited token.
func discoveryQuestions() []question {
	var functions, users, addresses, values []asker
	for i, account := range engine.Limited() {
		here := in("account_id", account)
		f, p := discoveryFunctions[i%len(discoveryFunctions)], periods[i%len(periods)]
		functions = append(functions, discoveryList(account, discoveryCriteria(p, "function", f[0]), "createdDate", "DESC",
			always(here+" AND "+p.where()+" AND "+in("action", f[1])+" AND "+in("resource_type", f[2])), newestFirst))
		users = append(users, discoveryList(account, discoveryCriteria(p), "userName", "ASC", always(here+" AND "+p.where()), byUser))
		addresses = append(addresses, discoveryList(account, discoveryCriteria(p, "divisionName", "emea"), "ipAddress", "DESC",
			func(t engine.Table) string {
				return here + " AND " + p.where() + " AND " + t.Fold("division_name") + " = " + engine.Quote(query.Fold("emea"))
			}, byText("client_ip", true)))
		values = append(values, discoveryValues{account, p})
	}
	page := func(name string, asks []asker) question {
		return question{api: "Discovery", name: name, budget: budgetPage, limit: 50, anywhere: true, asks: asks}
	}
	return []question{
		page("account, dates and function", functions),
		page("account and dates, by user", users),
		page("account, dates and division, by address", addresses),
		{api: "Discovery", name: "the users of an account's rows", limit: 50, asks: values},
	}
}

// byUser is the order by userName: of what is shown, which is never absent.
func byUser(t engine.Table) string {
	return t.Fold(discoveryUser) + ", " + discoveryUser + ", seq"
}

type object = map[string]any

// discoveryCriteria returns a criterion for the period and one for each pair of key and value.
func discoveryCriteria(p period, pairs ...string) []object {
	from, to := p.days()
	all := []object{{"key": "dateRange", "operation": "EQUALS", "value": []string{from, to}}}
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, object{"key": pairs[i], "operation": "EQUALS", "value": []string{pairs[i+1]}})
	}
	return all
}

func discoveryList(account string, criteria []object, column, order string, where, sqlOrder func(engine.Table) string) list {
	return list{
		who: engine.Some, method: http.MethodPost,
		path: func(uint64, int) string { return "/apicontroller/v1/auditlog/list" },
		body: func(offset uint64, limit int) []byte {
			return []byte(shown(object{
				"accountId": account, "divisionIds": []string{}, "searchCriteriaList": criteria,
				"startIndex": offset + 1, "pageSize": limit, "sortedColumnId": column, "sortOrder": order,
			}))
		},
		rows: discoveryRows, where: where, order: sqlOrder, show: showDiscovery,
	}
}

// discoveryRow is an entry as this vendor shows it.
type discoveryRow struct {
	ID            uint64 `json:"id"`
	UserID        *int64 `json:"userId"`
	UserName      string `json:"userName"`
	DivisionID    *int64 `json:"divisionId"`
	DivisionName  string `json:"divisionName"`
	Module        string `json:"module"`
	Function      string `json:"function"`
	Message       string `json:"message"`
	DetailMessage string `json:"detailMessage"`
	IPAddress     string `json:"ipAddress"`
	IPCountry     string `json:"ipCountry"`
	CreatedDate   int64  `json:"createdDate"`
}

// madeInteger begins the numbers that stand for ids which are none. They come of the order in which the server
// met the ids, which no table knows.
const madeInteger = 1_000_000_000_000

// show writes the row, without numbers that no table knows.
func (r discoveryRow) show() string {
	if r.UserID != nil && *r.UserID >= madeInteger {
		r.UserID = nil
	}
	return shown(r)
}

func discoveryRows(a engine.Answer) (answer, error) {
	var got struct {
		Data *struct {
			TotalCount uint64         `json:"totalCount"`
			AuditLogs  []discoveryRow `json:"auditLogs"`
		} `json:"data"`
	}
	if err := json.Unmarshal(a.Body, &got); err != nil || got.Data == nil {
		return answer{}, fmt.Errorf("no audit log: %w", err)
	}
	all := answer{total: got.Data.TotalCount}
	for _, r := range got.Data.AuditLogs {
		all.rows = append(all.rows, r.show())
	}
	return all, nil
}

func showDiscovery(e *event.Entry) string {
	r := discoveryRow{
		ID: e.Seq + 1, UserName: event.DiscoveryUserName(&e.Event), DivisionName: e.Division.Name.Value,
		Module: event.DiscoveryModule(&e.Event), Function: event.DiscoveryFunction(&e.Event),
		Message: e.Description.Value, DetailMessage: e.Detail.Value, IPAddress: e.Client.IP.Value, IPCountry: e.Client.Country.Value,
		CreatedDate: time.UnixMicro(int64(e.OccurredAt)).UnixMilli(),
	}
	if n, ok := event.DiscoveryUserID(&e.Event); ok {
		r.UserID = &n
	}
	if n, ok := event.DiscoveryDivisionID(&e.Event); ok {
		r.DivisionID = &n
	}
	return r.show()
}

// discoveryValues asks for the userNames of all rows of an account in a period.
type discoveryValues struct {
	account string
	period  period
}

func (v discoveryValues) request(ctx context.Context, c *engine.Countersign, _ uint64, _ int) (*http.Request, error) {
	body := shown(object{"accountId": v.account, "divisionIds": []string{}, "searchCriteriaList": discoveryCriteria(v.period), "filterSelected": "userName"})
	return c.Request(ctx, http.MethodPost, "/apicontroller/v1/auditlog/filter", engine.Some, strings.NewReader(body))
}

func (v discoveryValues) read(a engine.Answer) (answer, error) {
	if a.Status != http.StatusOK {
		return answer{}, refused(a)
	}
	var got struct {
		Data struct {
			Values []string `json:"values"`
		} `json:"data"`
	}
	err := json.Unmarshal(a.Body, &got)
	return answer{uint64(len(got.Data.Values)), got.Data.Values}, err
}

func (v discoveryValues) sql(ctx context.Context, t engine.Table, _ uint64, _ int) (answer, error) {
	rows, err := t.Strings(ctx, "SELECT DISTINCT "+discoveryUser+" FROM entries WHERE "+in("account_id", v.account)+" AND "+v.period.where())
	var values []string
	for _, r := range rows {
		values = append(values, r[0])
	}
	slices.SortFunc(values, func(a, b string) int { return query.CompareText(event.TextOf(a), event.TextOf(b)) })
	return answer{uint64(len(values)), values}, err
}

// pageNumber is which page an offset is the start of, from 1.
func pageNumber(offset uint64, limit int) string {
	return strconv.FormatUint(offset/uint64(limit)+1, 10)
}
