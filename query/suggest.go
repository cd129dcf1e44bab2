package query

import (
	"slices"
	"strings"
)

// unknownField says that no field has this name, and which names are close to it.
func unknownField(name string) string {
	reason := "there is no field " + quote(cut(name))
	if name+"." == attributePrefix {
		return reason + ": expected attributes.NAME"
	}
	if near := closeFields(name); len(near) > 0 {
		return reason + " (close to it: " + strings.Join(near, ", ") + ")"
	}
	reason += ": expected "
	for _, f := range Fields() {
		reason += string(f) + ", "
	}
	return reason + "or attributes.NAME"
}

// cut keeps messages short whatever was sent.
func cut(name string) string {
	const longest = 64
	if r := []rune(name); len(r) > longest {
		return string(r[:longest]) + "..."
	}
	return name
}

// closeFields returns the fields that differ from name in case only, else those with it as one of their
// parts, else those that a few typing errors away.
func closeFields(name string) []string {
	name = Fold(name)
	tests := []func(field string) bool{
		func(field string) bool { return field == name },
		func(field string) bool { return slices.Contains(strings.FieldsFunc(field, isSeparator), name) },
		func(field string) bool { return distance(field, name) <= 1+len(field)/6 },
	}
	for _, close := range tests {
		var near []string
		for _, f := range Fields() {
			if close(string(f)) {
				near = append(near, string(f))
			}
		}
		if len(near) > 0 {
			return near
		}
	}
	return nil
}

func isSeparator(r rune) bool { return r == '.' || r == '_' }

// distance is the number of bytes to insert, delete or replace to turn a into b. A b that is far longer
// than any field is far.
func distance(a, b string) int {
	if len(b) > 2*len(a) {
		return len(b)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
