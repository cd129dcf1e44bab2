package report

import (
	"cmp"
	"context"
	"slices"

	"countersign/bundle"
	"countersign/event"
	"countersign/query"
)

// completeness is what a pack shows to be complete: a whole range of the trail, or the chains of whole accounts, from
// the last entry that was received before the period on. Of an entry that is no row it shows the frame, which holds the
// times, or the bytes of a system fact.
type completeness struct {
	whole  *bundle.PackRange
	chains []bundle.PackChain
	not    string // why nothing is
	count  uint64
}

// prove opens what is no row.
func (m *making) prove(ctx context.Context) error {
	if !m.scope.whole() && len(m.scope.accounts) == 0 {
		m.proof.not = "the report is over divisions of accounts, and an account's chain does not tell divisions apart"
		return nil
	}
	f, err := m.files.create(bundle.PackExcluded)
	if err != nil {
		return err
	}
	w := bundle.NewExcludedWriter(f, m.size, m.checkpoint)
	if m.scope.whole() {
		err = m.proveRange(ctx, w)
	} else {
		err = m.proveChains(ctx, w)
	}
	if err == nil {
		err = w.Finish(m.maker.Trail.Multi)
	}
	if err != nil {
		return err
	}
	m.proof.count = w.Count()
	if m.excluded, err = m.files.close(f); err != nil {
		return err
	}
	m.tables.annex(m.excluded.PackFile, "What shows that no entry of the period was left out", w.Count())
	return nil
}

// before returns the last entry that was received before the period, of an account or of all.
func (m *making) before(ctx context.Context, account query.Filter) (*event.Entry, error) {
	q := query.Query{
		Filter: query.Normalize(query.And{account, query.Range{Field: query.ReceivedAt, Min: query.NoMin, Max: int64(m.w.from) - 1}}),
		Sort:   query.Sort{Field: query.Seq, Desc: true}, Limit: 1, AsOf: &m.size,
	}
	page, err := m.maker.Trail.Search(ctx, q)
	if err != nil || len(page.Entries) == 0 {
		return nil, err
	}
	return page.Entries[0], nil
}

func (m *making) inPeriod(e *event.Entry) bool {
	return e.OccurredAt >= m.w.from && e.OccurredAt <= m.w.to
}

// exclude opens an event as far as it takes to see that it is outside of the period.
func (m *making) exclude(w *bundle.ExcludedWriter, e *event.Entry, account string, scoped bool) error {
	seed, ok := m.maker.Trail.Seed(e.Seq)
	if !ok {
		return errCannotOpen(e.Seq)
	}
	x := bundle.Excluded{Seq: e.Seq, Account: account}
	if scoped {
		x.Opening = event.OpenPart(seed, e, func(field byte) bool { return field <= event.FieldFrame })
	} else {
		x.Opening = event.OpenFrame(seed, e)
	}
	return w.Add(&x)
}

// proveRange shows every entry from the first on that could be of the period.
func (m *making) proveRange(ctx context.Context, w *bundle.ExcludedWriter) error {
	var from uint64
	last, err := m.before(ctx, nil)
	if err != nil {
		return err
	}
	if last != nil {
		from = last.Seq
	}
	next := from
	// Searches find events only: what they leave out between two of them are system facts.
	facts := func(to uint64) error {
		for ; next < to; next++ {
			b, err := m.maker.Trail.EntryBytes(next)
			if err != nil {
				return err
			}
			if err := w.Add(&bundle.Excluded{Seq: next, Fact: b}); err != nil {
				return err
			}
		}
		return nil
	}
	q := query.Query{Filter: query.Range{Field: query.Seq, Min: int64(from), Max: query.NoMax}, AsOf: &m.size}
	_, err = m.maker.Trail.Each(ctx, q, func(e *event.Entry) error {
		if err := facts(e.Seq); err != nil {
			return err
		}
		next = e.Seq + 1
		if m.inPeriod(e) {
			return nil // a row
		}
		return m.exclude(w, e, "", false)
	})
	if err == nil {
		err = facts(m.size)
	}
	m.proof.whole = &bundle.PackRange{From: from}
	return err
}

// proveChains shows the chain of each account, from the last entry before the period to the one that this run recorded.
// The chains lead from entry to entry, so that only their ends have to say whose they are.
func (m *making) proveChains(ctx context.Context, w *bundle.ExcludedWriter) error {
	first := map[string]uint64{}
	var befores []*event.Entry
	for _, account := range m.scope.accounts {
		e, err := m.before(ctx, query.Is(query.AccountID, account))
		if err != nil {
			return err
		}
		if e != nil {
			befores = append(befores, e)
			first[account] = e.Seq
		}
	}
	// All of them were received before any of the others, so they come before them.
	slices.SortFunc(befores, func(a, b *event.Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, e := range befores {
		if m.inPeriod(e) {
			continue // dated ahead: it is a row
		}
		if err := m.exclude(w, e, e.Account.ID, false); err != nil {
			return err
		}
	}
	q := m.query(query.Range{Field: query.ReceivedAt, Min: int64(m.w.from), Max: query.NoMax})
	_, err := m.maker.Trail.Each(ctx, q, func(e *event.Entry) error {
		account := e.Account.ID
		if _, known := first[account]; !known {
			first[account] = e.Seq
		}
		if m.inPeriod(e) {
			return nil
		}
		return m.exclude(w, e, account, e.Seq == m.closers[account])
	})
	for _, account := range m.scope.accounts {
		m.proof.chains = append(m.proof.chains, bundle.PackChain{Account: account, From: first[account], Last: m.closers[account]})
	}
	return err
}
