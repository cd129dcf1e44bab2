package report_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/bundle"
	"countersign/event"
	"countersign/identity"
	"countersign/query"
	"countersign/report"
)

// naive computes what a report must say a second time: from a list of all entries, one question after the other, with
// nothing of the code that makes reports.
type naive struct {
	*world
	all      []*event.Entry // of the scope, the first tree size entries
	rows     []*event.Entry // of the period
	from, to time.Time      // to is the first moment after
	roster   identity.Roster
	report   *report.Report
}

func newNaive(w *world, r *report.Report, accounts []string) *naive {
	n := &naive{world: w, report: r, roster: w.people.Roster(accounts)}
	n.from, _ = time.Parse(time.DateOnly, r.Period.From)
	n.to, _ = time.Parse(time.DateOnly, r.Period.To)
	n.to = n.to.AddDate(0, 0, 1)
	for _, e := range w.found("") {
		if e.Seq >= r.Run.TreeSize || accounts != nil && !slices.Contains(accounts, e.Account.ID) {
			continue
		}
		n.all = append(n.all, e)
		if at := e.OccurredAt.Time(); !at.Before(n.from) && at.Before(n.to) {
			n.rows = append(n.rows, e)
		}
	}
	return n
}

func who(e *event.Entry) string {
	if e.Actor.ID.Value != "" {
		return e.Actor.ID.Value
	}
	if e.Actor.Name.Value != "" {
		return "name:" + e.Actor.Name.Value
	}
	return ""
}

func ours(e *event.Entry) bool { return strings.HasPrefix(e.Source, "countersign/") }

func signIn(e *event.Entry) bool {
	return !ours(e) && e.Action == "LOGIN" && e.Outcome == "success"
}

func failedSignIn(e *event.Entry) bool {
	return !ours(e) && (e.Action == "LOGIN_ERROR" || e.Action == "LOGIN" && e.Outcome == "failure")
}

func num(n int) string { return strconv.Itoa(n) }

// share is a percentage with one decimal, where only all is 100.0 and only none 0.0.
func share(n, of int) string {
	if of == 0 {
		return ""
	}
	text := strconv.FormatFloat(float64(n)*100/float64(of), 'f', 1, 64)
	if text == "100.0" && n < of {
		return "99.9"
	}
	if text == "0.0" && n > 0 {
		return "0.1"
	}
	return text
}

func dayText(e *event.Entry) string { return e.OccurredAt.Time().Format(time.DateOnly) }

// by sorts rows into groups.
func by(rows []*event.Entry, key func(*event.Entry) string) map[string][]*event.Entry {
	out := map[string][]*event.Entry{}
	for _, e := range rows {
		if k := key(e); k != "" {
			out[k] = append(out[k], e)
		}
	}
	return out
}

func count(rows []*event.Entry, is func(*event.Entry) bool) (n int) {
	for _, e := range rows {
		if is(e) {
			n++
		}
	}
	return n
}

func times(rows []*event.Entry) (first, last string) {
	for i, e := range rows {
		at := e.OccurredAt.String()
		if i == 0 || e.OccurredAt.Time().Before(mustTime(first)) {
			first = at
		}
		if i == 0 || e.OccurredAt.Time().After(mustTime(last)) {
			last = at
		}
	}
	return first, last
}

func mustTime(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return at
}

func (n *naive) days() int { return int(n.to.Sub(n.from).Hours() / 24) }

func (n *naive) coverage() (rows [][]string) {
	for source, ever := range by(n.all, func(e *event.Entry) string { return e.Source }) {
		in := by(n.rows, func(e *event.Entry) string { return e.Source })[source]
		days := by(in, dayText)
		longest, run := 0, 0
		for d := n.from; d.Before(n.to); d = d.AddDate(0, 0, 1) {
			if run++; len(days[d.Format(time.DateOnly)]) > 0 {
				run = 0
			}
			longest = max(longest, run)
		}
		first, last := times(ever)
		rows = append(rows, []string{source, num(len(in)), num(len(days)), num(longest), first, last})
	}
	return rows
}

