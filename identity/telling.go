package identity

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"countersign/event"
)

// Source is the source of the entries that tell of changes here.
const Source = OwnAccount + "/identity"

// withheld stands in the trail for a value that may hold a secret.
const withheld = "[withheld]"

// telling makes the events that tell of one change, out of what was so before and what is so after it. It
// looks at everything, so no method has to say what it changed and none can forget to. That takes about half as
// long as reading the snapshot.
type telling struct {
	old, next *state
	actor     event.Actor
	client    event.Client
	at        event.Micros
	events    []event.Event
}

// fact is one thing that changed.
type fact struct {
	account      string
	division     *Division
	resourceType string
	id, name     string
	action       string
	said         string
	attributes   []event.Attribute
}

// events returns what is to be recorded of the change, in the order of the trail: what is gone from the
// smallest to the largest, then what is new or different from the largest to the smallest.
func (t *change) events(ctx context.Context, next *state, at time.Time) ([]event.Event, error) {
	g := telling{old: t.st, next: next, client: clientOf(ctx), at: event.MicrosOf(at), actor: event.Actor{Type: event.ActorSystem}}
	if t.by.UserID != "" {
		g.actor = event.Actor{ID: event.TextOf(t.by.UserID), Name: event.TextOrAbsent(t.by.Name), Type: event.ActorStandard}
		if t.by.UserType == Service {
			g.actor.Type = event.ActorService
		}
	}
	steps := []func(gone bool){g.accounts, g.divisions, g.users, g.memberships, g.roles, g.tokens, g.certificates, g.schedules}
	for _, step := range slices.Backward(steps) {
		step(true)
	}
	for _, step := range steps {
		step(false)
	}
	for i := range g.events {
		e := &g.events[i]
		// The id is made here and kept with the row: however often the row is delivered, it is one event.
		e.Normalize(OwnAccount)
		if err := e.Validate(); err != nil {
			return nil, fmt.Errorf("tell of %s on %s %s: %w", e.Action, e.Resource.Type, e.Resource.ID.Value, err)
		}
	}
	return g.events, nil
}

func (g *telling) add(f fact) {
	e := event.Event{
		OccurredAt:  g.at,
		Account:     event.Account{ID: f.account, Name: event.TextOrAbsent(g.accountName(f.account))},
		Actor:       g.actor,
		Action:      f.action,
		Resource:    event.Resource{Type: f.resourceType, ID: event.TextOf(f.id), Name: event.TextOf(f.name)},
		Outcome:     event.OutcomeSuccess,
		Description: event.TextOf(f.said),
		Client:      g.client,
		Source:      Source,
		Attributes:  f.attributes,
	}
	if f.division != nil {
		e.Division = event.Division{ID: event.TextOf(f.division.ID), Name: event.TextOf(f.division.Name)}
	}
	g.events = append(g.events, e)
}

func (g *telling) accountName(id string) string {
	for _, st := range []*state{g.next, g.old} {
		if a := st.accountByID[id]; a != nil {
			return a.Name
		}
	}
	return ""
}

// compare calls fn with what is gone, or else with what is there now and what it was before; the other one
// is nil where there is none.
func compare[V any](old, next []*V, inOld, inNext func(*V) *V, gone bool, fn func(before, after *V)) {
	if gone {
		for _, v := range old {
			if inNext(v) == nil {
				fn(v, nil)
			}
		}
		return
	}
	for _, v := range next {
		fn(inOld(v), v)
	}
}

func (g *telling) accounts(gone bool) {
	in := func(st *state) func(*Account) *Account {
		return func(a *Account) *Account { return st.accountByID[a.ID] }
	}
	compare(g.old.accounts, g.next.accounts, in(g.old), in(g.next), gone, func(before, after *Account) {
		a := present(before, after)
		g.tell(fact{account: a.ID, resourceType: "ACCOUNT", id: a.ID, name: a.Name}, "Account "+a.Name, accountFields(before), accountFields(after))
	})
}

func accountFields(a *Account) fields {
	if a == nil {
		return nil
	}
	return fields{
		{name: "active", value: strconv.FormatBool(a.Active), onOff: true},
		{name: "auth_config", value: unless(string(a.AuthConfig), "{}"), secret: true},
		{name: "friendly_identifier", value: a.FriendlyIdentifier},
		{name: "locale", value: a.Locale},
		{name: "name", value: a.Name},
		{name: "oauth_clients", value: listed(a.OAuthClients), secret: true},
		{name: "service_period.from", value: a.ServicePeriod.From},
		{name: "service_period.to", value: a.ServicePeriod.To},
		{name: "sign_in_methods", value: toJSON(a.SignInMethods)},
	}
}

