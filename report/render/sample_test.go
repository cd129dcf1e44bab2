package render_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/event"
	"countersign/internal/testkit"
	"countersign/report"
)

// sampler makes a report that looks like a real one: a quarter of a made-up estate, counted the naive way.
type sampler struct {
	estate   *testkit.Estate
	from, to time.Time
	events   []event.Event
	users    map[string]*testkit.User
	searches map[string]report.Evidence
}

const (
	sampleTree = 1_284_511
	sampleRoot = "gMVs6nZcEVPkk9y3DzMSIY8eTqo0CGGFsqN7ZRHrDHk="
)

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// sample makes the report.
func sample() *report.Report {
	s := &sampler{
		from: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), to: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC),
		users: map[string]*testkit.User{}, searches: map[string]report.Evidence{},
	}
	s.estate = testkit.NewEstate(1, s.to)
	s.events = slices.Collect(s.estate.Events(1, 12000, s.from, s.to))
	for _, all := range [][]testkit.User{s.estate.People, s.estate.ServiceUsers} {
		for i := range all {
			s.users[all[i].ID] = &all[i]
		}
	}
	r := &report.Report{
		Version: report.ReportVersion,
		Title:   "Audit log evidence for the first quarter of 2026",
		Framework: report.FrameworkInfo{ID: "pci-dss", Title: "PCI DSS", Version: "4.0.1", BuiltIn: true, SHA256: hashOf("framework"),
			About: "Requirement 10 and the requirements beside it that an audit trail can show something of."},
		Period: report.Period{From: "2026-01-01", To: "2026-03-31", Days: 90},
		Run: report.Run{ID: "01JQTB6Y9GZ4T1N4C4E4M8XK2V", At: "2026-04-02T08:00:12.318Z", ByID: "5a0f2f6e-1d5b-4b1c-9a53-0d6f1a6c2b11", ByName: "auditor@example.com",
			Software: "Countersign 0.9.0", Origin: "trail.example.com/2026", TreeSize: sampleTree, Rows: uint64(len(s.events)), RowsHash: hashOf("rows"),
			RowsFile: "rows.ndjson", Query: "occurred_at>=2026-01-01T00:00:00Z occurred_at<2026-04-01T00:00:00Z",
			Seed: hashOf("seed")[:32], Checked: sampleTree, CheckRoot: sampleRoot, ClaimLevel: "B", Erasures: 2, FirstSeq: 0,
			ClaimText: "The rows are genuine, and rows, queries and counts were fixed in the trail when the report was made. That no row is missing has not been proved for this scope, because it is less than the whole trail."},
		Scope: report.Scope{Query: "account.id:(" + s.estate.Accounts[0].ID + "," + s.estate.Accounts[1].ID + ")"},
		Notice: []string{
			"This report states evidence. Whether a requirement is met is for the assessor to say, who knows the scope and what else there is.",
			"That a search found nothing is evidence only where its sources covered the whole period; where they did not, it is listed as a gap.",
		},
	}
	for i, a := range s.estate.Accounts[:3] {
		r.Scope.Accounts = append(r.Scope.Accounts, report.Account{ID: a.ID, Name: a.Name, State: []report.Known{report.KnownActive, report.KnownActive, report.KnownInactive}[i], Entries: s.count(func(e *event.Event) bool { return e.Account.ID == a.ID })})
	}
	r.People = s.people()
	r.Sections = s.sections()
	r.Requirements = s.requirements()
	for _, q := range r.Requirements {
		r.Gaps = append(r.Gaps, q.Gaps...)
	}
	for _, sec := range r.Sections {
		r.Gaps = append(r.Gaps, sec.Gaps...)
	}
	r.Summary = s.summary(r)
	for _, name := range slices.Sorted(maps.Keys(s.searches)) {
		e := s.searches[name]
		for _, f := range e.IPE.Files {
			r.Annexes = append(r.Annexes, report.Annex{Name: f, Title: e.Title, Rows: e.Count, Bytes: e.Count*412 + 96, SHA256: hashOf(f)})
		}
	}
	r.Annexes = append(r.Annexes, report.Annex{Name: "rows.ndjson", Title: "Every entry of the period in scope, with its proof", Rows: r.Run.Rows, Bytes: r.Run.Rows * 913, SHA256: r.Run.RowsHash})
	return r
}