func (n *naive) fields() (rows [][]string) {
	for source, in := range by(n.rows, func(e *event.Entry) string { return e.Source }) {
		row := []string{source, num(len(in))}
		for _, has := range []func(e *event.Entry) bool{
			func(e *event.Entry) bool { return who(e) != "" || e.Actor.Type == "system" },
			func(e *event.Entry) bool { return true },
			func(e *event.Entry) bool { return true },
			func(e *event.Entry) bool { return e.Outcome != "unknown" },
			func(e *event.Entry) bool { return e.Client.IP.Value != "" },
			func(e *event.Entry) bool { return e.Resource.ID.Value+e.Resource.Name.Value != "" },
		} {
			row = append(row, share(count(in, has), len(in)))
		}
		rows = append(rows, row)
	}
	return rows
}

func (n *naive) delays() (rows [][]string) {
	bounds := []time.Duration{0, time.Minute, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}
	for source, in := range by(n.rows, func(e *event.Entry) string { return e.Source }) {
		var classes [6]int
		for _, e := range in {
			late := e.ReceivedAt.Time().Sub(e.OccurredAt.Time())
			switch {
			case late < 0:
				classes[0]++
			case late > bounds[4]:
				classes[5]++
			default:
				classes[1+sort.Search(4, func(i int) bool { return late <= bounds[i+1] })]++
			}
		}
		row := []string{source}
		for _, c := range classes {
			row = append(row, num(c))
		}
		rows = append(rows, row)
	}
	return rows
}

// kind tells people from programs: as the server knows them, else as the newest row has it.
func (n *naive) kind(id string, rows []*event.Entry) string {
	if u, known := n.roster.Users[id]; known {
		return string(u.Type)
	}
	newest := rows[0]
	for _, e := range rows {
		if e.OccurredAt >= newest.OccurredAt {
			newest = e
		}
	}
	return newest.Actor.Type
}

func (n *naive) signIns() (rows [][]string) {
	for id, in := range by(n.rows, who) {
		all := count(in, signIn)
		if all == 0 {
			continue
		}
		of := func(is func(t string) bool) int {
			return count(in, func(e *event.Entry) bool { return signIn(e) && is(e.Resource.Type) })
		}
		mfa := of(func(t string) bool { return strings.HasSuffix(t, "_MFA") })
		password := of(func(t string) bool { return t == "BASIC_AUTH" || t == "DIGEST_AUTH" })
		provider := of(func(t string) bool { return t == "SSO_SAML" || t == "SSO_OIDC" })
		cert := of(func(t string) bool { return t == "CLIENT_AUTH_CERT" })
		rows = append(rows, []string{id, n.kind(id, in), num(all), num(mfa), num(password), num(provider), num(cert), num(all - mfa - password - provider - cert), share(mfa, all)})
	}
	return rows
}

func (n *naive) failedByDay() (rows [][]string) {
	for key, in := range by(n.rows, func(e *event.Entry) string { return dayText(e) + who(e) }) {
		day, id := key[:len(time.DateOnly)], key[len(time.DateOnly):]
		if failed := count(in, failedSignIn); failed > 0 && id != "" {
			rows = append(rows, []string{id, day, num(failed)})
		}
	}
	return rows
}

func (n *naive) bursts() (rows [][]string) {
	const window = 10 * time.Minute
	for id, in := range by(n.rows, who) {
		var failed, good []time.Time
		for _, e := range in {
			if failedSignIn(e) {
				failed = append(failed, e.OccurredAt.Time())
			}
			if signIn(e) {
				good = append(good, e.OccurredAt.Time())
			}
		}
		slices.SortFunc(failed, time.Time.Compare)
		slices.SortFunc(good, time.Time.Compare)
		var runs [][]time.Time
		for i, at := range failed {
			if i == 0 || at.Sub(failed[i-1]) > window {
				runs = append(runs, nil)
			}
			runs[len(runs)-1] = append(runs[len(runs)-1], at)
		}
		for _, run := range runs {
			dense := false
			for _, start := range run {
				inWindow := 0
				for _, at := range run {
					if !at.Before(start) && at.Sub(start) <= window {
						inWindow++
					}
				}
				dense = dense || inWindow >= 10
			}
			if !dense {
				continue
			}
			after := "no"
			for _, at := range slices.Backward(good) {
				if d := at.Sub(run[len(run)-1]); d >= 0 && d <= window {
					after = event.MicrosOf(at).String()
				}
			}
			rows = append(rows, []string{id, event.MicrosOf(run[0]).String(), event.MicrosOf(run[len(run)-1]).String(), num(len(run)), after})
		}
	}
	return rows
}

