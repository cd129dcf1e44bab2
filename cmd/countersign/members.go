package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// members are the flags of an update, each for a member of the request's body. What is not given is not sent.
type members struct {
	flags *pflag.FlagSet
	read  []func(body map[string]any) error
}

// add has the member, which may lie one level down (service_period.to), read when its flag is given.
func (m *members) add(member, flag string, value func() (any, error)) {
	m.read = append(m.read, func(body map[string]any) error {
		if !m.flags.Changed(flag) {
			return nil
		}
		v, err := value()
		if err != nil {
			return err
		}
		outer, inner, nested := strings.Cut(member, ".")
		if !nested {
			body[member] = v
			return nil
		}
		part, ok := body[outer].(map[string]any)
		if !ok {
			part = map[string]any{}
			body[outer] = part
		}
		part[inner] = v
		return nil
	})
}

func (m *members) text(member, flag, usage string) {
	v := m.flags.String(flag, "", usage)
	m.add(member, flag, func() (any, error) { return *v, nil })
}

func (m *members) flag(member, flag, usage string) {
	v := m.flags.Bool(flag, false, usage)
	m.add(member, flag, func() (any, error) { return *v, nil })
}

// list is a list of texts; one empty text is the empty list.
func (m *members) list(member, flag, usage string) {
	v := m.flags.StringArray(flag, nil, usage)
	m.add(member, flag, func() (any, error) {
		if len(*v) == 1 && (*v)[0] == "" {
			return []string{}, nil
		}
		return *v, nil
	})
}

// file is a member that is too much for a command line: the flag names a file of JSON.
func (m *members) file(member, flag, usage string) {
	v := m.flags.String(flag, "", usage)
	m.add(member, flag, func() (any, error) {
		b, err := os.ReadFile(*v)
		if err != nil {
			return nil, fmt.Errorf("read --%s: %w", flag, err)
		}
		if !json.Valid(b) {
			return nil, fmt.Errorf("read --%s: %s is no valid JSON", flag, *v)
		}
		return json.RawMessage(b), nil
	})
}

// given returns the body of the members that were given.
func (m *members) given() (map[string]any, error) {
	body := map[string]any{}
	for _, read := range m.read {
		if err := read(body); err != nil {
			return nil, err
		}
	}
	if len(body) == 0 {
		return nil, misused("nothing to change: give what is to be different, see --help")
	}
	return body, nil
}
