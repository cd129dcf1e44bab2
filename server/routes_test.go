package server_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/event"
)

// walked is how the walk calls a route, and what each caller of the world must get.
type walked struct {
	target string // the path with its parameters; {token} and {certificate} are ids of the hidden ones
	body   string // JSON
	// reads is what a call is recorded as when it is answered with what the caller may see of the trail.
	reads string
	open  bool // for anybody, signed in or not
	fixed bool // the same bytes on every server, whatever words are in them
	// found: only a call that finds it is such a read; nothing of the trail is looked at otherwise.
	found bool
	// coded answers show what they show in base64.
	coded bool
	// endless answers are read to the end of what there is.
	endless bool
	// want are the statuses for root, foreign, limited, norole and writer.
	want [5]int
}

var walkers = [5]string{"root", "foreign", "limited", "norole", "writer"}

// strangers sign in with something that is not, or no longer, good.
var strangers = []string{"none", "unknown", "disabled", "expired", "deleted", "gone", "locked"}

// walk has every route there is. The hidden things are acme's; the event at seq 0 is one of them.
var walk = map[string]walked{
	"GET /healthz": {target: "/healthz", open: true},
	"GET /metrics": {target: "/metrics", want: [5]int{200, 403, 403, 403, 403}},
	"GET /readyz":  {target: "/readyz", open: true},

	"GET /checkpoint":              {target: "/checkpoint", open: true},
	"GET /tile/{level}/{index...}": {target: "/tile/0/000.p/1", open: true},
	"GET /tile/entries/{index...}": {target: "/tile/entries/000.p/1", want: [5]int{200, 403, 403, 403, 403}},
	"GET /api/v1/consistency":      {target: "/api/v1/consistency?from=1", open: true},

	"GET /openapi.json":   {target: "/openapi.json", open: true, fixed: true},
	"GET /docs":           {target: "/docs", open: true, fixed: true},
	"GET /docs/app.js":    {target: "/docs/app.js", open: true, fixed: true},
	"GET /docs/style.css": {target: "/docs/style.css", open: true, fixed: true},
	"GET /docs/icon.svg":  {target: "/docs/icon.svg", open: true, fixed: true},

	"GET /api/v1/events":             {target: "/api/v1/events?q=source:example/app", reads: "READ", want: [5]int{200, 200, 200, 403, 403}},
	"GET /api/v1/events/{seq}":       {target: "/api/v1/events/0", reads: "READ", want: [5]int{200, 404, 404, 403, 403}},
	"GET /api/v1/events/{seq}/proof": {target: "/api/v1/events/0/proof", reads: "READ", coded: true, want: [5]int{200, 404, 404, 403, 403}},
	"GET /api/v1/events/by-id":       {target: "/api/v1/events/by-id?account=acme&source=example/app&id=hidden-0", reads: "READ", want: [5]int{200, 404, 404, 403, 403}},
	"GET /api/v1/events/export":      {target: "/api/v1/events/export?q=source:example/app", reads: "EXPORT", want: [5]int{200, 200, 200, 403, 403}},
	"POST /api/v1/events": {target: "/api/v1/events", body: `{"id":"new","occurred_at":"2026-01-15T10:30:00Z","account":{"id":"acme"},"action":"CREATE","resource":{"type":"USER"},"source":"example/other"}`,
		want: [5]int{201, 403, 403, 403, 403}},

	"GET /api/v1/events/stats":  {target: "/api/v1/events/stats?q=source:example/app&field=actor.name", reads: "READ", want: [5]int{200, 200, 200, 403, 403}},
	"GET /api/v1/events/stream": {target: "/api/v1/events/stream?q=source:example/app&after=-1", reads: "READ", endless: true, want: [5]int{200, 200, 200, 403, 403}},

	"GET /api/v1/accounts":         {target: "/api/v1/accounts", want: [5]int{200, 200, 200, 403, 403}},
	"GET /api/v1/accounts/{id}":    {target: "/api/v1/accounts/acme", want: [5]int{200, 404, 200, 403, 403}},
	"POST /api/v1/accounts":        {target: "/api/v1/accounts", body: `{"id":"acme","name":"Again"}`, want: [5]int{409, 403, 403, 403, 403}},
	"PATCH /api/v1/accounts/{id}":  {target: "/api/v1/accounts/acme", body: `{"name":"Changed"}`, want: [5]int{200, 404, 403, 403, 403}},
	"DELETE /api/v1/accounts/{id}": {target: "/api/v1/accounts/acme", want: [5]int{409, 404, 403, 403, 403}},

	"GET /api/v1/divisions":         {target: "/api/v1/divisions?account_id=acme", want: [5]int{200, 200, 200, 403, 403}},
	"GET /api/v1/divisions/{id}":    {target: "/api/v1/divisions/emea?account_id=acme", want: [5]int{200, 404, 200, 403, 403}},
	"POST /api/v1/divisions":        {target: "/api/v1/divisions", body: `{"account_id":"acme","id":"emea","name":"Again"}`, want: [5]int{409, 400, 403, 403, 403}},
	"PATCH /api/v1/divisions/{id}":  {target: "/api/v1/divisions/emea?account_id=acme", body: `{"name":"Changed"}`, want: [5]int{200, 404, 403, 403, 403}},
	"DELETE /api/v1/divisions/{id}": {target: "/api/v1/divisions/emea?account_id=acme", want: [5]int{204, 404, 403, 403, 403}},

	"GET /api/v1/users":         {target: "/api/v1/users?account_id=acme", want: [5]int{200, 200, 200, 403, 403}},
	"GET /api/v1/users/{id}":    {target: "/api/v1/users/hidden-target", want: [5]int{200, 404, 200, 403, 403}},
	"POST /api/v1/users":        {target: "/api/v1/users", body: `{"id":"hidden-target","user_type":"service","friendly_name":"Again","primary_account_id":"acme"}`, want: [5]int{409, 400, 400, 403, 403}},
	"PATCH /api/v1/users/{id}":  {target: "/api/v1/users/hidden-target", body: `{"description":"Changed"}`, want: [5]int{200, 404, 403, 403, 403}},
	"DELETE /api/v1/users/{id}": {target: "/api/v1/users/hidden-target", want: [5]int{204, 404, 403, 403, 403}},

	"GET /api/v1/tokens":         {target: "/api/v1/tokens?user_id=hidden-target", want: [5]int{200, 404, 403, 403, 403}},
	"GET /api/v1/tokens/{id}":    {target: "/api/v1/tokens/{token}", want: [5]int{200, 404, 404, 404, 404}},
	"POST /api/v1/tokens":        {target: "/api/v1/tokens", body: `{"user_id":"hidden-target","name":"more"}`, want: [5]int{201, 400, 403, 403, 403}},
	"PATCH /api/v1/tokens/{id}":  {target: "/api/v1/tokens/{token}", body: `{"enabled":false}`, want: [5]int{200, 404, 404, 404, 404}},
	"DELETE /api/v1/tokens/{id}": {target: "/api/v1/tokens/{token}", want: [5]int{204, 404, 404, 404, 404}},

	"GET /api/v1/certificates":         {target: "/api/v1/certificates?user_id=hidden-target", want: [5]int{200, 404, 403, 403, 403}},
	"GET /api/v1/certificates/{id}":    {target: "/api/v1/certificates/{certificate}", want: [5]int{200, 404, 404, 404, 404}},
	"POST /api/v1/certificates":        {target: "/api/v1/certificates", body: `{"user_id":"hidden-target","name":"again","pem":"{pem}"}`, want: [5]int{409, 400, 403, 403, 403}},
	"PATCH /api/v1/certificates/{id}":  {target: "/api/v1/certificates/{certificate}", body: `{"enabled":false}`, want: [5]int{200, 404, 404, 404, 404}},
	"DELETE /api/v1/certificates/{id}": {target: "/api/v1/certificates/{certificate}", want: [5]int{204, 404, 404, 404, 404}},

	"GET /api/v1/roles":    {target: "/api/v1/roles?user_id=hidden-target", want: [5]int{200, 404, 200, 403, 403}},
	"POST /api/v1/roles":   {target: "/api/v1/roles", body: `{"user_id":"hidden-target","role":"AM_VIEW_ONLY","account_id":"acme"}`, want: [5]int{201, 404, 403, 403, 403}},
	"DELETE /api/v1/roles": {target: "/api/v1/roles?user_id=hidden-target&role=AM_VIEW_ONLY&account_id=acme", want: [5]int{204, 404, 404, 403, 403}},

	"POST /api/v1/backups": {target: "/api/v1/backups", body: `{"have":[]}`, reads: "EXPORT", want: [5]int{200, 403, 403, 403, 403}},
	"GET /api/v1/backups":  {target: "/api/v1/backups", want: [5]int{200, 403, 403, 403, 403}},

	"POST /api/v1/reports":                   {target: "/api/v1/reports", body: `{"framework":"soc-2","from":"2026-01-01","to":"2026-01-31","accounts":["acme"]}`, want: [5]int{201, 403, 201, 403, 403}},
	"GET /api/v1/reports":                    {target: "/api/v1/reports", want: [5]int{200, 200, 200, 403, 403}},
	"GET /api/v1/reports/frameworks":         {target: "/api/v1/reports/frameworks", want: [5]int{200, 200, 200, 403, 403}},
	"GET /api/v1/reports/{id}":               {target: "/api/v1/reports/{report}", want: [5]int{200, 404, 404, 403, 403}},
	"GET /api/v1/reports/{id}/evidence.zip":  {target: "/api/v1/reports/{report}/evidence.zip", reads: "EXPORT", found: true, want: [5]int{200, 404, 404, 403, 403}},
	"POST /api/v1/report-schedules":          {target: "/api/v1/report-schedules", body: `{"name":"q","framework":"soc-2","cron":"@yearly","period":"previous_year","accounts":["acme"]}`, want: [5]int{201, 403, 201, 403, 403}},
	"GET /api/v1/report-schedules":           {target: "/api/v1/report-schedules", want: [5]int{200, 200, 200, 403, 403}},
	"GET /api/v1/report-schedules/{id}":      {target: "/api/v1/report-schedules/{schedule}", want: [5]int{200, 404, 404, 403, 403}},
	"GET /api/v1/report-schedules/{id}/runs": {target: "/api/v1/report-schedules/{schedule}/runs", want: [5]int{200, 404, 404, 403, 403}},
	"PATCH /api/v1/report-schedules/{id}":    {target: "/api/v1/report-schedules/{schedule}", body: `{"enabled":false}`, want: [5]int{200, 404, 404, 403, 403}},
	"DELETE /api/v1/report-schedules/{id}":   {target: "/api/v1/report-schedules/{schedule}", want: [5]int{204, 404, 404, 403, 403}},
	"DELETE /api/v1/reports/{id}":            {target: "/api/v1/reports/{report}", want: [5]int{204, 404, 404, 403, 403}},

	"GET /account/api/v1/audit-log":             {target: "/account/api/v1/audit-log?resource_types=KEYPAIR", reads: "READ", want: [5]int{200, 200, 200, 403, 403}},
	"GET /account/api/v1/audit-log/{id}":        {target: "/account/api/v1/audit-log/{item}", reads: "READ", want: [5]int{200, 404, 404, 403, 403}},
	"GET /account/api/v1/user":                  {target: "/account/api/v1/user", want: [5]int{200, 200, 200, 403, 403}},
	"GET /account/api/v1/user/{id}":             {target: "/account/api/v1/user/hidden-target", want: [5]int{200, 404, 200, 403, 403}},
	"GET /account/api/v1/account":               {target: "/account/api/v1/account", want: [5]int{200, 200, 200, 403, 403}},
	"GET /account/api/v1/account/{id}":          {target: "/account/api/v1/account/acme", want: [5]int{200, 404, 200, 403, 403}},
	"GET /account/api/v1/role":                  {target: "/account/api/v1/role", want: [5]int{200, 200, 200, 403, 403}},
	"GET /account/api/v1/api-access-token":      {target: "/account/api/v1/api-access-token?user_id=hidden-target", want: [5]int{200, 404, 403, 403, 403}},
	"GET /account/api/v1/api-access-token/{id}": {target: "/account/api/v1/api-access-token/{token}", want: [5]int{200, 404, 404, 404, 404}},

	"GET /KeyfactorAPI/Audit":                 {target: "/KeyfactorAPI/Audit?QueryString=Category+-eq+2016", reads: "READ", want: [5]int{200, 200, 200, 403, 403}},
	"GET /KeyfactorAPI/Audit/{id}":            {target: "/KeyfactorAPI/Audit/1", reads: "READ", want: [5]int{200, 404, 404, 403, 403}},
	"GET /KeyfactorAPI/Audit/{id}/Validate":   {target: "/KeyfactorAPI/Audit/1/Validate", reads: "VERIFY", want: [5]int{200, 404, 404, 403, 403}},
	"GET /KeyfactorAPI/Audit/Download":        {target: "/KeyfactorAPI/Audit/Download?QueryString=Category+-eq+2016", reads: "EXPORT", want: [5]int{200, 200, 200, 403, 403}},
	"GET /KeyfactorAPI/Audit/RelatedEntities": {target: "/KeyfactorAPI/Audit/RelatedEntities?QueryString=ImmutableIdentifier+-eq+%22hidden-key%22", reads: "READ", want: [5]int{200, 200, 200, 403, 403}},
	"GET /KeyfactorAPI/Status/Endpoints":      {target: "/KeyfactorAPI/Status/Endpoints", want: [5]int{200, 200, 200, 200, 200}},
	"GET /KeyfactorAPI/Status/HealthCheck":    {target: "/KeyfactorAPI/Status/HealthCheck", open: true},

	"POST /apicontroller/v1/auditlog/list":   {target: "/apicontroller/v1/auditlog/list", reads: "READ", body: `{"accountId":"acme","divisionIds":[],"searchCriteriaList":[{"key":"function","operation":"EQUALS","value":["Create keypair"]}]}`, want: [5]int{200, 200, 200, 403, 403}},
	"POST /apicontroller/v1/auditlog/filter": {target: "/apicontroller/v1/auditlog/filter", reads: "READ", body: `{"accountId":"acme","divisionIds":[],"filterSelected":"userName","searchCriteriaList":[{"key":"function","operation":"EQUALS","value":["Create keypair"]}]}`, want: [5]int{200, 200, 200, 403, 403}},
}