func isAdmin(role string) bool {
	return slices.Contains([]string{"AM_ACCOUNT_ADMIN", "AM_USER_MANAGER", "SERVER_OPERATOR", "ERASURE_OFFICER"}, role) || strings.Contains(strings.ToUpper(role), "ADMIN")
}

// upToEnd are the entries up to the end of the period that did not fail, in the order of time.
func (n *naive) upToEnd() []*event.Entry {
	var out []*event.Entry
	for _, e := range n.all {
		if e.OccurredAt.Time().Before(n.to) && e.Outcome != "failure" {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b *event.Entry) int { return int(a.OccurredAt - b.OccurredAt) })
	return out
}

// admins are the users who hold a role or permission to administer, or held one in the period.
func (n *naive) admins() map[string]bool {
	out := map[string]bool{}
	for id, u := range n.roster.Users {
		for _, g := range u.Grants {
			if isAdmin(string(g.Role)) {
				out[id] = true
			}
		}
		if u.Manages {
			out[id] = true
		}
	}
	held := map[string]map[string]bool{} // user -> roles, as time goes by
	begun := false
	begin := func() {
		begun = true
		for id, roles := range held {
			for role := range roles {
				if isAdmin(role) {
					out[id] = true
				}
			}
		}
	}
	for _, e := range n.upToEnd() {
		if !begun && !e.OccurredAt.Time().Before(n.from) {
			begin()
		}
		id := e.Resource.ID.Value
		if e.Resource.Type != "ROLE" || id == "" {
			continue
		}
		if held[id] == nil {
			held[id] = map[string]bool{}
		}
		before, after := e.Attribute("before.role").Value, e.Attribute("after.role").Value
		if begun && (isAdmin(before) || isAdmin(after)) {
			out[id] = true
		}
		delete(held[id], before)
		if after != "" {
			held[id][after] = true
		}
	}
	if !begun {
		begin()
	}
	return out
}

func act(e *event.Entry) bool {
	return !slices.Contains([]string{"LOGIN", "LOGOUT", "LOGIN_ERROR"}, e.Action) && !failedSignIn(e) && !signIn(e)
}

func failed(e *event.Entry) bool { return e.Outcome == "failure" }

func (n *naive) roles(id string) string {
	var out []string
	for _, g := range n.roster.Users[id].Grants {
		place := g.Account
		if g.Server {
			place = "*"
		}
		out = append(out, string(g.Role)+"@"+place)
	}
	return strings.Join(out, ", ")
}

func (n *naive) privileged() (who1, did, grants [][]string) {
	admins, actions := n.admins(), map[string]int{}
	for id, in := range by(n.rows, who) {
		if !admins[id] {
			continue
		}
		first, last := times(in)
		who1 = append(who1, []string{id, n.kind(id, in), n.roles(id), num(count(in, act)), num(count(in, func(e *event.Entry) bool { return act(e) && failed(e) })),
			num(count(in, signIn)), first, last})
		for _, e := range in {
			if act(e) {
				actions[e.Action]++
			}
		}
	}
	for a, c := range actions {
		did = append(did, []string{a, num(c)})
	}
	for _, e := range n.rows {
		if role := e.Attribute("after.role").Value; e.Resource.Type == "ROLE" && isAdmin(role) && !failed(e) {
			ticket := e.Attribute("ticket").Value
			if ticket == "" {
				ticket = "none"
			}
			grants = append(grants, []string{e.OccurredAt.String(), who(e), e.Resource.ID.Value, role, ticket, num(int(e.Seq))})
		}
	}
	return who1, did, grants
}

func (n *naive) services() (rows [][]string) {
	for id, in := range by(n.rows, who) {
		if n.kind(id, in) != "service" {
			continue
		}
		interactive := count(in, func(e *event.Entry) bool { return signIn(e) && e.Resource.Type != "CLIENT_AUTH_CERT" })
		first, last := times(in)
		rows = append(rows, []string{id, num(len(in)), num(count(in, act)), num(count(in, func(e *event.Entry) bool { return act(e) && failed(e) })), num(interactive),
			num(count(in, failedSignIn)), first, last})
	}
	return rows
}

