package bundle

import (
	"bytes"
	"errors"
	"strings"

	"countersign/event"
)

// The reading side of csv.go, for records that must be as csv.go writes them: it only has to find the values, and
// whoever calls it renders them again and compares.

var errCSV = errors.New("it is no record of RFC 4180")

// splitCSV appends the fields of a record, with its line end, to dst. With guard the apostrophes are taken off.
func splitCSV(dst []event.Text, record []byte, guard bool) ([]event.Text, error) {
	line, ok := bytes.CutSuffix(record, []byte("\r\n"))
	if !ok {
		return dst, errCSV
	}
	for rest := string(line); ; {
		var (
			t   event.Text
			err error
		)
		if t, rest, err = cutCSV(rest, guard); err != nil {
			return dst, err
		}
		dst = append(dst, t)
		if rest == "" {
			return dst, nil
		}
		if rest[0] != ',' {
			return dst, errCSV
		}
		rest = rest[1:]
		if rest == "" { // a comma is followed by a field, if an empty one
			return append(dst, event.Text{}), nil
		}
	}
}

// cutCSV takes one field off s, up to the comma after it.
func cutCSV(s string, guard bool) (t event.Text, rest string, err error) {
	if s[:min(1, len(s))] != `"` {
		n := strings.IndexByte(s, ',')
		if n < 0 {
			n = len(s)
		}
		return event.TextOrAbsent(s[:n]), s[n:], nil
	}
	s = s[1:]
	end, doubled := 0, false
	for {
		n := strings.IndexByte(s[end:], '"')
		if n < 0 {
			return t, "", errCSV
		}
		end += n
		if s[end+1:min(end+2, len(s))] != `"` {
			break
		}
		doubled = true
		end += 2
	}
	value, rest := s[:end], s[end+1:]
	if doubled {
		value = strings.ReplaceAll(value, `""`, `"`)
	}
	if guard {
		value = strings.TrimPrefix(value, "'")
	}
	return event.TextOf(value), rest, nil
}