func (s *sampler) count(match func(*event.Event) bool) (n uint64) {
	for i := range s.events {
		if match(&s.events[i]) {
			n++
		}
	}
	return n
}

func stamp(m event.Micros) string { return m.String() }

func (s *sampler) people() []report.Person {
	byID := map[string]*report.Person{}
	for i := range s.events {
		e := &s.events[i]
		p := byID[who(e)]
		if p == nil {
			p = &report.Person{ID: e.Actor.ID.Value, Name: e.Actor.Name.Value, Type: e.Actor.Type, State: report.KnownNot, First: stamp(e.OccurredAt)}
			if p.ID == "" {
				p.ID = "name:" + p.Name
			}
			if u := s.users[p.ID]; u != nil && !u.Purged {
				p.State = map[string]report.Known{"ACTIVE": report.KnownActive, "PENDING": report.KnownPending, "LOCKED": report.KnownLocked, "DELETED": report.KnownDeleted}[u.Status]
				if u.Role != "" {
					p.Roles = []string{u.Role + "@" + s.accountName(u.PrimaryAccount)}
				}
				p.Admin = u.Role == testkit.RoleAdmin
				if !u.DeletedAt.IsZero() {
					p.Deleted = u.DeletedAt.UTC().Format(time.RFC3339)
				}
			}
			byID[who(e)] = p
		}
		p.Entries++
		p.Last = stamp(e.OccurredAt)
	}
	var all []report.Person
	for _, p := range byID {
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b report.Person) int {
		return cmp.Or(cmp.Compare(b.Entries, a.Entries), cmp.Compare(a.ID, b.ID))
	})
	return all
}

func (s *sampler) accountName(id string) string {
	for _, a := range s.estate.Accounts {
		if a.ID == id {
			return a.FriendlyIdentifier
		}
	}
	return id
}

// who is the id that a row's actor has among the people.
func who(e *event.Event) string {
	if e.Actor.ID.Value == "" && e.Actor.Name.Value != "" {
		return "name:" + e.Actor.Name.Value
	}
	return e.Actor.ID.Value
}

func failedSignIn(e *event.Event) bool {
	return e.Action == "LOGIN_ERROR" || e.Action == "LOGIN" && e.Outcome == "failure"
}

// search is a search of the sample with what it finds.
type search struct {
	name, title, query, says, zero string
	match                          func(*event.Event) bool
}

var sampleSearches = []search{
	{"AM.LOGIN_FAIL", "Failed sign-ins", "action:=LOGIN_ERROR OR action:=LOGIN outcome:failure", "%s failed sign-ins were recorded in the period.", "", failedSignIn},
	{"AM.ROLE", "Changes of role assignments", "resource.type:=ROLE", "%s changes of roles were recorded.", "", func(e *event.Event) bool { return e.Resource.Type == "ROLE" }},
	{"AM.USER_ADD", "Users and service users created", "action:=CREATE resource.type:=(USER,SERVICE_USER)", "%s users and service users were created.", "", func(e *event.Event) bool {
		return e.Action == "CREATE" && (e.Resource.Type == "USER" || e.Resource.Type == "SERVICE_USER")
	}},
	{"AM.USER_DEL", "Users deleted or disabled", "action:=(DELETE,DISABLED) resource.type:=(USER,SERVICE_USER)", "%s users were deleted or disabled.", "", func(e *event.Event) bool {
		return (e.Action == "DELETE" || e.Action == "DISABLED") && (e.Resource.Type == "USER" || e.Resource.Type == "SERVICE_USER")
	}},
	{"AM.TOKEN", "Life cycle of API tokens", "resource.type:=APIKEY", "%s entries tell the life of API tokens.", "", func(e *event.Event) bool { return e.Resource.Type == "APIKEY" }},
	{"AM.IDP", "Changes of identity providers and OAuth clients", "resource.type:=(SAML2_CONFIG,OIDC_CONFIG,OAUTH_CLIENT,OAUTH_CONFIG)", "%s changes of identity providers were recorded.", "", func(e *event.Event) bool {
		return slices.Contains([]string{"SAML2_CONFIG", "OIDC_CONFIG", "OAUTH_CLIENT", "OAUTH_CONFIG"}, e.Resource.Type)
	}},
	{"SELF.READ", "Reads and exports of the trail", "source:=countersign/server resource.type:=AUDIT_LOG action:=(READ,EXPORT,REPORT)", "%s reads and exports of the trail were recorded.", "Nobody read the trail, and its own recording covered the whole period.", func(e *event.Event) bool { return false }},
	{"SELF.LIFE", "Starts, stops and pauses of the recording", "source:=countersign/server action:=(START,STOP,INGEST_PAUSED,INGEST_RESUMED)", "%s starts and stops of the recording.", "No start or stop was recorded.", func(e *event.Event) bool { return false }},
}

