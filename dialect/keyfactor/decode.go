package keyfactor

import (
	"math"
	"net/http"
	"strconv"
	"strings"

	"countersign/dialect/refusal"
	"countersign/event"
	"countersign/query"
)

// defaultReturnLimit is the page of a list, as the vendor documents it.
const defaultReturnLimit = 50

// request is what one call asks for.
type request struct {
	found
	sort   query.Sort
	offset uint64
	limit  uint64
	paged  bool // a page was asked for
	// includeSelf asks for the entries about the reading and running of this server too.
	includeSelf bool
	guard       bool
}

// decode reads the parameters of the calls that answer with many entries. Every error names the parameter
// that is wrong. sortField is the order when none is asked for.
func decode(ps params, a asker, sortField string) (request, error) {
	var r request
	var err error
	if r.found, err = parseQuery(ps.first("QueryString"), a); err != nil {
		return request{}, refusal.Bad("QueryString", "", err.Error())
	}
	if r.sort, err = decodeSort(ps.first("SortField"), ps.first("SortAscending"), sortField); err != nil {
		return request{}, err
	}
	page, limit := ps.first("PageReturned"), ps.first("ReturnLimit")
	r.paged = page != "" || limit != ""
	number, err := decodeCount("PageReturned", page, 1)
	if err != nil {
		return request{}, err
	}
	if r.limit, err = decodeCount("ReturnLimit", limit, defaultReturnLimit); err != nil {
		return request{}, err
	}
	r.offset = (number - 1) * r.limit
	if r.includeSelf, err = ps.flag("include_self", false); err != nil {
		return request{}, err
	}
	r.guard, err = ps.flag("guard", true)
	return r, err
}

// decodeCount reads a number of pages or rows, which the vendor's clients keep in 32 bits.
func decodeCount(name, v string, otherwise uint64) (uint64, error) {
	if v == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(v, 10, 31)
	if err != nil || n < 1 {
		return 0, refusal.Bad(name, v, "must be a whole number from 1 to 2147483647")
	}
	return n, nil
}

// decodeSort reads the order. In spite of its name a SortAscending of 1 is descending.
func decodeSort(field, order, otherwise string) (query.Sort, error) {
	if field == "" {
		field = otherwise
	}
	s, ok := sortBy(field)
	if !ok {
		return query.Sort{}, &refusal.Refusal{
			Status: http.StatusBadRequest, Code: codeSortField,
			// The vendor's own message, then what would do.
			Message: "Invalid sort field: " + refusal.Shown(field) + ". SortField must be Id, Timestamp, Category, Operation, Level or ImmutableIdentifier.",
		}
	}
	switch strings.ToLower(order) {
	case "", "0", "ascending":
	case "1", "descending":
		s.Desc = true
	default:
		return query.Sort{}, refusal.Bad("SortAscending", order, "must be 0 for ascending or 1 for descending order")
	}
	return s, nil
}

// sortBy returns the order by a column, ascending.
func sortBy(field string) (query.Sort, bool) {
	switch strings.ToLower(field) {
	case "id":
		return query.Sort{Field: query.Seq}, true
	case "timestamp":
		return query.Sort{Field: query.OccurredAt}, true
	case "category":
		return query.Sort{Field: query.ResourceType, Cases: categoryCases}, true
	case "operation":
		return query.Sort{Field: query.Action, Classes: operations.filters()}, true
	case "level":
		return query.Sort{Field: query.Outcome, Classes: levels.filters()}, true
	case "immutableidentifier":
		return query.Sort{Field: query.ResourceID, Cases: identifierCases}, true
	}
	return query.Sort{}, false
}

// filters returns the filter of each number in order.
func (c *choice) filters() []query.Filter {
	all := make([]query.Filter, len(c.names))
	for i := range c.names {
		all[i] = query.OfClasses(c.classes(i + c.first))
	}
	return all
}

// categoryCases is the number of event.KeyfactorCategory as an order: of texts, which for numbers of four
// digits, as all of the vendor's are, is that of the numbers.
var categoryCases = func() []query.Case {
	all := []query.Case{ownCase(event.AttrKeyfactorCategory)}
	for _, n := range event.KeyfactorCategories() {
		all = append(all, query.Case{When: query.OfClasses(event.KeyfactorCategoryClasses(n)), Value: strconv.Itoa(n)})
	}
	return all
}()

// identifierCases is event.KeyfactorImmutableIdentifier as an order.
var identifierCases = []query.Case{ownCase(event.AttrKeyfactorImmutableIdentifier), {Field: query.ResourceID}}

// ownCase is what a record of the vendor's own brought.
func ownCase(attribute string) query.Case {
	f := query.AttributeField(attribute)
	return query.Case{When: query.Not{Filter: query.Null{Field: f}}, Field: f}
}

// maxID is the largest that the vendor's clients can hold.
const maxID = math.MaxInt32

// parseID reads an Id in a path.
func parseID(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, refusal.Bad("id", s, "must be a whole number from 0 to 2147483647")
	}
	return int64(n), nil
}
