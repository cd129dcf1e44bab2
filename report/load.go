package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"countersign/query"
)

// A framework's file is YAML, read strictly: a key that is not known, twice or of the wrong kind is an error with its
// line, because a misspelt key that went unseen would make a report of something else. docs/reports.md describes it.

// MaxFrameworkBytes bounds a framework's file.
const MaxFrameworkBytes = 512 << 10

const (
	defaultDormantDays = 90
	defaultSilenceDays = 7
	defaultSample      = 5
	maxSample          = 200
	maxRequirements    = 500
	maxTextBytes       = 4096
)

// Fault is one thing that is wrong with a framework's file.
type Fault struct {
	Line int    `json:"line"`
	What string `json:"what"`
}

func (f Fault) String() string { return fmt.Sprintf("line %d: %s", f.Line, f.What) }

// LoadError is everything that is wrong with a framework's file, by line.
type LoadError struct{ Faults []Fault }

func (e *LoadError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

var (
	idForm     = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	ruleForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._()-]{0,39}$`)
	searchForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,19}(\.[A-Z0-9_]{1,40})?$`)
	sourceForm = regexp.MustCompile(`^[a-z0-9._-]+(/[a-z0-9._-]+)*/?$`)
)

// Load reads a framework's file. An error about its contents is a *LoadError.
func Load(text []byte) (*Framework, error) {
	shared, err := library()
	if err != nil {
		return nil, err
	}
	l, root, err := parse(text)
	if err != nil {
		return nil, err
	}
	f := &Framework{Text: bytes.Clone(text), DormantDays: defaultDormantDays, SilenceDays: defaultSilenceDays}
	own := map[string]Search{}
	lines := map[string]int{} // where own searches stand
	var rules *yaml.Node
	l.object(root, "the file", map[string]func(*yaml.Node){
		"id":           l.textIn(&f.ID, idForm, "lower-case letters, digits and single hyphens"),
		"title":        l.text(&f.Title),
		"version":      l.text(&f.Version),
		"covers":       l.text(&f.Covers),
		"about":        l.text(&f.About),
		"dormant_days": l.number(&f.DormantDays, 1, 3650),
		"silence_days": l.number(&f.SilenceDays, 0, 366),
		"searches": func(n *yaml.Node) {
			own = l.searches(n, lines)
		},
		"requirements": func(n *yaml.Node) { rules = n },
	}, "id", "title", "version", "requirements")
	for name := range own {
		if _, taken := shared[name]; taken {
			l.fault(lines[name], "%s is the name of a search that comes with Countersign: choose another", name)
		}
	}
	find := func(name string) (Search, bool) {
		s, ok := own[name]
		if !ok {
			s, ok = shared[name]
		}
		delete(lines, name)
		return s, ok
	}
	if rules != nil {
		l.rules(rules, f, find)
	}
	for name, line := range lines {
		l.fault(line, "the search %s is used by no requirement", name)
	}
	return f, l.err()
}

func loadLibrary(text []byte) (map[string]Search, error) {
	l, root, err := parse(text)
	if err != nil {
		return nil, err
	}
	var all map[string]Search
	l.object(root, "the file", map[string]func(*yaml.Node){
		"searches": func(n *yaml.Node) { all = l.searches(n, map[string]int{}) },
	}, "searches")
	return all, l.err()
}

// loader collects what is wrong.
type loader struct{ faults []Fault }

func (l *loader) fault(line int, format string, args ...any) {
	l.faults = append(l.faults, Fault{line, fmt.Sprintf(format, args...)})
}

func (l *loader) err() error {
	if len(l.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(l.faults, func(a, b Fault) int { return a.Line - b.Line })
	return &LoadError{l.faults}
}

// parse reads the one document of a file.
func parse(text []byte) (*loader, *yaml.Node, error) {
	l := new(loader)
	refuse := func(line int, format string, args ...any) (*loader, *yaml.Node, error) {
		l.fault(line, format, args...)
		return nil, nil, l.err()
	}
	if len(text) > MaxFrameworkBytes {
		return refuse(1, "the file has %d bytes, the limit is %d", len(text), MaxFrameworkBytes)
	}
	if !utf8.Valid(text) {
		return refuse(1, "the file is not UTF-8")
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return refuse(1, "the file is empty")
		}
		return refuse(lineOf(err), "it is no YAML: %v", err)
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return refuse(max(more.Line, 1), "a second document in the file")
	}
	return l, doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

func lineOf(err error) int {
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		n, _ := strconv.Atoi(m[1])
		return max(n, 1)
	}
	return 1
}

// object gives each member of a mapping to its reader and names those that are not known, twice or missing.
func (l *loader) object(n *yaml.Node, what string, readers map[string]func(*yaml.Node), required ...string) {
	if n.Kind != yaml.MappingNode {
		l.fault(n.Line, "%s must be a mapping of keys to values", what)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read, known := readers[key.Value]
		switch {
		case !known:
			l.fault(key.Line, "unknown key %q in %s", key.Value, what)
			continue
		case seen[key.Value]:
			l.fault(key.Line, "the key %q stands twice in %s", key.Value, what)
			continue
		}
		seen[key.Value] = true
		read(value)
	}
	for _, name := range required {
		if !seen[name] {
			l.fault(n.Line, "%s needs the key %q", what, name)
		}
	}
}

// text reads a text that is not empty. Line ends of folded text become blanks at its ends.
func (l *loader) text(to *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
			l.fault(n.Line, "a text is wanted here")
			return
		}
		s := strings.TrimSpace(n.Value)
		switch {
		case s == "":
			l.fault(n.Line, "the text is empty")
		case len(s) > maxTextBytes:
			l.fault(n.Line, "the text has %d bytes, the limit is %d", len(s), maxTextBytes)
		}
		*to = s
	}
}