func (s *sampler) evidence(name string) report.Evidence {
	if e, ok := s.searches[name]; ok {
		return e
	}
	i := slices.IndexFunc(sampleSearches, func(q search) bool { return q.name == name })
	q := sampleSearches[i]
	file := "annexes/" + strings.ToLower(strings.ReplaceAll(q.name, ".", "-"))
	e := report.Evidence{Search: q.name, Title: q.title, State: report.StateEvidence}
	e.Sample = report.Table{ID: "sample-" + q.name, Title: "Sample: " + strings.ToLower(q.title[:1]) + q.title[1:], Note: "Drawn with the seed of the run.", Annex: file + ".csv",
		Columns: []report.Column{{Label: "Entry", Kind: report.KindCount}, {Label: "Occurred (UTC)", Kind: report.KindMoment}, {Label: "Who", Kind: report.KindWho}, {Label: "Action", Kind: report.KindCode}, {Label: "What", Kind: report.KindText}, {Label: "Outcome", Kind: report.KindText}}}
	var matches []int
	for i := range s.events {
		if q.match(&s.events[i]) {
			matches = append(matches, i)
		}
	}
	e.Count = uint64(len(matches))
	e.Sample.Total = e.Count
	for k := 0; k < len(matches) && len(e.Sample.Rows) < 8; k += max(1, len(matches)/8) {
		m := &s.events[matches[k]]
		outcome := report.Cell{Value: m.Outcome}
		if m.Outcome == "failure" {
			outcome.Tone = report.ToneWarn
		}
		e.Sample.Rows = append(e.Sample.Rows, []report.Cell{{Value: strconv.Itoa(31_000 + 97*matches[k])}, {Value: stamp(m.OccurredAt)}, {Value: who(m)}, {Value: m.Action}, {Value: m.Resource.Type + " " + m.Resource.Name.Value}, outcome})
	}
	if e.Count > 0 {
		e.Says = fmt.Sprintf(q.says, strconv.Itoa(int(e.Count)))
		e.First, e.Last = stamp(s.events[matches[0]].OccurredAt), stamp(s.events[matches[len(matches)-1]].OccurredAt)
		e.IPE.Files = []string{file + ".ndjson", file + ".csv"}
		e.IPE.SHA256 = hashOf(file)
	} else {
		e.State, e.Says = report.StateNone, q.zero
	}
	e.IPE.Query = "(" + q.query + ") occurred_at>=2026-01-01T00:00:00Z occurred_at<2026-04-01T00:00:00Z account.id:(" + s.estate.Accounts[0].ID + "," + s.estate.Accounts[1].ID + ")"
	e.IPE.Rows, e.IPE.TreeSize = e.Count, sampleTree
	e.Coverage = []report.CoverageBrief{{Source: testkit.SourceAccountManager, State: report.StateEvidence, Why: "an entry on each of the 90 days"}}
	if strings.HasPrefix(name, "SELF") {
		e.Coverage = []report.CoverageBrief{{Source: "countersign/server", State: report.StateEvidence, Why: "the server's own recording, without a stop"}}
	}
	if name == "AM.LOGIN_FAIL" {
		e.Coverage = append(e.Coverage, report.CoverageBrief{Source: testkit.SourceKeyfactor, State: report.StatePartial, Why: "no entry from 9 to 17 February"},
			report.CoverageBrief{Source: testkit.SourceIoT, State: report.StateGap, Why: "it was connected on 12 March only"})
		e.State = report.StatePartial
	}
	s.searches[name] = e
	return e
}