// TestNoRouteShowsWhatACallerMustNotSee walks all routes that the dialects have, and fails for one that the
// table above does not know. Nobody is shown what is hidden from them, not by a total, an error or a header
// either: they get the same answers in a world in which it is not there. Every refusal has its dialect's
// shape, and every refusal and read is recorded.
func TestNoRouteShowsWhatACallerMustNotSee(t *testing.T) {
	whole := newWorld(t, twin{objects: "acme", events: "acme"})
	empty := newWorld(t, twin{objects: "elsewhere", events: "elsewhere"})
	quiet := newWorld(t, twin{objects: "acme", events: "elsewhere"})
	routes := whole.server.Routes()
	slices.SortFunc(routes, byDamage)
	for _, pattern := range routes {
		if _, known := walk[pattern]; !known {
			t.Errorf("%s is not in the walk", pattern)
		}
	}
	for pattern := range walk {
		if !slices.Contains(routes, pattern) {
			t.Errorf("%s is in the walk and no route", pattern)
		}
	}
	if t.Failed() {
		return
	}
	var want records
	for _, pattern := range routes {
		route := walk[pattern]
		if route.open {
			whole.checkOpen(pattern, route)
			continue
		}
		whole.checkStrangers(pattern, route, &want)
		for i, name := range walkers[1:] {
			a := whole.call(name, pattern, route)
			whole.check(pattern, route, name, a, route.want[i+1], &want)
			if strings.Contains(a.String(), "hidden") || strings.Contains(a.String(), "Hidden") {
				if name != "limited" || route.reads != "" {
					t.Errorf("%s shows %s what is hidden: %s", pattern, name, a)
				}
			}
			other := empty
			if name == "limited" {
				if other = quiet; route.reads == "" {
					continue // who administers a division knows the users of the whole account
				}
			}
			if d := cmp.Diff(other.callIn(whole, name, pattern, route).plain(), a.plain()); d != "" {
				t.Errorf("%s tells %s that there is something (-without +with):\n%s", pattern, name, d)
			}
		}
	}
	for _, pattern := range routes {
		if route := walk[pattern]; !route.open {
			a := whole.call("root", pattern, route)
			whole.check(pattern, route, "root", a, route.want[0], &want)
			if route.reads != "" && route.reads != "VERIFY" && !route.coded && !strings.Contains(a.String(), "hidden") {
				t.Errorf("%s does not show root the hidden things: the test does not test much: %s", pattern, a)
			}
		}
	}
	whole.checkRecords(want)
}

