package identity

import "countersign/event"

// field is a part of something here, as the trail shows it.
type field struct {
	name, value string
	secret      bool // it may hold a secret: only that it changed is told
	onOff       bool // a change of it is told as ENABLED or DISABLED
}

// fields are the parts of one thing, nil when it is not there. Those of one kind of thing stand in one order.
type fields []field

// present returns the one that is there, what is so now before what was.
func present[V any](before, after *V) *V {
	if after != nil {
		return after
	}
	return before
}

// listed is a list as JSON, since its items may hold any separator; "" for none.
func listed[T any](list []T) string {
	if len(list) == 0 {
		return ""
	}
	return toJSON(list)
}

// unless is v, or "" for the value that means nothing.
func unless(v, nothing string) string {
	if v == nothing {
		return ""
	}
	return v
}

// tell adds what happened to one thing: CREATE, DELETE, ENABLED or DISABLED, and UPDATE for everything else
// that changed. What is switched on or off is an entry of its own, so that a search for it by action misses
// none. Nothing is added when nothing changed.
func (g *telling) tell(f fact, what string, before, after fields) {
	say := func(action, done string, attributes []event.Attribute) {
		f.action, f.said, f.attributes = action, what+" was "+done, attributes
		g.add(f)
	}
	switch {
	case before == nil:
		say("CREATE", "created", differences(nil, after))
	case after == nil:
		say("DELETE", "deleted", differences(before, nil))
	default:
		var rest [2]fields
		for i := range after {
			if after[i].onOff && before[i].value != after[i].value {
				on, off := isOn(before[i].value), isOn(after[i].value)
				switch attributes := differences(before[i:i+1], after[i:i+1]); {
				case on == off:
					say("UPDATE", "changed", attributes)
				case on:
					say("DISABLED", "disabled", attributes)
				default:
					say("ENABLED", "enabled", attributes)
				}
				continue
			}
			rest[0], rest[1] = append(rest[0], before[i]), append(rest[1], after[i])
		}
		if attributes := differences(rest[0], rest[1]); len(attributes) > 0 {
			say("UPDATE", "changed", attributes)
		}
	}
}

// isOn reports whether the value of a field that switches something lets it be used.
func isOn(value string) bool { return value == "true" || value == string(Active) }

// differences returns the attributes that tell before and after of what is different: of a thing that is new
// or gone, whatever it has.
func differences(before, after fields) []event.Attribute {
	var out []event.Attribute
	add := func(when string, f field) {
		if f.secret && f.value != "" {
			f.value = withheld
		}
		out = append(out, event.Attribute{Name: when + "." + f.name, Value: f.value})
	}
	switch {
	case before == nil:
		for _, f := range after {
			if f.value != "" {
				add("after", f)
			}
		}
	case after == nil:
		for _, f := range before {
			if f.value != "" {
				add("before", f)
			}
		}
	default:
		for i := range after {
			if before[i].value != after[i].value {
				add("before", before[i])
				add("after", after[i])
			}
		}
	}
	return out
}