// sampleRule is a requirement of the sample, in our words.
type sampleRule struct {
	id, group, title, asks, judge string
	evidence, sections, attach    []string
	gaps                          []report.Gap
	state                         report.State
	reason                        string
}

const (
	logged   = "10.2 What has to be logged"
	fields   = "10.2.2 What each entry has to say"
	secured  = "10.3 Logs are protected"
	reviewed = "10.4 Logs are reviewed"
	kept     = "10.5 Logs are kept"
	clocks   = "10.6 Clocks agree"
	beside   = "7 and 8 Access and accounts"
)

var sampleRules = []sampleRule{
	{id: "10.1.1", group: "10.1 Policy and roles", title: "Logging policies are written down and known", asks: "Policies and procedures for logging and monitoring exist, are current, in use, and known to those concerned.", state: report.StateManual, reason: "Policies are documents; the trail holds events.", attach: []string{"Logging policy with its date and owner", "List of those who have to know it"}, judge: "Read the documents; the trail cannot stand in for them."},
	{id: "10.2.1", group: logged, title: "Logs are on for all components", asks: "Every component in scope writes an audit log, all the time.", state: report.StatePartial, reason: "Three of five sources covered the whole period.", sections: []string{"coverage"}, judge: "Compare the list of sources with the list of components in scope. A component that is not a source is not covered.", gaps: []report.Gap{{Where: "10.2.1", What: "Nine days of Keyfactor Command", Why: "No entry arrived from 9 to 17 February, and the collector was not running.", Close: "Import the days again from the source, which keeps seven years."}, {Where: "10.2.1", What: "IoT Trust before 12 March", Why: "The source was connected on that day.", Close: "Import the earlier months from the source's export."}}},
	{id: "10.2.1.2", group: logged, title: "Actions with administrative access", asks: "Everything that anyone does with administrative access is logged, also where an application or system account is used interactively.", state: report.StateEvidence, reason: "Actions of privileged users and of service users were recorded throughout.", evidence: []string{"AM.ROLE", "AM.IDP"}, sections: []string{"outcomes"}, judge: "Take the grants of administrative roles and look for a ticket to each. Look at what was done outside office hours."},
	{id: "10.2.1.3", group: logged, title: "Access to audit logs", asks: "Every access to audit logs is logged.", state: report.StateEvidence, reason: "The trail records its own reads, and did so throughout the period.", evidence: []string{"SELF.READ"}, judge: "Ask whether each reader had reason to read. Reads of logs at their source are not seen here.", gaps: []report.Gap{{Where: "10.2.1.3", What: "Reads of the logs at the vendors' own consoles", Why: "The Account Manager log does not record who reads it."}}},
	{id: "10.2.1.4", group: logged, title: "Invalid logical access attempts", asks: "Every invalid attempt of logical access is logged.", state: report.StatePartial, reason: "Failed sign-ins were recorded, but one source covered the period in part and one not at all.", evidence: []string{"AM.LOGIN_FAIL"}, sections: []string{"failed-sign-ins"}, judge: "Look for many attempts against one user in a short time, and for a success after them."},
	{id: "10.2.1.5", group: logged, title: "Changes of credentials and accounts", asks: "Every change of identification and authentication credentials is logged: new accounts, more rights, and any change of accounts with administrative access.", state: report.StateEvidence, reason: "Each kind of change was recorded.", evidence: []string{"AM.USER_ADD", "AM.USER_DEL", "AM.ROLE", "AM.TOKEN"}, sections: []string{"tokens"}, judge: "Draw from the populations and ask for the request and the approval of each."},
	{id: "10.2.1.6", group: logged, title: "Starts, stops and pauses of logging", asks: "The start of new logs, and each start, stop or pause of existing ones, is logged.", state: report.StateEvidence, reason: "The server records its own starts and stops.", evidence: []string{"SELF.LIFE"}, judge: "Each stop should have a reason and a start after it."},
	{id: "10.2.2", group: fields, title: "Each entry has the details that are asked for", asks: "Each entry says who, what kind of event, when, with what outcome, from where, and what was affected.", state: report.StatePartial, reason: "Where from is missing in most entries of Account Manager.", sections: []string{"fields"}, judge: "Fields that are not filled are named by source.", gaps: []report.Gap{{Where: "10.2.2", What: "Where from, in 61.4% of the entries", Why: "Account Manager does not give an address.", Close: "Correlate with the sign-in log of the identity provider."}}},
	{id: "10.3.4", group: secured, title: "Changes of log data are found", asks: "A change of existing log data raises an alert.", state: report.StateEvidence, reason: "Every entry is a leaf of a signed tree; a change of any of them is found by whoever keeps a checkpoint.", judge: "Check this report's pack with a key that you obtained yourself.", sections: []string{"integrity"}},
	{id: "10.4.1", group: reviewed, title: "Daily review", asks: "Security events and the logs of critical components are reviewed at least once a day.", state: report.StateGap, reason: "No review was recorded on any day.", judge: "A day without a recorded review is a day without evidence of one.", gaps: []report.Gap{{Where: "10.4.1", What: "That anybody reviewed the logs", Why: "No review was recorded in the trail in the 90 days.", Close: "Record each review, or add the reviewer's own list."}}, attach: []string{"The reviewers' list, if it is kept elsewhere"}},
	{id: "10.5.1", group: kept, title: "Logs are kept for twelve months", asks: "Audit logs are kept for at least twelve months, the newest three of them at hand.", state: report.StateEvidence, reason: "The oldest entry is of 4 March 2024; the newest three months were read for this report.", judge: "Compare the oldest entry of each source with the date it was connected.", sections: []string{"coverage"}},
	{id: "10.6.2", group: clocks, title: "Time comes from agreed servers", asks: "Systems take their time from central time servers that themselves agree with UTC.", state: report.StateManual, reason: "The trail shows when entries arrived, not where the sources took their time from.", attach: []string{"Configuration of the time servers"}},
	{id: "8.2.6", group: beside, title: "Inactive accounts", asks: "Accounts without use are removed or disabled within 90 days.", state: report.StateEvidence, reason: "Four active users left no trace in the period.", sections: []string{"dormant"}, judge: "For each user on the list, ask why the account is still there."},
	{id: "8.6.3", group: beside, title: "Credentials of system accounts are changed", asks: "Passwords and other credentials of application and system accounts are protected and changed periodically.", state: report.StatePartial, reason: "Ages of tokens are shown; those of passwords are not known.", evidence: []string{"AM.TOKEN"}, sections: []string{"tokens"}, judge: "Compare the ages with the period in your own risk analysis.", gaps: []report.Gap{{Where: "8.6.3", What: "Ages of passwords and certificates of system accounts", Why: "No source tells when they were last changed."}}},
}

