package keyfactor

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"countersign/event"
)

// The prefixes of attributes that hold the state before and after a change.
const (
	beforePrefix = "before."
	afterPrefix  = "after."
)

// message returns the Message of e: the very text that a Keyfactor server wrote, null where that wrote none,
// and for events from elsewhere what it would have written. That is the vendor's XML: what was audited, with
// one element for each property, as it is now and as it was before. Where an event tells of no state, its own
// attributes stand for it. What else an event says in words follows in elements that the vendor does not
// have.
func message(e *event.Event) event.Text {
	if t := e.Attribute(event.AttrKeyfactorMessage); t.Present || e.Attribute(event.AttrKeyfactorID).Present {
		return t
	}
	_, entityType := event.KeyfactorCategory(e)
	x := xmlWriter{entity: elementName(strings.ReplaceAll(entityType, " ", ""))}
	after, before := state(e, afterPrefix), state(e, beforePrefix)
	if len(after)+len(before) == 0 {
		after = described(e)
	}
	x.b.WriteString("<AuditAction>")
	if len(after) > 0 || len(before) == 0 {
		x.state("ModelState", after)
	}
	if len(before) > 0 {
		x.state("PreviousModelState", before)
	}
	x.text("Description", e.Description)
	x.text("Detail", e.Detail)
	x.b.WriteString("</AuditAction>")
	return event.TextOf(x.b.String())
}

// state returns the attributes that begin with prefix, without it.
func state(e *event.Event, prefix string) []event.Attribute {
	var all []event.Attribute
	for _, a := range e.Attributes {
		if name, ok := strings.CutPrefix(a.Name, prefix); ok {
			all = append(all, event.Attribute{Name: name, Value: a.Value})
		}
	}
	return all
}

// described are the properties of what an event without states is about.
func described(e *event.Event) []event.Attribute {
	var all []event.Attribute
	for _, p := range []struct {
		name string
		text event.Text
	}{{"Id", e.Resource.ID}, {"Name", e.Resource.Name}} {
		if p.text.Present {
			all = append(all, event.Attribute{Name: p.name, Value: p.text.Value})
		}
	}
	return append(all, e.Attributes...)
}

// xmlWriter writes well-formed XML 1.0: characters that it cannot hold become U+FFFD.
type xmlWriter struct {
	b      bytes.Buffer
	entity string
}

func (x *xmlWriter) state(name string, properties []event.Attribute) {
	fmt.Fprintf(&x.b, "<%s><%s>", name, x.entity)
	for _, p := range properties {
		x.text(elementName(p.Name), event.TextOf(p.Value))
	}
	fmt.Fprintf(&x.b, "</%s></%s>", x.entity, name)
}

func (x *xmlWriter) text(name string, t event.Text) {
	if !t.Present {
		return
	}
	fmt.Fprintf(&x.b, "<%s>", name)
	xml.EscapeText(&x.b, []byte(t.Value)) // a buffer takes everything
	fmt.Fprintf(&x.b, "</%s>", name)
}

// elementName makes a name of an element, in the way of the vendor's platform (XmlConvert.EncodeLocalName): a
// character that may not stand there is written as _xHHHH_, and an underscore that would be read as the
// beginning of one likewise.
func elementName(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '_' && escapeAt(s[i:]), !nameChar(r, i == 0):
			if r > 0xFFFF {
				fmt.Fprintf(&b, "_x%08X_", r)
			} else {
				fmt.Fprintf(&b, "_x%04X_", r)
			}
		default:
			b.WriteRune(r)
		}
	}
	if b.Len() == 0 {
		return "_x0000_" // there is no name without characters
	}
	return b.String()
}

// escapeAt tells whether s begins like an escape.
func escapeAt(s string) bool {
	if len(s) < 7 || s[:2] != "_x" || s[6] != '_' && (len(s) < 11 || s[10] != '_') {
		return false
	}
	return strings.Trim(s[2:6], "0123456789abcdefABCDEF") == ""
}

// baseChars are the letters beyond ASCII that are written as they are: the Latin ones of BaseChar in XML 1.0, fourth
// edition, appendix B. Later editions take more, and older readers do not.
var baseChars = [][2]rune{
	{0xC0, 0xD6}, {0xD8, 0xF6}, {0xF8, 0x131}, {0x134, 0x13E}, {0x141, 0x148}, {0x14A, 0x17E}, {0x180, 0x1C3}, {0x1CD, 0x1F0},
	{0x1F4, 0x1F5}, {0x1FA, 0x217}, {0x250, 0x2A8}, {0x2BB, 0x2C1},
}

// nameChar tells which characters may stand in a name.
func nameChar(r rune, first bool) bool {
	switch {
	case r == '_', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
		return true
	case r == '-', r == '.', '0' <= r && r <= '9':
		return !first
	}
	return slices.ContainsFunc(baseChars, func(part [2]rune) bool { return part[0] <= r && r <= part[1] })
}
