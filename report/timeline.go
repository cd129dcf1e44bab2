package report

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"countersign/event"
	"countersign/identity"
	"countersign/query"
)

// timeline is what happened to users and tokens from the beginning of the trail to the end of the period: who was
// there at a moment, with which roles, and which tokens there were.
type timeline struct {
	lives  map[string][]life
	roles  map[string][]roleChange
	tokens map[string]*tokenLife
	cut    bool
}

type life struct {
	at      event.Micros
	seq     uint64
	deleted bool
}

type roleChange struct {
	at            event.Micros
	seq           uint64
	before, after string
}

// tokenLife is what the trail tells of an API token.
type tokenLife struct {
	id, name  string
	named     event.Micros
	made      event.Micros
	knownMade bool // else the trail does not tell when it was made
	by        string
	changed   span
	state     string
	stateAt   event.Micros
	reminders uint64
}

// maxLives bounds the users and the tokens of a timeline.
const maxLives = 200_000

// actionReminder is sent before a token ends.
const actionReminder = "API_ACCESS_TOKEN_EXPIRY_EMAIL_SENT"

const (
	tokenOpen     = "in use"
	tokenDisabled = "disabled"
	tokenDeleted  = "deleted"
)

// readTimeline reads it.
func (m *making) readTimeline(ctx context.Context) (*timeline, error) {
	t := &timeline{lives: map[string][]life{}, roles: map[string][]roleChange{}, tokens: map[string]*tokenLife{}}
	users := query.And{query.Is(query.ResourceType, "USER", "SERVICE_USER"), query.Is(query.Action, "CREATE", "DELETE")}
	tokens := query.And{query.Is(query.ResourceType, "APIKEY"),
		query.Is(query.Action, "CREATE", "UPDATE", "ENABLED", "DISABLED", "DELETE", actionReminder)}
	_, err := m.maker.Trail.Each(ctx, m.query(query.And{
		query.Or{users, query.Is(query.ResourceType, "ROLE"), tokens},
		query.Not{Filter: query.Is(query.Outcome, event.OutcomeFailure)},
		query.Range{Field: query.OccurredAt, Min: query.NoMin, Max: int64(m.w.to)},
	}), func(e *event.Entry) error {
		t.add(e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, list := range t.lives {
		slices.SortFunc(list, func(a, b life) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq)) })
	}
	for _, list := range t.roles {
		slices.SortFunc(list, func(a, b roleChange) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq)) })
	}
	return t, nil
}

func (t *timeline) add(e *event.Entry) {
	id := strings.Clone(e.Resource.ID.Value)
	if id == "" {
		return
	}
	if len(t.lives)+len(t.roles)+len(t.tokens) >= maxLives {
		t.cut = true
		return
	}
	switch e.Resource.Type {
	case "ROLE":
		t.roles[id] = append(t.roles[id], roleChange{e.OccurredAt, e.Seq,
			strings.Clone(e.Attribute("before.role").Value), strings.Clone(e.Attribute("after.role").Value)})
	case "APIKEY":
		t.token(id).add(e)
	default:
		t.lives[id] = append(t.lives[id], life{e.OccurredAt, e.Seq, e.Action == "DELETE"})
	}
}

func (t *timeline) token(id string) *tokenLife {
	k := t.tokens[id]
	if k == nil {
		k = &tokenLife{id: id, named: event.MinMicros, state: tokenOpen, stateAt: event.MinMicros}
		t.tokens[id] = k
	}
	return k
}

func (k *tokenLife) add(e *event.Entry) {
	if e.Resource.Name.Value != "" && e.OccurredAt >= k.named {
		k.name, k.named = kept(k.name, e.Resource.Name.Value), e.OccurredAt
	}
	if e.Action == actionReminder {
		k.reminders++
		return
	}
	k.changed.add(e.OccurredAt)
	if e.Action == "CREATE" && (!k.knownMade || e.OccurredAt < k.made) {
		k.made, k.knownMade, k.by = e.OccurredAt, true, strings.Clone(personKey(e))
	}
	state, changes := map[string]string{"CREATE": tokenOpen, "ENABLED": tokenOpen, "DISABLED": tokenDisabled, "DELETE": tokenDeleted}[e.Action]
	if changes && e.OccurredAt >= k.stateAt {
		k.state, k.stateAt = state, e.OccurredAt
	}
}

// goneBefore tells when the actor of the entry was deleted, if that was before it.
func (t *timeline) goneBefore(e *event.Entry) (gone event.Micros, ok bool) {
	list := t.lives[e.Actor.ID.Value]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].at < e.OccurredAt {
			return list[i].at, list[i].deleted
		}
	}
	return 0, false
}

// deletedAt tells when a user was deleted last, unless they were made again.
func (t *timeline) deletedAt(id string) (at event.Micros, ok bool) {
	list := t.lives[id]
	if len(list) == 0 {
		return 0, false
	}
	last := list[len(list)-1]
	return last.at, last.deleted
}

// heldAdmin tells whether a user held a role of an administrator in the window, as far as the trail tells.
func (t *timeline) heldAdmin(id string, w window) bool {
	held := map[string]bool{}
	for _, c := range t.roles[id] {
		delete(held, c.before)
		if c.after != "" {
			held[c.after] = true
		}
		if adminRole(c.after) && c.at >= w.from {
			return true // given in the window, however soon it was taken
		}
		if c.at >= w.from && adminRole(c.before) {
			return true // held until then
		}
	}
	for role := range held {
		if adminRole(role) {
			return true
		}
	}
	return false
}

// adminRole tells whether a role is one that administers.
func adminRole(role string) bool {
	switch identity.Role(role) {
	case identity.UserManager, identity.ServerOperator, identity.ErasureOfficer:
		return true
	}
	return strings.Contains(strings.ToUpper(role), "ADMIN")
}

// privileged returns the ids of all who hold a role or permission to administer, or held one in the window.
func (t *timeline) privileged(r identity.Roster, w window) map[string]bool {
	out := map[string]bool{}
	for id, u := range r.Users {
		if u.Manages || slices.ContainsFunc(u.Grants, func(g identity.Grant) bool { return adminRole(string(g.Role)) }) {
			out[id] = true
		}
	}
	for id := range t.roles {
		if t.heldAdmin(id, w) {
			out[id] = true
		}
	}
	return out
}
