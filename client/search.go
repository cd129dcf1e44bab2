package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
)

const (
	// maxPageRows is what the server returns at most.
	maxPageRows = 1000
	// maxPageBytes bounds the memory of one page.
	maxPageBytes = 128 << 20
)

// Query says which entries are meant. The zero value means all.
type Query struct {
	Text     string // search text, such as action:LOGIN_ERROR -outcome:success
	From, To string // bounds of occurred_at, both included: a date or an RFC 3339 time; empty is no bound
	Sort     string // such as occurred_at:asc; empty is the call's own order
	// AsOf answers from the first so many entries of the trail; nil is all there are.
	AsOf *uint64
}

func (q Query) values() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{"q": q.Text, "from": q.From, "to": q.To, "sort": q.Sort} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.AsOf != nil {
		v.Set("as_of", strconv.FormatUint(*q.AsOf, 10))
	}
	return v
}

// Page is a part of what a search finds.
type Page struct {
	Total       uint64  `json:"total"` // exact at TreeSize and ErasureMark
	Offset      uint64  `json:"offset"`
	Limit       int     `json:"limit"`
	TreeSize    uint64  `json:"tree_size"`
	ErasureMark uint64  `json:"erasure_mark"`
	Items       []Entry `json:"items"`
}

// Search returns the rows from offset on, limit of them at most. Without a sort the newest come first. A
// limit of 0 returns the total only.
func (c *Client) Search(ctx context.Context, q Query, offset uint64, limit int) (Page, error) {
	v := q.values()
	v.Set("offset", strconv.FormatUint(offset, 10))
	v.Set("limit", strconv.Itoa(limit))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+eventsPath+"?"+v.Encode(), nil)
	if err != nil {
		return Page{}, fmt.Errorf("search: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Accept", "application/json")
	var p Page
	if err := c.doUpTo(c.pageBytes, req, http.StatusOK, &p); err != nil {
		return Page{}, err
	}
	if p.Offset != offset || len(p.Items) > limit {
		return Page{}, fmt.Errorf("search: the server returns %d rows from %d where %d from %d were asked for", len(p.Items), p.Offset, limit, offset)
	}
	return p, nil
}

// Pages returns everything that the search finds, in pages of rows at most (0 means 1,000) and all at the
// tree size of the first, so that no row is missing and none comes twice while others write. There is always
// a first page. After an error there is no further one.
func (c *Client) Pages(ctx context.Context, q Query, rows int) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		limit := cmp.Or(min(rows, maxPageRows), maxPageRows)
		var first Page
		for offset := uint64(0); ; {
			p, err := c.Search(ctx, q, offset, limit)
			if errors.Is(err, errLargeAnswer) && limit > 1 {
				limit /= 2
				continue
			}
			if err != nil {
				yield(Page{}, err)
				return
			}
			if offset == 0 {
				first = p
				q.AsOf = &first.TreeSize
			}
			if err := follows(&first, &p); err != nil {
				yield(Page{}, err)
				return
			}
			offset += uint64(len(p.Items))
			if !yield(p, nil) || offset == first.Total {
				return
			}
		}
	}
}

// follows refuses a page that does not belong to the first.
func follows(first, p *Page) error {
	end := p.Offset + uint64(len(p.Items))
	switch {
	case p.ErasureMark != first.ErasureMark:
		return errors.New("search: entries were erased while their pages were read; read them again")
	case p.TreeSize != first.TreeSize || p.Total != first.Total:
		return fmt.Errorf("search: a page with %d rows of a trail of %d follows one with %d rows of %d", p.Total, p.TreeSize, first.Total, first.TreeSize)
	case end > p.Total || len(p.Items) == 0 && end < p.Total:
		return fmt.Errorf("search: the server counts %d rows and returns %d", p.Total, end)
	}
	return nil
}