func (s *sampler) requirements() []report.Requirement {
	var all []report.Requirement
	for _, r := range sampleRules {
		q := report.Requirement{ID: r.id, Group: r.group, Title: r.title, Asks: r.asks, State: r.state, Reason: r.reason, Judge: r.judge, Sections: r.sections, Attach: r.attach, Gaps: r.gaps}
		for _, name := range r.evidence {
			q.Evidence = append(q.Evidence, s.evidence(name))
		}
		all = append(all, q)
	}
	return all
}

func (s *sampler) summary(r *report.Report) report.Summary {
	n := map[report.State]uint64{}
	for _, q := range r.Requirements {
		n[q.State]++
	}
	var out report.Summary
	for _, st := range []report.State{report.StateEvidence, report.StatePartial, report.StateGap, report.StateManual} {
		out.States = append(out.States, report.StateCount{State: st, Count: n[st]})
	}
	out.Highlights = []report.Highlight{
		{Label: "Entries in the period", Value: strconv.Itoa(len(s.events)), Kind: report.KindCount, Section: "outcomes"},
		{Label: "Failed sign-ins", Value: fmt.Sprint(s.count(failedSignIn)), Kind: report.KindCount, Section: "failed-sign-ins"},
		{Label: "Sign-ins with a second factor", Value: "71.8", Kind: report.KindPercent, Section: "mfa"},
		{Label: "Entries after a user was deleted", Value: "3", Kind: report.KindCount, Tone: report.ToneBad, Section: "after-deletion"},
		{Label: "Active users without a trace", Value: "4", Kind: report.KindCount, Tone: report.ToneWarn, Section: "dormant"},
		{Label: "Age of the oldest token in use", Value: "417", Kind: report.KindAge, Tone: report.ToneWarn, Section: "tokens"},
	}
	return out
}
