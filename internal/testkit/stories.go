package testkit

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"countersign/event"
)

// Story is something that an auditor would want to find among the events.
type Story struct {
	Name    string
	About   string
	Search  string // the search text that finds exactly its entries
	Entries int    // how many that are, when the window of the events holds all of the story
}

// What the stories are told with.
const (
	attackerIP     = "203.0.113.66" // nobody else's
	bruteForceAgo  = 9 * day
	bruteForceTry  = 24
	useAgo         = 12 * day
	adminGrantHour = 3 * time.Hour
	bruteForced    = 2 // places in People, in the largest account
	granted        = 12
)

var attacker = event.Client{IP: event.TextOf(attackerIP), Country: event.TextOf("ZZ")}

// Stories returns the planted stories. All of them lie in the 30 days before the estate's Now.
func (e *Estate) Stories() []Story {
	return []Story{
		{
			Name:    "brute force",
			About:   "Many wrong passwords from one address at night, then the right one.",
			Search:  "client.ip:=" + attackerIP + " action:=(LOGIN,LOGIN_ERROR)",
			Entries: bruteForceTry + 1,
		},
		{
			Name:    "use after deletion",
			About:   "A user was deleted, and eight days later acts under the same id are recorded.",
			Search:  "actor.id:=" + e.Deleted.ID + " occurred_at>" + event.MicrosOf(e.Deleted.DeletedAt).String(),
			Entries: 3,
		},
		{
			Name:    "admin grant",
			About:   "The user manager whose password was guessed makes someone an account administrator on a Sunday night, without a ticket.",
			Search:  "action:=UPDATE resource.type:=ROLE attributes.after.role:=" + RoleAdmin,
			Entries: 1,
		},
		{
			Name:    "ageing token",
			About:   "A token that signs releases runs out in two days: reminders were sent and nobody renewed it.",
			Search:  `resource.type:=APIKEY resource.name:="` + ageingToken + `"`,
			Entries: 3,
		},
	}
}

// planted returns the events of the stories, and the deletions of the two users who are gone, in the order
// of time. They depend on the estate alone.
func (e *Estate) planted() []event.Event {
	// Ids must differ from estate to estate: two of them may be recorded in one trail.
	d := &drawer{r: rand.New(rand.NewPCG(uint64(e.Now.Unix()), hash(e.Accounts[0].ID))), e: e, account: &e.Accounts[0]}
	var out []event.Event
	for _, story := range []func(*drawer) []event.Event{(*drawer).bruteForce, (*drawer).deletions, (*drawer).useAfterDeletion, (*drawer).adminGrant, (*drawer).ageing} {
		out = append(out, story(d)...)
	}
	for i := range out {
		sortAttributes(out[i].Attributes)
	}
	slices.SortStableFunc(out, func(a, b event.Event) int { return cmp.Compare(a.OccurredAt, b.OccurredAt) })
	return out
}

// hash is 64-bit FNV-1a.
func hash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

func (d *drawer) goTo(t time.Time) { d.at = event.MicrosOf(t) }

func (d *drawer) bruteForce() []event.Event {
	victim := &d.e.People[bruteForced]
	start := d.e.Now.Add(-bruteForceAgo + 2*time.Hour + 13*time.Minute)
	var out []event.Event
	for i := range bruteForceTry + 1 {
		d.goTo(start.Add(time.Duration(i) * 11 * time.Second))
		ev := d.act(victim, "LOGIN_ERROR", "BASIC_AUTH")
		ev.Outcome = event.OutcomeFailure
		description := "Wrong password"
		if i == bruteForceTry {
			ev.Action, ev.Outcome = "LOGIN", event.OutcomeSuccess
			description = "Signed in"
		}
		ev.Client = attacker
		ev.Detail = event.TextOf("python-requests/2.32.3")
		out = append(out, d.done(ev, victim.ID, victim.Name(), description))
	}
	return out
}

// deletions are the ends of the deleted and the purged user.
func (d *drawer) deletions() []event.Event {
	var out []event.Event
	for _, u := range []*User{d.e.Deleted, d.e.Purged} {
		d.goTo(u.DeletedAt)
		ev := d.act(d.admin(), "DELETE", "USER")
		ev.Attributes = []event.Attribute{{Name: "ticket", Value: fmt.Sprintf("CHG-%d", 1000+d.r.IntN(9000))}}
		out = append(out, d.done(ev, u.ID, u.Name(), said("DELETE", "User", u.Name())))
	}
	return out
}

// admin is the administrator of the largest account.
func (d *drawer) admin() *User { return &d.e.People[d.e.byAccount[0].people[0]] }

func (d *drawer) useAfterDeletion() []event.Event {
	var out []event.Event
	for i, action := range []string{"CREATE", "UPDATE", "DELETE"} {
		d.goTo(d.e.Now.Add(-useAgo + 23*time.Hour + time.Duration(i)*4*time.Minute))
		ev := d.act(d.e.Deleted, action, "APIKEY")
		out = append(out, d.done(ev, d.e.Deleted.ID, "export-copy", said(action, "API token", "export-copy")))
	}
	return out
}

func (d *drawer) adminGrant() []event.Event {
	at := d.e.Now.Add(-3 * day)
	for at.Weekday() != time.Sunday {
		at = at.Add(-day)
	}
	d.goTo(at.Add(adminGrantHour + 7*time.Minute))
	friend := &d.e.People[granted]
	ev := d.act(&d.e.People[d.e.byAccount[0].people[1]], "UPDATE", "ROLE")
	ev.Attributes = []event.Attribute{{Name: "after.role", Value: RoleAdmin}, {Name: "before.role", Value: RoleViewOnly}}
	ev.Client = attacker
	return []event.Event{d.done(ev, friend.ID, RoleAdmin, "Role "+RoleAdmin+" was given to "+friend.Name())}
}

func (d *drawer) ageing() []event.Event {
	t := d.e.Ageing
	var out []event.Event
	for _, left := range []int{30, 14, 7} {
		d.goTo(t.EndDate.Add(-time.Duration(left)*day + 6*time.Hour))
		ev := d.fact("API_ACCESS_TOKEN_EXPIRY_EMAIL_SENT", "APIKEY")
		out = append(out, d.done(ev, t.ID, t.Name, fmt.Sprintf("The API token %s expires in %d days", t.Name, left)))
	}
	return out
}
