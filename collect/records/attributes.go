package records

import (
	"slices"
	"strconv"
	"strings"

	"countersign/event"
)

// Attributes collects what a vendor has and nobody else.
type Attributes []event.Attribute

// Add adds a value unless it is absent. Each name is added once.
func (a *Attributes) Add(name string, value event.Text) {
	if value.Present {
		*a = append(*a, event.Attribute{Name: name, Value: value.Value})
	}
}

// State is one property of what was changed, before and after.
type State struct {
	Name          string
	Before, After event.Text
	Changed       bool
}

// count returns how many attributes the state takes.
func (s *State) count() int {
	n := 0
	if s.Before.Present {
		n++
	}
	if s.After.Present {
		n++
	}
	return n
}

// The prefixes of the attributes that hold states.
const (
	beforePrefix = "before."
	afterPrefix  = "after."
)

// What states may take: the record has all of them anyway.
const maxStateBytes = 4 << 10

// leftOut is the attribute that says how many properties are in the record only.
const leftOut = "state.left_out"

// AddStates adds the states as before.NAME and after.NAME, as many as there is room for; those that changed
// go first. Left out, and counted in state.left_out, is what finds no room, has a value of more than 4 KiB,
// a name that no attribute can have, or the name of one before it.
func (a *Attributes) AddStates(states []State) {
	ordered := slices.Clone(states)
	slices.SortStableFunc(ordered, func(x, y State) int {
		switch {
		case x.Changed == y.Changed:
			return 0
		case x.Changed:
			return -1
		}
		return 1
	})
	left, seen := 0, make(map[string]bool)
	room := event.MaxAttributes - 1 - len(*a) // one is for leftOut
	for _, s := range ordered {
		need := s.count()
		switch {
		case need > room, seen[s.Name], s.Name == "", len(beforePrefix+s.Name) > event.MaxAttributeNameBytes,
			len(s.Before.Value) > maxStateBytes, len(s.After.Value) > maxStateBytes:
			left++
			continue
		}
		seen[s.Name] = true
		room -= need
		a.Add(beforePrefix+s.Name, s.Before)
		a.Add(afterPrefix+s.Name, s.After)
	}
	if left > 0 {
		a.Add(leftOut, event.TextOf(strconv.Itoa(left)))
	}
}

// Sorted returns the attributes in the order that events have them.
func (a Attributes) Sorted() []event.Attribute {
	slices.SortFunc(a, func(x, y event.Attribute) int { return strings.Compare(x.Name, y.Name) })
	return a
}