func (l *loader) textIn(to *string, form *regexp.Regexp, said string) func(*yaml.Node) {
	read := l.text(to)
	return func(n *yaml.Node) {
		read(n)
		if *to != "" && !form.MatchString(*to) {
			l.fault(n.Line, "%q is not of the form: %s", *to, said)
		}
	}
}

func (l *loader) number(to *int, from, most int) func(*yaml.Node) {
	return func(n *yaml.Node) {
		v, err := strconv.Atoi(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || v < from || v > most {
			l.fault(n.Line, "a whole number from %d to %d is wanted here", from, most)
			return
		}
		*to = v
	}
}

func (l *loader) truth(to *bool) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || n.Value != "true" && n.Value != "false" {
			l.fault(n.Line, "true or false is wanted here")
		}
		*to = n.Value == "true"
	}
}

// list gives each element of a sequence to read.
func (l *loader) list(read func(n *yaml.Node)) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.SequenceNode {
			l.fault(n.Line, "a list is wanted here")
			return
		}
		for _, e := range n.Content {
			read(e)
		}
	}
}

func (l *loader) texts(to *[]string, form *regexp.Regexp, said string) func(*yaml.Node) {
	return l.list(func(n *yaml.Node) {
		var s string
		read := l.text(&s)
		if form != nil {
			read = l.textIn(&s, form, said)
		}
		if read(n); slices.Contains(*to, s) {
			l.fault(n.Line, "%q stands twice in the list", s)
		}
		*to = append(*to, s)
	})
}

// searches reads a mapping of names to searches, and notes their lines.
func (l *loader) searches(n *yaml.Node, lines map[string]int) map[string]Search {
	all := map[string]Search{}
	if n.Kind != yaml.MappingNode {
		l.fault(n.Line, "searches must be a mapping of names to searches")
		return all
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		name := key.Value
		if !searchForm.MatchString(name) {
			l.fault(key.Line, "%q cannot name a search: upper-case letters, digits and underscores, with one dot between them", name)
		}
		if _, twice := all[name]; twice {
			l.fault(key.Line, "the search %s stands twice", name)
		}
		all[name] = l.search(name, n.Content[i+1])
		lines[name] = key.Line
	}
	return all
}

func (l *loader) search(name string, n *yaml.Node) Search {
	s := Search{Name: name, Sample: defaultSample}
	var where string
	l.object(n, "the search "+name, map[string]func(*yaml.Node){
		"title": l.text(&s.Title),
		"where": func(n *yaml.Node) {
			if l.text(&where)(n); where == "" {
				return
			}
			f, err := query.Parse(where)
			if err != nil {
				l.fault(n.Line, "the search text of %s: %v", name, err)
			}
			s.Where = f
		},
		"sources":  l.texts(&s.Sources, sourceForm, "a source, or the beginning of sources up to a slash"),
		"who":      l.textIn(&s.Who, regexp.MustCompile("^"+WhoPrivileged+"$"), WhoPrivileged),
		"sample":   l.number(&s.Sample, 0, maxSample),
		"zero":     l.text(&s.Zero),
		"optional": l.truth(&s.Optional),
		"server":   l.truth(&s.Server),
		"expected": l.truth(&s.Expected),
	}, "title", "where", "sources")
	return s
}

// rules reads the requirements.
func (l *loader) rules(n *yaml.Node, f *Framework, find func(string) (Search, bool)) {
	ids := map[string]bool{}
	l.list(func(n *yaml.Node) {
		r := l.rule(n, f, find)
		if ids[r.ID] && r.ID != "" {
			l.fault(n.Line, "the requirement %s stands twice", r.ID)
		}
		ids[r.ID] = true
		f.Requirements = append(f.Requirements, r)
	})(n)
	switch {
	case n.Kind == yaml.SequenceNode && len(n.Content) == 0:
		l.fault(n.Line, "there is no requirement")
	case len(f.Requirements) > maxRequirements:
		l.fault(n.Line, "%d requirements, the limit is %d", len(f.Requirements), maxRequirements)
	}
}

func (l *loader) rule(n *yaml.Node, f *Framework, find func(string) (Search, bool)) Rule {
	var r Rule
	l.object(n, "the requirement", map[string]func(*yaml.Node){
		"id":     l.textIn(&r.ID, ruleForm, "letters, digits, dots, hyphens, underscores and parentheses, at most 40"),
		"group":  l.text(&r.Group),
		"title":  l.text(&r.Title),
		"asks":   l.text(&r.Asks),
		"judge":  l.text(&r.Judge),
		"cannot": l.text(&r.Cannot),
		"attach": l.texts(&r.Attach, nil, ""),
		"evidence": l.list(func(n *yaml.Node) {
			s, known := find(n.Value)
			switch {
			case !known:
				l.fault(n.Line, "there is no search %q", n.Value)
				return
			case slices.Contains(r.Evidence, s.Name):
				l.fault(n.Line, "%q stands twice in the list", s.Name)
				return
			}
			r.Evidence = append(r.Evidence, s.Name)
			if f.Search(s.Name) == nil {
				f.Searches = append(f.Searches, s)
			}
		}),
		"sections": l.list(func(n *yaml.Node) {
			if !slices.Contains(SectionIDs(), n.Value) {
				l.fault(n.Line, "there is no section %q; there are %s", n.Value, strings.Join(SectionIDs(), ", "))
				return
			}
			r.Sections = append(r.Sections, n.Value)
		}),
	}, "id", "title", "asks", "judge")
	if len(r.Evidence)+len(r.Sections)+len(r.Attach) == 0 {
		l.fault(n.Line, "the requirement %s has neither evidence nor sections nor documents to attach", r.ID)
	}
	return r
}
