package report

import (
	"slices"
	"time"

	"countersign/event"
	"countersign/identity"
	"countersign/problem"
	"countersign/query"
)

const (
	maxDays     = 3660
	maxAccounts = 200
	maxSeed     = 128
)

// Request is what a report is wanted of.
type Request struct {
	ID        string // of the run
	Framework *Framework
	From, To  string   // days, both included
	Accounts  []string // nil for all that the caller may export
	Seed      string   // of the samples; "" for one that nobody chooses, out of the checkpoint
	Schedule  string   // its id, "" when a person asks

	Caller identity.Caller
	// Renew gives the caller with the rights of when it is called; nil asks People.
	Renew  func() (identity.Caller, error)
	Client event.Client // where they ask from
}

// Check returns why there can be no report like that. Errors are problems that name the field.
func (r *Request) Check() error {
	if _, err := r.window(); err != nil {
		return err
	}
	if len(r.Seed) > maxSeed {
		return problem.Bad("seed", r.Seed, "is longer than %d bytes", maxSeed)
	}
	_, err := r.scope()
	return err
}

const dayMicros = 24 * 3600 * 1_000_000

// window is a period in whole UTC days.
type window struct {
	from, to event.Micros // the first and the last microsecond
	days     int
}

func (r *Request) window() (window, error) {
	from, err := day("from", r.From)
	if err != nil {
		return window{}, err
	}
	to, err := day("to", r.To)
	if err != nil {
		return window{}, err
	}
	if from > to {
		return window{}, problem.Bad("to", r.To, "is before from, %s", r.From)
	}
	days := int((to-from)/dayMicros) + 1
	if days > maxDays {
		return window{}, problem.Bad("from", r.From, "makes a period of %d days, the limit is %d", days, maxDays)
	}
	return window{from, to + dayMicros - 1, days}, nil
}

func day(field, text string) (event.Micros, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, problem.Bad(field, text, "must be a day such as 2026-01-31")
	}
	return event.MicrosOf(t), nil
}

// index returns the number of the day of a moment, from 0.
func (w *window) index(at event.Micros) int { return int((at - w.from) / dayMicros) }

// text returns a day by its number.
func (w *window) text(index int) string { return dayOf(w.from + event.Micros(index)*dayMicros) }

func (w *window) filter() query.Filter {
	return query.Range{Field: query.OccurredAt, Min: int64(w.from), Max: int64(w.to)}
}

func dayOf(at event.Micros) string { return at.Time().Format(time.DateOnly) }

// scope is what of the trail a report is over.
type scope struct {
	filter    query.Filter // in normal form; nil is everything
	accounts  []string     // sorted, when the scope is whole accounts and nothing else
	divisions []string     // sorted, when it is less than accounts
}

func (s *scope) whole() bool { return s.filter == nil }

// scope finds out what of the trail the caller may have a report of.
func (r *Request) scope() (scope, error) {
	accounts := slices.Compact(slices.Sorted(slices.Values(r.Accounts)))
	if len(accounts) > maxAccounts {
		return scope{}, problem.Bad("accounts", "", "are %d, the limit is %d", len(accounts), maxAccounts)
	}
	whole := len(accounts) > 0
	for _, a := range accounts {
		if a == "" {
			return scope{}, problem.Bad("accounts", "", "holds an account without an id")
		}
		if !r.Caller.Reaches(identity.ExportTrail, a) {
			p := problem.Bad("accounts", a, "the caller may not have reports of this account")
			p.Kind = problem.Denied
			return scope{}, p
		}
		whole = whole && r.Caller.May(identity.ExportTrail, a)
	}
	var asked query.Filter
	if len(accounts) > 0 {
		asked = query.Is(query.AccountID, accounts...)
	}
	s := scope{filter: asked, accounts: accounts}
	if !whole {
		restricted, err := r.Caller.Restrict(identity.ExportTrail, asked)
		if err != nil {
			return scope{}, err
		}
		s.filter = query.Normalize(restricted)
		s.accounts = accountsOf(s.filter)
	}
	if s.accounts == nil {
		s.divisions = divisionsOf(s.filter)
	}
	// What cannot be printed and read back, nobody could hold the report to.
	if _, err := query.Parse(query.Print(s.filter)); err != nil {
		return scope{}, problem.Bad("accounts", "", "are too many to be stated: choose fewer")
	}
	return s, nil
}

// accountsOf returns the accounts that a filter is, when it is nothing but whole accounts.
func accountsOf(f query.Filter) []string {
	t, ok := f.(query.Text)
	if !ok || t.Field != query.AccountID || t.Op != query.Equal || !t.Exact {
		return nil
	}
	return slices.Sorted(slices.Values(t.Values))
}

// divisionsOf returns the divisions that a filter names.
func divisionsOf(f query.Filter) []string {
	var out []string
	var walk func(f query.Filter)
	walk = func(f query.Filter) {
		switch f := f.(type) {
		case query.And:
			for _, m := range f {
				walk(m)
			}
		case query.Or:
			for _, m := range f {
				walk(m)
			}
		case query.Text:
			if f.Field == query.DivisionID {
				out = append(out, f.Values...)
			}
		}
	}
	walk(f)
	return slices.Compact(slices.Sorted(slices.Values(out)))
}