// byDamage puts the routes that remove things last, and what others hang on after these.
func byDamage(a, b string) int {
	rank := func(pattern string) int {
		if !strings.HasPrefix(pattern, "DELETE ") {
			return 0
		}
		for i, thing := range []string{"/tokens", "/certificates", "/roles", "/divisions", "/users", "/accounts"} {
			if strings.Contains(pattern, thing) {
				return i + 1
			}
		}
		return 1
	}
	return cmpOr(rank(a)-rank(b), strings.Compare(a, b))
}

func cmpOr(a, b int) int {
	if a != 0 {
		return a
	}
	return b
}

// answer is what came back.
type answer struct {
	Status int
	Header http.Header
	Body   string
}

func (a answer) String() string { return fmt.Sprintf("%d %v %s", a.Status, a.Header, a.Body) }

// differing are the parts of an answer that differ from run to run: random ids, times, and the size of the
// whole trail, which every caller is told (docs/compatibility.md).
var differing = []*regexp.Regexp{
	regexp.MustCompile(`"request_id":"[^"]*"`), regexp.MustCompile(`Request id [A-Z0-9]+`),
	regexp.MustCompile(`"(tree_size|seq|received_at|created_at|recorded_by|last_used_at|last_seq|first_seq)":("[^"]*"|\d+)`),
	regexp.MustCompile(`"Signature":("[^"]*"|null)`), // null for the first seconds
	regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`),
}

// plain is the answer without what differs from run to run.
func (a answer) plain() answer {
	a.Header = a.Header.Clone()
	for _, name := range []string{"Date", "X-Request-Id", "X-Countersign-As-Of", "X-Countersign-Checkpoint", "Content-Length"} {
		a.Header.Del(name)
	}
	for _, r := range differing {
		a.Body = r.ReplaceAllString(a.Body, "*")
	}
	return a
}

func (w *world) call(name, pattern string, route walked) answer {
	w.t.Helper()
	return w.callIn(w, name, pattern, route)
}

// callIn calls the route with the ids of another world.
func (w *world) callIn(ids *world, name, pattern string, route walked) answer {
	w.t.Helper()
	method, _, _ := strings.Cut(pattern, " ")
	fill := strings.NewReplacer("{token}", ids.ids["token"], "{certificate}", ids.ids["certificate"], "{report}", ids.ids["report"], "{schedule}", ids.ids["schedule"], "{item}", hiddenItem,
		"{pem}", strings.ReplaceAll(ids.ids["pem"], "\n", "\\n"))
	contentType := ""
	if route.body != "" {
		contentType = "application/json"
	}
	resp, body := w.as(name, method, fill.Replace(route.target), contentType, fill.Replace(route.body), route.endless)
	return answer{resp.StatusCode, resp.Header, body}
}

// hiddenItem is the id that the first hidden event has in DigiCert ONE.
var hiddenItem = event.DigiCertOneID(&event.Event{ID: "hidden-0", Account: event.Account{ID: "acme"}, Source: "example/app"})

func (w *world) checkOpen(pattern string, route walked) {
	w.t.Helper()
	for _, name := range append([]string{"root"}, strangers...) {
		if a := w.call(name, pattern, route); a.Status != http.StatusOK || !route.fixed && strings.Contains(a.String(), "idden") {
			w.t.Errorf("%s, %s: %s", pattern, name, a)
		}
	}
}

// checkStrangers holds that all who cannot sign in get one and the same answer.
func (w *world) checkStrangers(pattern string, route walked, want *records) {
	w.t.Helper()
	var first answer
	for i, name := range strangers {
		a := w.call(name, pattern, route)
		w.check(pattern, route, name, a, http.StatusUnauthorized, want)
		if i == 0 {
			first = a.plain()
		} else if d := cmp.Diff(first, a.plain()); d != "" {
			w.t.Errorf("%s tells %s from %s (-%[3]s +%[2]s):\n%s", pattern, name, strangers[0], d)
		}
	}
}

// check holds an answer to its status and shape, and adds what must be recorded of it.
func (w *world) check(pattern string, route walked, name string, a answer, status int, want *records) {
	w.t.Helper()
	if a.Status != status {
		w.t.Errorf("%s, %s: status %d, want %d: %s", pattern, name, a.Status, status, a.Body)
	}
	if a.Status >= 400 {
		if err := inShape(pattern, a); err != nil {
			w.t.Errorf("%s, %s: %v: %s", pattern, name, err, a)
		}
	}
	_, path, _ := strings.Cut(pattern, " ")
	switch {
	case a.Status == http.StatusUnauthorized:
		want.add("LOGIN_ERROR")
	case a.Status == http.StatusForbidden:
		want.add("DENY by " + name + " of " + pattern)
	case route.reads != "" && (a.Status < 300 || a.Status == http.StatusNotFound && !route.found):
		want.add(route.reads + " by " + name + " of " + path)
	}
}

// inShape tells whether a refusal is in the words of its dialect.
func inShape(pattern string, a answer) error {
	_, path, _ := strings.Cut(pattern, " ")
	type said struct{ Code, Message string }
	var native struct {
		Type      string
		Status    int
		RequestID string `json:"request_id"`
	}
	var digicertone struct{ Errors []said }
	var discovery struct {
		Error *said
		Data  *string
	}
	var keyfactor struct{ ErrorCode, Message string }
	into, wanted := any(&native), "application/problem+json"
	switch {
	case strings.HasPrefix(path, "/KeyfactorAPI/") && a.Status == http.StatusUnauthorized:
		if a.Body != "" || a.Header.Get("WWW-Authenticate") == "" {
			return fmt.Errorf("no refusal of Keyfactor's")
		}
		return nil
	case strings.HasPrefix(path, "/KeyfactorAPI/"):
		into, wanted = &keyfactor, "application/json; charset=utf-8"
	case strings.HasPrefix(path, "/account/"):
		into, wanted = &digicertone, "application/json"
	case strings.HasPrefix(path, "/apicontroller/"):
		into, wanted = &discovery, "application/json"
	}
	if err := json.Unmarshal([]byte(a.Body), into); err != nil {
		return err
	}
	if got := a.Header.Get("Content-Type"); got != wanted {
		return fmt.Errorf("content type %s", got)
	}
	if a.Status == http.StatusUnauthorized && !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
		return fmt.Errorf("no challenge")
	}
	switch into {
	case &digicertone:
		if len(digicertone.Errors) != 1 || digicertone.Errors[0].Code == "" || digicertone.Errors[0].Message == "" {
			return fmt.Errorf("no error of DigiCert ONE's")
		}
	case &keyfactor:
		if keyfactor.ErrorCode == "" || keyfactor.Message == "" {
			return fmt.Errorf("no error of Keyfactor's")
		}
	case &discovery:
		if discovery.Error == nil || discovery.Error.Code == "" || discovery.Error.Message == "" {
			return fmt.Errorf("no error of Discovery's")
		}
	default:
		if !strings.HasPrefix(native.Type, "urn:countersign:problem:") || native.Status != a.Status || native.RequestID != a.Header.Get("X-Request-Id") {
			return fmt.Errorf("no problem details")
		}
	}
	return nil
}

// records counts what was recorded, or must be.
type records map[string]int

func (r *records) add(what string) {
	if *r == nil {
		*r = records{}
	}
	(*r)[what]++
}

// checkRecords holds what the server recorded to what was done.
func (w *world) checkRecords(want records) {
	w.t.Helper()
	got := records{}
	for _, e := range w.own("action:(LOGIN_ERROR,DENY,READ,EXPORT,VERIFY)") {
		n := number(w.t, &e.Event, "count")
		if !e.Resource.ID.Present || !e.Resource.Name.Present || e.Client.IP.Value != "127.0.0.1" || e.Source != "countersign/server" {
			w.t.Errorf("recorded without its parts: %+v", e)
		}
		switch e.Action {
		case "LOGIN_ERROR":
			got["LOGIN_ERROR"] += n
		case "DENY":
			got["DENY by "+nameOf(e)+" of "+e.Resource.ID.Value] += n
		default:
			got[e.Action+" by "+nameOf(e)+" of "+e.Attribute("route").Value] += n
		}
	}
	if d := cmp.Diff(map[string]int(want), map[string]int(got)); d != "" {
		w.t.Errorf("recorded (-done +recorded):\n%s", d)
	}
	if len(want) < len(walk) {
		w.t.Errorf("only %v was to be recorded", slices.Sorted(maps.Keys(want)))
	}
}

// nameOf is who did it, as the walk calls them.
func nameOf(e *event.Entry) string {
	if e.Actor.Name.Value == "Administrator" {
		return "root"
	}
	return e.Actor.ID.Value
}
