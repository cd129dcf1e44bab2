package report

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"countersign/query"
)

// Framework is a list of requirements with the searches that bring their evidence. Those that Load and BuiltIn return
// are checked and must not be changed.
type Framework struct {
	ID      string
	Title   string
	Version string
	Covers  string // the part of it that this is, "" for the whole
	About   string
	// DormantDays is after how many days without a trace an active user counts as dormant, SilenceDays how many days
	// without an entry a source may have and still count as covering the period.
	DormantDays, SilenceDays int

	Searches     []Search // those that are used, in the order of first use
	Requirements []Rule

	Text    []byte // the file
	BuiltIn bool
}

// Search is a named question to the trail.
type Search struct {
	Name  string // AM.LOGIN_FAIL
	Title string
	// Where is what it asks for, beside the period and the rights of who asks.
	Where query.Filter
	// Sources are those that could show it: names, or prefixes that end in a slash. It looks at no others.
	Sources []string
	// Who narrows it to what a group of users did: WhoPrivileged, or "" for everybody.
	Who string
	// Sample is how many of its entries the report shows.
	Sample int
	// Optional: its sources are of products that not every estate has. Where there are none it is left out.
	Optional bool
	// Server: its entries stand in the server's own account or in that of who acted, so that a report over some accounts
	// does not see all of them.
	Server bool
	// Expected: its entries are what is to be shown, so that there are none is a gap.
	Expected bool
	// Zero says what it means that there are none.
	Zero string
}

// WhoPrivileged narrows a search to the users who hold a role or permission to administer.
const WhoPrivileged = "privileged"

// Rule is a requirement as a framework has it.
type Rule struct {
	ID, Group, Title string
	Asks             string   // what it asks for, in our words
	Evidence         []string // names of searches
	Sections         []string // ids of sections
	Judge            string   // how to judge what is found
	Cannot           string   // what the trail cannot show of it, "" for nothing
	Attach           []string // documents that a person must add
}

// SHA256 returns the hash of the framework's file.
func (f *Framework) SHA256() string {
	sum := sha256.Sum256(f.Text)
	return hex.EncodeToString(sum[:])
}

// Search returns the search of that name.
func (f *Framework) Search(name string) *Search {
	i := slices.IndexFunc(f.Searches, func(s Search) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &f.Searches[i]
}

// Filter is what the search asks for, of the sources that it looks at.
func (s *Search) Filter() query.Filter {
	var names []string
	var from query.Or
	for _, source := range s.Sources {
		if strings.HasSuffix(source, "/") {
			from = append(from, query.Text{Field: query.Source, Op: query.StartsWith, Values: []string{source}, Exact: true})
		} else {
			names = append(names, source)
		}
	}
	if len(names) > 0 {
		from = append(from, query.Is(query.Source, names...))
	}
	if len(from) == 0 {
		return s.Where
	}
	return query.And{s.Where, from}
}

// Looks tells whether the search looks at a source.
func (s *Search) Looks(source string) bool {
	return len(s.Sources) == 0 || slices.ContainsFunc(s.Sources, func(p string) bool {
		return p == source || strings.HasSuffix(p, "/") && strings.HasPrefix(source, p)
	})
}

//go:embed frameworks/*.yaml
var frameworkFiles embed.FS

const (
	frameworksDir = "frameworks"
	// libraryFile has the searches that every framework may use.
	libraryFile = "searches.yaml"
)

// BuiltIn returns the frameworks that come with Countersign, by id.
func BuiltIn() ([]*Framework, error) {
	entries, err := fs.ReadDir(frameworkFiles, frameworksDir)
	if err != nil {
		return nil, err
	}
	var out []*Framework
	for _, e := range entries {
		if e.Name() == libraryFile {
			continue
		}
		text, err := frameworkFiles.ReadFile(path.Join(frameworksDir, e.Name()))
		if err != nil {
			return nil, err
		}
		f, err := Load(text)
		if err != nil {
			return nil, fmt.Errorf("framework %s: %w", e.Name(), err)
		}
		f.BuiltIn = true
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b *Framework) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// library returns the searches that every framework may use. They are read once and never changed.
var library = sync.OnceValues(func() (map[string]Search, error) {
	text, err := frameworkFiles.ReadFile(path.Join(frameworksDir, libraryFile))
	if err != nil {
		return nil, err
	}
	return loadLibrary(text)
})
