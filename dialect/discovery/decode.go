package discovery

import (
	"fmt"
	"math"
	"net/url"

	"countersign/problem"
	"countersign/query"
)

// The page of a list, as the vendor documents it.
const (
	defaultPageSize = 50
	maxPageSize     = 512
)

// request is what one body asks for.
type request struct {
	account   string
	divisions []scalar // none: all that the caller may see
	criteria  []query.Filter
	sort      query.Sort
	offset    uint64
	limit     int
	selected  string // filterSelected
	// includeSelf asks for the entries about the reading and running of this server too.
	includeSelf bool
}

// decode reads the body of either call. Every error names the member that is wrong.
func decode(body []byte) (request, error) {
	d := decoder{
		parser: newParser(body, ""), asked: request{limit: defaultPageSize},
		sortedColumn: "createdDate", sortOrder: descending,
	}
	if err := d.object(d.member); err != nil {
		return request{}, err
	}
	if err := d.end(); err != nil {
		return request{}, err
	}
	switch {
	case d.asked.account == "":
		return request{}, problem.Bad("accountId", "", "is required")
	case d.asked.divisions == nil:
		return request{}, problem.Bad("divisionIds", "", "is required; [] stands for all that the key may see")
	}
	d.asked.sort = sortBy(d.sortedColumn)
	d.asked.sort.Desc = d.sortOrder == descending
	return d.asked, nil
}

const (
	ascending  = "ASC"
	descending = "DESC"
)

// decoder gathers the members of a body in the order in which they come.
type decoder struct {
	parser
	asked                   request
	sortedColumn, sortOrder string
	functions               int // how many ways there are to read the functions that are asked for
}

func (d *decoder) member(name string) error {
	var read func() error
	switch name {
	case "accountId":
		read = d.accountID
	case "searchCriteriaList":
		read = func() error { return d.array(maxCriteria, d.criterion) }
	case "divisionIds":
		read = d.divisionIDs
	case "startIndex":
		read = d.startIndex
	case "pageSize":
		read = d.pageSize
	case "filterSelected":
		read = d.filterSelected
	case "sortedColumnId":
		read = d.sortedColumnID
	case "sortOrder":
		read = d.order
	}
	// isFromWallAlert is among what is skipped: nobody knows what it means. A null counts as not given.
	if read == nil || d.next() == 'n' {
		return d.skip()
	}
	return read()
}

func (d *decoder) accountID() error {
	v, err := d.scalar()
	if err == nil && v.text == "" {
		err = problem.Bad("accountId", "", "is empty")
	}
	d.asked.account = v.text
	return err
}

func (d *decoder) divisionIDs() error {
	d.asked.divisions = []scalar{}
	return d.array(math.MaxInt, func() error { // the size of the body bounds it
		v, err := d.scalar()
		d.asked.divisions = append(d.asked.divisions, v)
		return err
	})
}

// startIndex counts rows from 1.
func (d *decoder) startIndex() error {
	n, err := d.integer(1, math.MaxInt64, "must be a whole number from 1")
	d.asked.offset = uint64(n - 1)
	return err
}

func (d *decoder) pageSize() error {
	n, err := d.integer(0, maxPageSize, fmt.Sprintf("must be a whole number from 0 to %d", maxPageSize))
	d.asked.limit = int(n)
	return err
}

// filterSelected matters to one of the two calls, which looks whether it is right. The vendor's own sample of
// the other has a value that its page does not list.
func (d *decoder) filterSelected() (err error) {
	if d.next() != '"' {
		return d.skip()
	}
	d.asked.selected, err = d.text()
	return err
}

func (d *decoder) sortedColumnID() (err error) {
	d.sortedColumn, err = d.oneOf("createdDate", "userName", "ipAddress", "divisionName", "ipCountry")
	return err
}

func (d *decoder) order() (err error) {
	d.sortOrder, err = d.oneOf(descending, ascending)
	return err
}

// decodeIncludeSelf reads the one parameter of the query, which is ours.
func decodeIncludeSelf(rawQuery string) (bool, error) {
	ps, err := url.ParseQuery(rawQuery)
	if err != nil {
		return false, bad("query", rawQuery, "is not validly encoded")
	}
	switch v := ps.Get("include_self"); v {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, bad("include_self", v, "must be true or false")
	}
}
