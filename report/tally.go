package report

import (
	"cmp"
	"strconv"
	"strings"

	"countersign/event"
)

// tally is what is counted while the rows of the period go by, once, in the order of the trail. It takes memory for
// each person, source, account and day, not for each row; what is bounded says so when its bound was reached.
type tally struct {
	w       window
	rows    uint64
	people  map[string]*act
	sources map[string]*sourceTally
	// accounts counts entries by account.
	accounts map[string]*accountTally
	methods  map[string]uint64 // successful sign-ins by resource type
	failures []uint64          // failed sign-ins by day
	reviews  []uint64          // by day
	verified uint64            // VERIFY entries
	grants   []grantRow        // roles of administrators that were given
	late     []lateRow         // acts of users who were deleted
	lateAll  uint64
	timeline *timeline
	admins   map[string]bool // the privileged, by actor id
	adminDid map[string]uint64
	times    int  // moments held in acts
	cut      bool // a bound was reached
}

const (
	// maxPeople and maxMoments bound the memory of a run, to about 150 MiB together.
	maxPeople  = 100_000
	maxMoments = 8_000_000
	maxLate    = 100_000
	maxNames   = 8
)

// othersKey stands for whoever came after maxPeople.
const othersKey = "name:(more people than are told apart)"

// act is what one person, or program, did.
type act struct {
	key     string
	name    string
	named   event.Micros // when the name was theirs
	names   []string     // all of them, the first maxNames
	kind    string
	entries uint64
	span    span

	logins    [methodClasses]uint64
	failed    uint64
	failedOn  map[int]uint64 // by day
	failures  []event.Micros
	successes []event.Micros
	acts      uint64 // what is neither sign-in nor sign-out
	actsBad   uint64 // of acts: failed
	active    event.Micros
	reads     [3]uint64 // READ, EXPORT, REPORT
	readRows  uint64
}

// span is the first and last moment of something.
type span struct {
	some        bool
	first, last event.Micros
}

func (s *span) add(at event.Micros) {
	if !s.some {
		*s = span{true, at, at}
	}
	s.first, s.last = min(s.first, at), max(s.last, at)
}

func (s *span) texts() (first, last string) {
	if !s.some {
		return "", ""
	}
	return s.first.String(), s.last.String()
}

// sourceTally is what a source delivered in the period.
type sourceTally struct {
	entries uint64
	days    []uint64 // entries by day
	fields  [fieldCount]uint64
	delays  [delayClasses]uint64
}

type accountTally struct {
	name    string
	named   event.Micros
	entries uint64
}

// The fields whose completeness is counted.
const (
	fieldWho = iota
	fieldWhat
	fieldWhen
	fieldOutcome
	fieldWhere
	fieldOnWhat
	fieldCount
)

// The classes of the time from the source's clock to the record.
const delayClasses = 6

var delayBounds = [delayClasses - 1]event.Micros{0, 60_000_000, 3600_000_000, dayMicros, 7 * dayMicros}

func delayClass(e *event.Entry) int {
	d := e.ReceivedAt - e.OccurredAt
	if d < 0 {
		return 0
	}
	for i, bound := range delayBounds[1:] {
		if d <= bound {
			return i + 1
		}
	}
	return delayClasses - 1
}

// methodClass is how a sign-in was proven.
type methodClass int

const (
	methodMFA methodClass = iota
	methodPassword
	methodProvider // whatever the identity provider asked for
	methodCertificate
	methodOther
	methodClasses
)

func classOf(resourceType string) methodClass {
	switch {
	case strings.HasSuffix(resourceType, "_MFA"):
		return methodMFA
	case strings.HasPrefix(resourceType, "SSO_"):
		return methodProvider
	case resourceType == "BASIC_AUTH" || resourceType == "DIGEST_AUTH":
		return methodPassword
	case resourceType == "CLIENT_AUTH_CERT":
		return methodCertificate
	}
	return methodOther
}

func own(source string) bool { return strings.HasPrefix(source, event.OwnSourcePrefix) }

