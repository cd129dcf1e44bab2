package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"countersign/identity"
)

// listedPeople is how many people a report lists beside those that it mentions; all are in the annex.
const listedPeople = 200

// person resolves somebody who acts in the rows, or is mentioned.
func (m *making) person(key string) Person {
	p := Person{ID: key, State: KnownNot, Names: []string{}, Roles: m.rolesOf(key), Admin: m.admins[key]}
	if a := m.tally.people[key]; a != nil {
		p.Name, p.Type, p.Entries = a.name, m.kindOf(a), a.entries
		p.First, p.Last = a.span.texts()
		for _, n := range a.names {
			if n != a.name {
				p.Names = append(p.Names, n)
			}
		}
	}
	if u, known := m.roster.Users[key]; known {
		p.State = knownAs(u.Status)
		if p.Type == "" {
			p.Type = string(u.Type)
		}
		if p.Name == "" {
			p.Name = u.Name
		}
	}
	if at, deleted := m.timeline.deletedAt(key); deleted {
		p.Deleted = at.String()
		if p.State == KnownNot {
			p.State = KnownDeleted
		}
	}
	return p
}

// kindOf tells people from programs: as this server knows them, else as the newest row has it.
func (m *making) kindOf(p *act) string {
	if u, known := m.roster.Users[p.key]; known {
		return string(u.Type)
	}
	return p.kind
}

func knownAs(s identity.UserStatus) Known {
	switch s {
	case identity.Deleted:
		return KnownDeleted
	case identity.Pending:
		return KnownPending
	case identity.Locked:
		return KnownLocked
	}
	return KnownActive
}

// people resolves those who did the most and all who are mentioned, and writes everybody to the annex.
func (m *making) people() ([]Person, error) {
	all := m.acts(func(*act) bool { return true }, func(a, b *act) int { return cmp.Compare(b.entries, a.entries) })
	out := []Person{}
	var rows [][]Cell
	for i, a := range all {
		p := m.person(a.key)
		rows = append(rows, []Cell{cell(p.ID), cell(p.Name), cell(p.Type), cell(string(p.State)), cell(strings.Join(p.Roles, " ")), cell(p.Deleted),
			number(p.Entries), cell(p.First), cell(p.Last)})
		if i < listedPeople || m.mentioned[a.key] {
			out = append(out, p)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m.mentioned)) {
		if m.tally.people[key] == nil {
			out = append(out, m.person(key))
		}
	}
	_, err := m.tables.add(Table{ID: "people", Title: "Everybody who acts in the entries of the period",
		Columns: []Column{{"ID", KindWho}, {"Name of the time", KindText}, {"Type", KindText}, {"State now", KindText}, {"Roles now", KindText}, {"Deleted", KindMoment},
			{"Entries", KindCount}, {"First", KindMoment}, {"Last", KindMoment}}}, rows)
	return out, err
}

// accountsSeen resolves the accounts that have entries in the period, and those that were asked for.
func (m *making) accountsSeen() []Account {
	ids := maps.Clone(m.tally.accounts)
	for _, a := range m.scope.accounts {
		if ids[a] == nil {
			ids[a] = &accountTally{}
		}
	}
	out := []Account{}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		a := Account{ID: id, Name: ids[id].name, Entries: ids[id].entries, State: KnownNot}
		if known, ok := m.roster.Accounts[id]; ok {
			a.State = KnownActive
			if !known.Active {
				a.State = KnownInactive
			}
			if a.Name == "" {
				a.Name = known.Name
			}
		}
		out = append(out, a)
	}
	slices.SortStableFunc(out, func(a, b Account) int { return cmp.Compare(b.Entries, a.Entries) })
	return out
}
