package discovery

import (
	"github.com/go-json-experiment/json/jsontext"

	"countersign/event"
	"countersign/problem"
	"countersign/query"
)

// The bounds of the criteria of a request.
const (
	maxCriteria = 100
	maxValues   = 1000 // of one
	// maxFunctions bounds the ways to read the functions of a request: each blank can be the one between an
	// action and a type, so a text of short words is many filters. It leaves room for as many values as there
	// may be, and for several words in each that fits into a body then.
	maxFunctions = 2 * maxCriteria * maxValues
)

// criterion reads one member of searchCriteriaList. Its value may stand before its key, so it is looked at
// when both are there.
func (d *decoder) criterion() error {
	var key, operation string
	var value jsontext.Value
	err := d.object(func(name string) (err error) {
		switch name {
		case "key":
			key, err = d.oneOf("userName", "dateRange", "function", "ipAddress", "divisionName")
		case "operation":
			operation, err = d.oneOf("EQUALS")
		case "value":
			value, err = d.raw()
		default:
			err = d.skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	at := d.field()
	switch {
	case key == "":
		return problem.Bad(at+".key", "", "is required")
	case operation == "":
		return problem.Bad(at+".operation", "", "is required")
	case value == nil:
		return problem.Bad(at+".value", "", "is required")
	}
	p := newParser(value, at+".value")
	var f query.Filter
	if key == "dateRange" {
		f, err = p.dateRange()
	} else {
		f, err = d.texts(p, key)
	}
	d.asked.criteria = append(d.asked.criteria, f)
	return err
}

// texts reads the values of a criterion on a text, of which one must be shown.
func (d *decoder) texts(p parser, key string) (query.Filter, error) {
	var classes []event.Class
	n := 0
	err := p.array(maxValues, func() error {
		v, err := p.text()
		if err != nil {
			return err
		}
		n++
		found := showing(key, v)
		if key == "function" {
			if d.functions += len(found); d.functions > maxFunctions {
				return bad(p.field(), v, "has too many words, together with the functions before it")
			}
		}
		classes = append(classes, found...)
		return nil
	})
	if err == nil && n == 0 {
		err = problem.Bad(p.at, "", "has no member")
	}
	return query.OfClasses(classes), err
}