// isFailedSignIn tells whether an entry is a sign-in to the estate that failed.
func isFailedSignIn(e *event.Entry) bool {
	return !own(e.Source) && (e.Action == "LOGIN_ERROR" || e.Action == "LOGIN" && e.Outcome == event.OutcomeFailure)
}

func isSignIn(e *event.Entry) bool {
	return !own(e.Source) && e.Action == "LOGIN" && e.Outcome == event.OutcomeSuccess
}

// personKey names who did it: by id, by name where there is no id, "" for nobody.
func personKey(e *event.Entry) string {
	switch {
	case e.Actor.ID.Value != "":
		return e.Actor.ID.Value
	case e.Actor.Name.Value != "":
		return "name:" + e.Actor.Name.Value
	}
	return ""
}

func newTally(w window, t *timeline, admins map[string]bool) *tally {
	return &tally{
		w: w, people: map[string]*act{}, sources: map[string]*sourceTally{}, accounts: map[string]*accountTally{},
		methods: map[string]uint64{}, failures: make([]uint64, w.days), reviews: make([]uint64, w.days),
		timeline: t, admins: admins, adminDid: map[string]uint64{},
	}
}

// add counts a row.
func (t *tally) add(e *event.Entry) {
	t.rows++
	t.addSource(e)
	t.addAccount(e)
	if p := t.person(e); p != nil {
		t.addPerson(p, e)
	}
	if isFailedSignIn(e) {
		t.failures[t.w.index(e.OccurredAt)]++
	}
	if isSignIn(e) {
		t.methods[strings.Clone(e.Resource.Type)]++
	}
	if own(e.Source) && e.Resource.Type == typeLog {
		switch e.Action {
		case "REVIEW":
			t.reviews[t.w.index(e.OccurredAt)]++
		case "VERIFY":
			t.verified++
		}
	}
	if role := e.Attribute("after.role").Value; e.Resource.Type == "ROLE" && adminRole(role) && e.Outcome != event.OutcomeFailure {
		t.grants = append(t.grants, grantRow{at: e.OccurredAt, seq: e.Seq, by: strings.Clone(personKey(e)), to: strings.Clone(e.Resource.ID.Value),
			role: strings.Clone(role), ticket: strings.Clone(e.Attribute("ticket").Value)})
	}
	if gone, ok := t.timeline.goneBefore(e); ok {
		t.lateAll++
		if len(t.late) < maxLate {
			t.late = append(t.late, lateRow{seq: e.Seq, at: e.OccurredAt, gone: gone, who: strings.Clone(personKey(e)), action: strings.Clone(e.Action),
				kind: strings.Clone(e.Resource.Type), name: strings.Clone(e.Resource.Name.Value), outcome: strings.Clone(e.Outcome)})
		}
	}
}

type grantRow struct {
	at           event.Micros
	seq          uint64
	by, to       string
	role, ticket string
}

type lateRow struct {
	seq                     uint64
	at, gone                event.Micros
	who, action, kind, name string
	outcome                 string
}

func (t *tally) addSource(e *event.Entry) {
	s := t.sources[e.Source]
	if s == nil {
		s = &sourceTally{days: make([]uint64, t.w.days)}
		t.sources[strings.Clone(e.Source)] = s
	}
	s.entries++
	s.days[t.w.index(e.OccurredAt)]++
	s.delays[delayClass(e)]++
	present := [fieldCount]bool{
		fieldWho:     personKey(e) != "" || e.Actor.Type == event.ActorSystem,
		fieldWhat:    true, // required of every event
		fieldWhen:    true,
		fieldOutcome: e.Outcome != event.OutcomeUnknown,
		fieldWhere:   e.Client.IP.Value != "",
		fieldOnWhat:  e.Resource.ID.Value != "" || e.Resource.Name.Value != "",
	}
	for i, some := range present {
		if some {
			s.fields[i]++
		}
	}
}