func (n *naive) dormant() (rows [][]string) {
	since := n.to.AddDate(0, 0, -90)
	for id, u := range n.roster.Users {
		if u.Status != identity.Active || !u.CreatedAt.Before(n.to) {
			continue
		}
		last := ""
		for _, e := range n.upToEnd() {
			if e.Actor.ID.Value == id && !e.OccurredAt.Time().Before(minTime(since, n.from)) {
				last = e.OccurredAt.String()
			}
		}
		if last != "" && !mustTime(last).Before(since) {
			continue
		}
		rows = append(rows, []string{id, u.Name, string(u.Type), last, u.CreatedAt.UTC().Format(time.DateOnly)})
	}
	return rows
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (n *naive) afterDeletion() (rows [][]string) {
	for _, e := range n.rows {
		gone := ""
		for _, d := range n.upToEnd() {
			if d.Resource.ID.Value != e.Actor.ID.Value || e.Actor.ID.Value == "" || d.OccurredAt >= e.OccurredAt ||
				d.Resource.Type != "USER" && d.Resource.Type != "SERVICE_USER" {
				continue
			}
			switch d.Action {
			case "DELETE":
				gone = d.OccurredAt.String()
			case "CREATE":
				gone = ""
			}
		}
		if gone != "" {
			rows = append(rows, []string{e.OccurredAt.String(), who(e), gone, e.Action, e.Resource.Type, e.Resource.Name.Value, e.Outcome, num(int(e.Seq))})
		}
	}
	return rows
}

func (n *naive) tokens() (rows [][]string) {
	byID := by(n.upToEnd(), func(e *event.Entry) string {
		known := []string{"CREATE", "UPDATE", "ENABLED", "DISABLED", "DELETE", "API_ACCESS_TOKEN_EXPIRY_EMAIL_SENT"}
		if e.Resource.Type != "APIKEY" || !slices.Contains(known, e.Action) {
			return ""
		}
		return e.Resource.ID.Value
	})
	for id := range n.roster.Tokens {
		if byID[id] == nil && n.roster.Tokens[id].CreatedAt.Before(n.to) {
			byID[id] = []*event.Entry{}
		}
	}
	for id, in := range byID {
		name, state, madeAt, by, changed, reminders := "", "in use", "", "", "", 0
		for _, e := range in {
			if e.Resource.Name.Value != "" {
				name = e.Resource.Name.Value
			}
			if e.Action == "API_ACCESS_TOKEN_EXPIRY_EMAIL_SENT" {
				reminders++
				continue
			}
			changed = e.OccurredAt.String()
			switch e.Action {
			case "CREATE":
				if madeAt == "" {
					madeAt, by = e.OccurredAt.String(), who(e)
				}
				state = "in use"
			case "ENABLED":
				state = "in use"
			case "DISABLED":
				state = "disabled"
			case "DELETE":
				state = "deleted"
			}
		}
		end := ""
		if ours, known := n.roster.Tokens[id]; known {
			end = ours.EndDate
			if madeAt == "" {
				madeAt, by = event.MicrosOf(ours.CreatedAt).String(), ours.UserID
			}
			if name == "" {
				name = ours.Name
			}
			if len(in) == 0 && !ours.Enabled {
				state = "disabled"
			}
		}
		age := ""
		if madeAt != "" {
			age = num(int((n.to.Add(-time.Microsecond)).Sub(mustTime(madeAt)) / (24 * time.Hour)))
		}
		rows = append(rows, []string{id, name, state, madeAt, by, changed, age, end, num(reminders)})
	}
	return rows
}

func (n *naive) readers() (rows [][]string) {
	for id, in := range by(n.rows, who) {
		var reads [3]int
		seen := 0
		for _, e := range in {
			i := slices.Index([]string{"READ", "EXPORT", "REPORT"}, e.Action)
			if !ours(e) || e.Resource.Type != "AUDIT_LOG" || i < 0 || e.Action == "REPORT" && e.Attribute("phase").Value != "begun" {
				continue
			}
			times, err := strconv.Atoi(e.Attribute("count").Value)
			if err != nil {
				times = 1
			}
			reads[i] += times
			rows, _ := strconv.Atoi(e.Attribute("rows").Value)
			seen += rows
		}
		if reads != [3]int{} {
			rows = append(rows, []string{id, n.kind(id, in), n.roles(id), num(reads[0]), num(reads[1]), num(reads[2]), num(seen)})
		}
	}
	return rows
}

func (n *naive) retention() (rows [][]string) {
	for source, in := range by(n.all, func(e *event.Entry) string { return e.Source }) {
		first, last := times(in)
		rows = append(rows, []string{source, num(len(in)), first, last, num(int(made.Sub(mustTime(first)) / (24 * time.Hour)))})
	}
	return rows
}

// tables returns what each table must have, without the columns that are words.
func (n *naive) tables() map[string][][]string {
	privileged, did, grants := n.privileged()
	return map[string][][]string{
		"coverage": n.coverage(), "fields": n.fields(), "delay": n.delays(), "sign-ins": n.signIns(), "failed-by-day": n.failedByDay(), "bursts": n.bursts(),
		"privileged": privileged, "privileged-actions": did, "admin-grants": grants, "services": n.services(), "dormant": n.dormant(),
		"after-deletion": n.afterDeletion(), "tokens": n.tokens(), "readers": n.readers(), "retention": n.retention(),
	}
}

// oddities are entries that the estate does not have: bursts, reads of the trail, work under deleted users, tokens and
// roles that come and go, entries late and early.
func (w *world) oddities() {
	at := func(day, clock string) event.Micros {
		t, err := time.Parse("2006-01-02 15:04:05", "2026-"+day+" "+clock)
		w.must(err)
		return event.MicrosOf(t)
	}
	id := 0
	entry := func(when event.Micros, actor, action, kind, resource, outcome string, attributes ...string) event.Event {
		id++
		e := event.Event{
			ID: fmt.Sprintf("odd-%d", id), OccurredAt: when, Account: event.Account{ID: w.estate.Accounts[0].ID}, Actor: event.Actor{ID: event.TextOrAbsent(actor), Type: "standard"},
			Action: action, Resource: event.Resource{Type: kind, ID: event.TextOrAbsent(resource)}, Outcome: outcome, Source: "digicert-one/account-manager",
		}
		for i := 0; i+1 < len(attributes); i += 2 {
			e.Attributes = append(e.Attributes, event.Attribute{Name: attributes[i], Value: attributes[i+1]})
		}
		slices.SortFunc(e.Attributes, func(a, b event.Attribute) int { return strings.Compare(a.Name, b.Name) })
		e.Normalize(identity.OwnAccount)
		w.must(e.Validate())
		return e
	}
	var batch []event.Event
	for i := range 12 { // a burst that ends in a sign-in
		batch = append(batch, entry(at("02-03", "03:00:00")+event.Micros(i)*40_000_000, "burst", "LOGIN_ERROR", "BASIC_AUTH", "", "failure"))
	}
	batch = append(batch, entry(at("02-03", "03:15:00"), "burst", "LOGIN", "BASIC_AUTH", "", "success"))
	for i := range 12 { // as many, but too far apart
		batch = append(batch, entry(at("02-04", "03:00:00")+event.Micros(i)*300_000_000, "slow", "LOGIN_ERROR", "BASIC_AUTH", "", "failure"))
	}
	for i := range 10 { // ten within exactly ten minutes, at midnight
		batch = append(batch, entry(at("02-05", "23:55:00")+event.Micros(i)*600_000_000/9, "edge", "LOGIN_ERROR", "BASIC_AUTH", "", "failure"))
	}
	batch = append(batch,
		entry(at("01-05", "10:00:00"), "admin-1", "DELETE", "USER", "leaver", "success"),
		entry(at("01-05", "10:00:00"), "leaver", "UPDATE", "USER", "x", "success"), // at the same moment: not after it
		entry(at("01-06", "10:00:00"), "leaver", "UPDATE", "USER", "x", "failure"),
		entry(at("01-07", "10:00:00"), "admin-1", "CREATE", "USER", "leaver", "success"),
		entry(at("01-08", "10:00:00"), "leaver", "UPDATE", "USER", "x", "success"),
		entry(at("01-09", "10:00:00"), "admin-1", "DELETE", "USER", "failed-leaver", "failure"),
		entry(at("01-10", "10:00:00"), "failed-leaver", "UPDATE", "USER", "x", "success"),
		entry(at("01-01", "00:00:00")-1, "edge", "LOGIN", "BASIC_AUTH", "", "success"), // the last microsecond before
		entry(at("01-01", "00:00:00"), "edge", "LOGIN", "BASIC_AUTH_MFA", "", "success"),
		entry(at("03-31", "23:59:59")+999_999, "edge", "LOGIN", "SSO_SAML", "", "success"),
		entry(at("04-01", "00:00:00"), "edge", "LOGIN", "BASIC_AUTH", "", "success"),
		entry(at("03-01", "00:00:00"), "edge", "LOGIN", "PASSKEY", "", "success"),
		entry(at("01-03", "09:00:00")-90*24*3600*1_000_000, "root", "UPDATE", "ROLE", "once-admin", "success", "after.role", "AM_ACCOUNT_ADMIN"),
		entry(at("01-02", "09:00:00"), "root", "UPDATE", "ROLE", "once-admin", "success", "before.role", "AM_ACCOUNT_ADMIN", "after.role", "AM_VIEW_ONLY"),
		entry(at("01-04", "09:00:00"), "once-admin", "UPDATE", "ACCOUNT", "x", "success"),
		entry(at("01-04", "09:00:00")-20*24*3600*1_000_000, "root", "UPDATE", "ROLE", "never-admin", "success", "after.role", "AM_ACCOUNT_ADMIN"),
		entry(at("01-04", "09:00:00")-10*24*3600*1_000_000, "root", "UPDATE", "ROLE", "never-admin", "success", "before.role", "AM_ACCOUNT_ADMIN"),
		entry(at("01-04", "09:00:00"), "never-admin", "UPDATE", "ACCOUNT", "x", "success"),
		entry(at("01-01", "09:00:00")-60*24*3600*1_000_000, "root", "CREATE", "APIKEY", "token-1", "success"),
		entry(at("02-01", "09:00:00"), "root", "DISABLED", "APIKEY", "token-1", "success"),
		entry(at("02-02", "09:00:00"), "root", "ENABLED", "APIKEY", "token-1", "success"),
		entry(at("04-02", "09:00:00"), "root", "DELETE", "APIKEY", "token-1", "success"), // after the period
		entry(event.MicrosOf(time.Now().Add(time.Hour)), "root", "UPDATE", "ACCOUNT", "x", "success"),
	)
	// What the server records of itself, with an older clock.
	read := func(when event.Micros, actor, action string, attributes ...string) {
		e := entry(when, actor, action, "AUDIT_LOG", "countersign", "success", attributes...)
		e.Source = "countersign/server"
		batch = append(batch, e)
	}
	read(at("02-10", "09:00:00"), "auditor", "READ", "count", "17", "rows", "340")
	read(at("02-10", "09:10:00"), "auditor", "EXPORT", "rows", "100000")
	read(at("02-11", "09:10:00"), "auditor", "REPORT", "phase", "begun")
	read(at("02-11", "09:11:00"), "auditor", "REPORT", "phase", "finished", "rows", "5")
	read(at("02-12", "09:11:00"), "auditor", "REVIEW")
	w.append(batch)
}

func TestEveryNumberIsThatOfASecondPath(t *testing.T) {
	w := newWorld(t, 4000)
	w.oddities()
	for _, id := range []string{"pci-dss", "soc-2"} {
		t.Run(id, func(t *testing.T) { w.compare(t, w.request(id)) })
	}
	t.Run("one account", func(t *testing.T) {
		r := w.request("pci-dss")
		r.Accounts = []string{w.estate.Accounts[0].ID}
		w.compare(t, r)
	})
	t.Run("one day", func(t *testing.T) {
		r := w.request("soc-2")
		r.From, r.To = "2026-02-03", "2026-02-03"
		w.compare(t, r)
	})
}

// wordy are the columns of tables that the second path does not compute.
var wordy = map[string][]int{"coverage": {1, 7}}

func (w *world) compare(t *testing.T, r *report.Request) {
	result := w.make(r)
	b, err := os.ReadFile(result.Path)
	w.must(err)
	pack, err := bundle.OpenPack(bytes.NewReader(b), int64(len(b)))
	w.must(err)
	n := newNaive(w, result.Report, r.Accounts)
	if int(result.Report.Run.Rows) != len(n.rows) || len(n.rows) == 0 {
		t.Fatalf("%d rows, want %d", result.Report.Run.Rows, len(n.rows))
	}
	for id, want := range n.tables() {
		var got [][]string
		for _, s := range result.Report.Sections {
			for _, table := range s.Tables {
				if table.ID == id {
					got = n.annex(t, pack, &table)
				}
			}
		}
		inOrder := func(rows [][]string) [][]string {
			slices.SortFunc(rows, func(a, b []string) int { return slices.Compare(a, b) })
			return rows
		}
		if d := cmp.Diff(inOrder(want), inOrder(got)); d != "" {
			t.Errorf("table %s (-want +got):\n%s", id, d)
		}
	}
	n.checkEvidence(t)
	n.checkCharts(t)
}

// annex reads all rows of a table from its annex, and makes sure that the report shows the first of them.
func (n *naive) annex(t *testing.T, pack *bundle.Pack, table *report.Table) [][]string {
	t.Helper()
	if table.Annex == "" {
		if len(table.Rows) > 0 {
			t.Errorf("table %s has rows and no annex", table.ID)
		}
		return nil
	}
	text, err := pack.ReadFile(table.Annex, 1<<30)
	n.must(err)
	records, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	n.must(err)
	if uint64(len(records)-1) != table.Total || len(table.Rows) != min(len(records)-1, 50) {
		t.Errorf("table %s shows %d of %d rows, its annex has %d", table.ID, len(table.Rows), table.Total, len(records)-1)
	}
	var out [][]string
	for i, record := range records[1:] {
		for j, value := range record {
			if record[j] = strings.TrimPrefix(value, "'"); i < len(table.Rows) && table.Rows[i][j].Value != record[j] {
				t.Errorf("table %s shows %v, its annex has %v", table.ID, table.Rows[i][j], record[j])
			}
		}
		for _, j := range slices.Backward(wordy[table.ID]) {
			record = slices.Delete(record, j, j+1)
		}
		out = append(out, record)
	}
	return out
}

// checkEvidence holds each search to what its stated query finds.
func (n *naive) checkEvidence(t *testing.T) {
	for _, q := range n.report.Requirements {
		for _, e := range q.Evidence {
			f, err := query.Parse(e.IPE.Query)
			n.must(err)
			var found []*event.Entry
			for _, row := range n.all {
				if e.IPE.Query != "" && query.Matches(f, row) {
					found = append(found, row)
				}
			}
			first, last := times(found)
			if int(e.Count) != len(found) || e.First != first || e.Last != last || e.IPE.Rows != e.Count {
				t.Errorf("%s, %s: %d entries from %s to %s, its query finds %d from %s to %s", q.ID, e.Search, e.Count, e.First, e.Last, len(found), first, last)
			}
			for _, row := range e.Sample.Rows {
				if !slices.ContainsFunc(found, func(e *event.Entry) bool { return num(int(e.Seq)) == row[0].Value }) {
					t.Errorf("%s, %s: its sample has entry %s, which its query does not find", q.ID, e.Search, row[0].Value)
				}
			}
		}
	}
}

// checkCharts holds the sums of charts to the rows.
func (n *naive) checkCharts(t *testing.T) {
	want := map[string]int{
		"entries": len(n.rows), "methods": count(n.rows, signIn), "failures": count(n.rows, failedSignIn), "delay": len(n.rows),
		"reviews": count(n.rows, func(e *event.Entry) bool { return ours(e) && e.Action == "REVIEW" }),
	}
	for _, s := range n.report.Sections {
		for _, c := range s.Charts {
			total := 0
			for _, series := range c.Series {
				if len(series.Values) != len(c.Labels) {
					t.Errorf("chart %s: %d values of %s for %d labels", c.ID, len(series.Values), series.Name, len(c.Labels))
				}
				for _, v := range series.Values {
					total += int(v)
				}
			}
			if w, known := want[c.ID]; known && total != w {
				t.Errorf("chart %s adds up to %d, want %d", c.ID, total, w)
			}
		}
	}
	if got := n.report.Period.Days; got != n.days() {
		t.Errorf("the period has %d days, want %d", got, n.days())
	}
}
