package keyfactor

import (
	"encoding/xml"
	"io"
	"strings"

	"countersign/collect/records"
	"countersign/event"
)

// The levels of a message: AuditAction / ModelState or PreviousModelState / the audited type / property.
const (
	levelState    = 2
	levelProperty = 4
)

// states reads the properties of what was changed out of a message. Messages have no published schema, so
// one of another form has no states, and is no error: the event keeps the message itself.
func states(message string) []records.State {
	m := model{place: make(map[string]int)}
	d := xml.NewDecoder(strings.NewReader(message))
	for {
		token, err := d.Token()
		switch {
		case err == io.EOF:
			return m.properties()
		case err != nil:
			return nil
		}
		switch t := token.(type) {
		case xml.StartElement:
			m.start(t.Name.Local)
		case xml.CharData:
			m.chars(t)
		case xml.EndElement:
			m.end()
		}
	}
}

// model gathers the properties of both states while a message is read.
type model struct {
	path   []string
	own    strings.Builder // the text of the property itself
	parts  []string        // the texts inside the elements of one that is a list
	states []records.State
	place  map[string]int // of a property in states
	before bool           // the message has a state before the change
}

func (m *model) start(name string) {
	m.path = append(m.path, name)
	if len(m.path) == levelProperty {
		m.own.Reset()
		m.parts = nil
	}
}

func (m *model) chars(text []byte) {
	switch {
	case len(m.path) == levelProperty:
		m.own.Write(text)
	case len(m.path) > levelProperty && strings.TrimSpace(string(text)) != "":
		m.parts = append(m.parts, string(text))
	}
}

func (m *model) end() {
	if len(m.path) == levelProperty {
		m.property(m.path[levelState-1], m.path[levelProperty-1])
	}
	m.path = m.path[:len(m.path)-1]
}

// property keeps the value that was read; the elements of a list stand in lines of their own.
func (m *model) property(state, name string) {
	value := m.own.String()
	if len(m.parts) > 0 {
		value = strings.Join(m.parts, "\n")
	}
	i, known := m.place[name]
	if !known {
		i = len(m.states)
		m.place[name] = i
		m.states = append(m.states, records.State{Name: name})
	}
	switch state {
	case "ModelState":
		m.states[i].After = event.TextOf(value)
	case "PreviousModelState":
		m.states[i].Before = event.TextOf(value)
		m.before = true
	}
}

func (m *model) properties() []records.State {
	for i := range m.states {
		s := &m.states[i]
		s.Changed = m.before && s.Before != s.After
	}
	return m.states
}