func (t *tally) addAccount(e *event.Entry) {
	a := t.accounts[e.Account.ID]
	if a == nil {
		a = &accountTally{named: event.MinMicros}
		t.accounts[strings.Clone(e.Account.ID)] = a
	}
	a.entries++
	if e.Account.Name.Value != "" && e.OccurredAt >= a.named {
		a.name, a.named = kept(a.name, e.Account.Name.Value), e.OccurredAt
	}
}

// kept returns a text that is held on to: as it was held, or else a copy. A part of an entry would keep all that was
// read with it in memory.
func kept(held, text string) string {
	if held == text {
		return held
	}
	return strings.Clone(text)
}

// person returns whose act the entry is, nil for nobody's.
func (t *tally) person(e *event.Entry) *act {
	key := personKey(e)
	if key == "" {
		return nil
	}
	p := t.people[key]
	if p == nil {
		if len(t.people) >= maxPeople {
			t.cut = true
			key = othersKey
			if p = t.people[key]; p != nil {
				return p
			}
		}
		p = &act{key: strings.Clone(key), named: event.MinMicros, active: event.MinMicros}
		t.people[p.key] = p
	}
	return p
}

func (t *tally) addPerson(p *act, e *event.Entry) {
	p.entries++
	p.span.add(e.OccurredAt)
	if e.OccurredAt >= p.named {
		p.kind, p.named = kept(p.kind, e.Actor.Type), e.OccurredAt
		if e.Actor.Name.Value != "" {
			p.name = kept(p.name, e.Actor.Name.Value)
		}
	}
	p.note(e.Actor.Name.Value)
	if e.Outcome != event.OutcomeFailure {
		p.active = max(p.active, e.OccurredAt)
	}
	switch {
	case isFailedSignIn(e):
		p.failed++
		if p.failedOn == nil {
			p.failedOn = map[int]uint64{}
		}
		p.failedOn[t.w.index(e.OccurredAt)]++
		p.failures = t.moment(p.failures, e.OccurredAt)
	case isSignIn(e):
		p.logins[classOf(e.Resource.Type)]++
		p.successes = t.moment(p.successes, e.OccurredAt)
	case e.Action != "LOGIN" && e.Action != "LOGIN_ERROR" && e.Action != "LOGOUT":
		p.acts++
		if e.Outcome == event.OutcomeFailure {
			p.actsBad++
		}
		if t.admins[p.key] {
			t.adminDid[strings.Clone(e.Action)]++
		}
	}
	if own(e.Source) && e.Resource.Type == typeLog {
		p.read(e)
	}
}

// read counts reads of the trail: an entry stands for as many as it says.
func (p *act) read(e *event.Entry) {
	i := map[string]int{"READ": 0, "EXPORT": 1, actionReport: 2}
	n, ok := i[e.Action]
	if !ok || e.Action == actionReport && e.Attribute(attrPhase).Value != phaseBegun {
		return // a report is recorded when it begins and when it ends
	}
	p.reads[n] += max(attributeNumber(e, "count"), 1)
	p.readRows += attributeNumber(e, "rows")
}

func attributeNumber(e *event.Entry, name string) uint64 {
	n, err := strconv.ParseUint(e.Attribute(name).Value, 10, 63)
	if err != nil {
		return 0 // absent
	}
	return n
}

// moment keeps a moment, while there is room.
func (t *tally) moment(list []event.Micros, at event.Micros) []event.Micros {
	if t.times >= maxMoments {
		t.cut = true
		return list
	}
	t.times++
	return append(list, at)
}

func (p *act) note(name string) {
	if name == "" || len(p.names) == maxNames {
		return
	}
	for _, n := range p.names {
		if n == name {
			return
		}
	}
	p.names = append(p.names, strings.Clone(name))
}

// signIns is the number of successful sign-ins.
func (p *act) signIns() (n uint64) {
	for _, c := range p.logins {
		n += c
	}
	return n
}

// byKey orders acts that are equal otherwise.
func byKey(a, b *act) int { return cmp.Compare(a.key, b.key) }