func (g *telling) divisions(gone bool) {
	in := func(st *state) func(*Division) *Division {
		return func(v *Division) *Division { return st.division(v.Account, v.ID) }
	}
	compare(g.old.divisions, g.next.divisions, in(g.old), in(g.next), gone, func(before, after *Division) {
		v := present(before, after)
		g.tell(fact{account: v.Account, division: v, resourceType: "DIVISION", id: v.ID, name: v.Name}, "Division "+v.Name,
			divisionFields(before), divisionFields(after))
	})
}

func divisionFields(v *Division) fields {
	if v == nil {
		return nil
	}
	return fields{{name: "name", value: v.Name}}
}

func (g *telling) users(gone bool) {
	in := func(st *state) func(*user) *user {
		return func(u *user) *user { return st.userByID[u.ID] }
	}
	compare(g.old.users, g.next.users, in(g.old), in(g.next), gone, func(before, after *user) {
		u := present(before, after)
		f := fact{account: u.PrimaryAccountID, resourceType: resourceOf(u), id: u.ID, name: g.nameOf(u)}
		switch {
		case after == nil: // purged: its values are what is to go, so they are not written down once more
			f.action, f.said = "DELETE", "A user was purged"
			f.attributes = []event.Attribute{{Name: "purge", Value: "true"}}
			g.add(f)
		case before != nil && before.Status != Deleted && after.Status == Deleted:
			f.action, f.said = "DELETE", "User "+f.name+" was deleted"
			f.attributes = differences(userFields(before), userFields(after))
			g.add(f)
		default:
			g.tell(f, "User "+f.name, userFields(before), userFields(after))
		}
	})
}

func resourceOf(u *user) string {
	if u.Type == Service {
		return "SERVICE_USER"
	}
	return "USER"
}

// nameOf is how the user is named in the trail: by the id alone once purged.
func (g *telling) nameOf(u *user) string {
	if g.next.userByID[u.ID] == nil {
		return u.ID
	}
	return u.name()
}

func userFields(u *user) fields {
	if u == nil {
		return nil
	}
	return fields{
		{name: "access_scope", value: u.AccessScope},
		{name: "applications", value: listed(u.Applications)},
		{name: "description", value: u.Description},
		{name: "email", value: u.Email},
		{name: "first_name", value: u.FirstName},
		{name: "friendly_name", value: u.FriendlyName},
		{name: "last_name", value: u.LastName},
		{name: "locale", value: u.Locale},
		{name: "phone", value: u.Phone},
		{name: "primary_account_id", value: u.PrimaryAccountID},
		{name: "status", value: string(u.Status), onOff: true},
		{name: "user_name", value: u.UserName},
	}
}

// memberships tells each account of users who came to belong to it, or no longer do, but for the primary
// account of one who is made or purged, which is told of that. An account in which a user is given a role
// would else see a stranger.
func (g *telling) memberships(gone bool) {
	from, to := g.old, g.next
	if !gone {
		from, to = g.next, g.old
	}
	for _, u := range from.users {
		other := to.userByID[u.ID]
		for _, account := range u.memberOf {
			if other != nil && slices.Contains(other.memberOf, account) || other == nil && account == u.PrimaryAccountID {
				continue
			}
			f := fact{account: account, resourceType: resourceOf(u), id: u.ID, name: g.nameOf(u), action: "UPDATE"}
			f.said = "User " + f.name + " came to the account"
			f.attributes = []event.Attribute{{Name: "after.account_id", Value: account}}
			if gone {
				f.said = "User " + f.name + " left the account"
				f.attributes[0].Name = "before.account_id"
			}
			g.add(f)
		}
	}
}

// roles tells of grants. The resource is the user's id and the role's name, so that both can be searched for.
func (g *telling) roles(gone bool) {
	from, to := g.old, g.next
	if !gone {
		from, to = g.next, g.old
	}
	for _, u := range from.users {
		for i := range u.roles {
			r := &u.roles[i]
			if other := to.userByID[u.ID]; other != nil && slices.ContainsFunc(other.roles, r.same) {
				continue
			}
			f := fact{account: r.Account, resourceType: "ROLE", id: u.ID, name: string(r.Role), action: "UPDATE"}
			if r.Server {
				f.account = OwnAccount
			}
			f.said = fmt.Sprintf("Role %s was given to %s", r.Role, g.nameOf(u))
			before, after := fields(nil), roleFields(&r.Grant)
			if gone {
				f.said = fmt.Sprintf("Role %s was taken from %s", r.Role, g.nameOf(u))
				before, after = after, before
			}
			f.attributes = differences(before, after)
			g.add(f)
		}
	}
}

// same reports whether both are one grant. One that was taken and given again in the meantime is another.
func (g *RoleGrant) same(h RoleGrant) bool {
	return g.samePlace(h.Grant) && slices.Equal(g.Divisions, h.Divisions) && g.CreatedAt.Equal(h.CreatedAt)
}

func roleFields(g *Grant) fields {
	out := fields{
		{name: "account_id", value: g.Account},
		{name: "divisions", value: listed(g.Divisions)},
		{name: "role", value: string(g.Role)},
	}
	if g.Server {
		out = append(out, field{name: "server", value: "true"})
	}
	return out
}

func (g *telling) tokens(gone bool) {
	var old, next []*token
	for _, u := range g.old.users {
		old = append(old, u.tokens...)
	}
	for _, u := range g.next.users {
		next = append(next, u.tokens...)
	}
	in := func(st *state) func(*token) *token {
		return func(t *token) *token { return st.tokenByID[t.ID] }
	}
	compare(old, next, in(g.old), in(g.next), gone, func(before, after *token) {
		t := present(before, after)
		g.pass(fact{resourceType: "APIKEY", id: t.ID, name: t.Name}, "API token", t.user, tokenFields(before), tokenFields(after))
	})
}

func tokenFields(t *token) fields {
	if t == nil {
		return nil
	}
	return fields{
		{name: "accounts", value: listed(t.Accounts)},
		{name: "enabled", value: strconv.FormatBool(t.Enabled), onOff: true},
		{name: "end_date", value: t.EndDate},
		{name: "name", value: t.Name},
		{name: "sources", value: listed(t.Sources)},
		{name: "user_id", value: t.UserID},
	}
}

func (g *telling) certificates(gone bool) {
	var old, next []*certificate
	for _, u := range g.old.users {
		old = append(old, u.certificates...)
	}
	for _, u := range g.next.users {
		next = append(next, u.certificates...)
	}
	in := func(st *state) func(*certificate) *certificate {
		return func(v *certificate) *certificate { return st.certificateByID[v.ID] }
	}
	compare(old, next, in(g.old), in(g.next), gone, func(before, after *certificate) {
		v := present(before, after)
		g.pass(fact{resourceType: "CLIENT_AUTH_CERT", id: v.ID, name: v.Name}, "Client certificate", v.user,
			certificateFields(before), certificateFields(after))
	})
}

func certificateFields(v *certificate) fields {
	if v == nil {
		return nil
	}
	return fields{
		{name: "accounts", value: listed(v.Accounts)},
		{name: "enabled", value: strconv.FormatBool(v.Enabled), onOff: true},
		{name: "fingerprint_sha256", value: v.Fingerprint},
		{name: "issuer", value: v.Issuer},
		{name: "name", value: v.Name},
		{name: "not_after", value: v.NotAfter.Format(time.RFC3339)},
		{name: "not_before", value: v.NotBefore.Format(time.RFC3339)},
		{name: "serial", value: v.Serial},
		{name: "sources", value: listed(v.Sources)},
		{name: "subject", value: v.Subject},
		{name: "user_id", value: v.UserID},
	}
}

// pass tells of a token or certificate of the user, in the user's account. Of a user who is purged only the
// ids are told: people name their tokens after themselves, and certificates bear their names.
func (g *telling) pass(f fact, what string, u *user, before, after fields) {
	f.account = u.PrimaryAccountID
	if g.next.userByID[u.ID] != nil {
		g.tell(f, what+" "+f.name+" of "+g.nameOf(u), before, after)
		return
	}
	f.name, f.action, f.said = f.id, "DELETE", what+" of a purged user was deleted"
	f.attributes = []event.Attribute{{Name: "before.user_id", Value: u.ID}}
	g.add(f)
}
