package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"countersign/merkle"
	"countersign/query"
)

// An evidence pack is a zip archive: a report, the rows that it is over with their proof, what else a reader may want,
// a manifest that names all of it, and a seal that fixes the manifest in the trail. docs/format/pack.md is the format.

// The names of a pack's files that have a meaning here.
const (
	PackRows     = "rows.ndjson"     // an export with proof
	PackExcluded = "excluded.ndjson" // what opens the other entries of the range or chains, where there are any
	PackManifest = "manifest.json"
	PackSeal     = "seal.json"
)

const (
	packVersion = 1

	// MaxManifestBytes bounds a manifest.
	MaxManifestBytes = 4 << 20
	// MaxSample bounds the sample of one search.
	MaxSample = 200

	maxPackFiles  = 2048
	maxSearches   = 1000
	maxPackChains = 1000
)

// Manifest says what a pack holds.
type Manifest struct {
	Report ManifestReport
	// Query is the period: occurred_at in whole UTC days. Scope is what of the trail was looked at; nil is all of it.
	Query, Scope query.Filter
	// TreeSize is how many entries the report is over, Checkpoint the published one in whose tree they are shown.
	TreeSize, ErasureMark uint64
	Checkpoint            merkle.Checkpoint
	Rows, Excluded        uint64
	// Range or Chains say what the pack is complete over; neither is there when that is not claimed.
	Range    *PackRange
	Chains   []PackChain
	Seed     string // of the samples
	Searches []PackSearch
	Files    []PackFile // ascending by name
}

// ManifestReport says what the report is.
type ManifestReport struct {
	ID              string `json:"id"`
	Framework       string `json:"framework"`
	Version         string `json:"version"`
	FrameworkSHA256 string `json:"framework_sha256"`
	From            string `json:"from"` // the first day
	To              string `json:"to"`   // the last one
	At              string `json:"at"`
	ByID            string `json:"by_id"`
	ByName          string `json:"by_name"`
	Software        string `json:"software"`
}

// PackRange is all entries of the trail from From up to the tree size.
type PackRange struct {
	From uint64 `json:"from"`
}

// PackChain is all entries of an account from From, by its chain, up to Last.
type PackChain struct {
	Account string `json:"account"`
	From    uint64 `json:"from"` // a seq
	Last    uint64 `json:"last"`
}

// PackSearch is what one search found among the rows.
type PackSearch struct {
	Name   string   `json:"name"`
	Where  string   `json:"where"` // what it asks for beside period and scope, as search text in its canonical form
	Count  uint64   `json:"count"`
	Of     int      `json:"sample_of"` // how large the sample is to be
	Sample []uint64 `json:"sample"`    // seqs, ascending
	CSV    string   `json:"csv"`       // files with all of it, in the order of the trail
	NDJSON string   `json:"ndjson"`
}

// PackFile is a file of a pack.
type PackFile struct {
	Name   string `json:"name"`
	Bytes  uint64 `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// manifestJSON has the members in their order.
type manifestJSON struct {
	Version     int            `json:"countersign_pack"`
	Report      ManifestReport `json:"report"`
	Origin      string         `json:"origin"`
	TreeSize    uint64         `json:"tree_size"`
	ErasureMark uint64         `json:"erasure_mark"`
	Checkpoint  string         `json:"checkpoint"`
	Query       string         `json:"query"`
	Scope       string         `json:"scope"`
	Rows        uint64         `json:"rows"`
	Excluded    uint64         `json:"excluded"`
	ClaimLevel  string         `json:"claim_level"`
	Range       *PackRange     `json:"range"`
	Chains      []PackChain    `json:"chains"`
	Seed        string         `json:"seed"`
	Searches    []PackSearch   `json:"searches"`
	Files       []PackFile     `json:"files"`
}

// ClaimLevel is what the pack claims of itself; package verify finds out whether it is so.
func (m *Manifest) ClaimLevel() string {
	if m.Range != nil || len(m.Chains) > 0 {
		return "C"
	}
	return "B"
}

// JSON returns the manifest in its one rendering. The caller made it itself: one that cannot be written is an error.
func (m *Manifest) JSON() ([]byte, error) {
	b, err := m.appendJSON()
	if err != nil {
		return nil, err
	}
	if _, err := ParseManifest(b); err != nil {
		return nil, err
	}
	return b, nil
}

func (m *Manifest) appendJSON() ([]byte, error) {
	return compact(manifestJSON{
		Version: packVersion, Report: m.Report, Origin: m.Checkpoint.Origin, TreeSize: m.TreeSize, ErasureMark: m.ErasureMark,
		Checkpoint: string(m.Checkpoint.Note), Query: query.Print(m.Query), Scope: query.Print(m.Scope), Rows: m.Rows, Excluded: m.Excluded,
		ClaimLevel: m.ClaimLevel(), Range: m.Range, Chains: notNil(m.Chains), Seed: m.Seed, Searches: notNil(m.Searches), Files: notNil(m.Files),
	})
}

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// compact renders v as compact JSON and a line feed, nothing escaped without need.
func compact(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// ParseManifest reads a manifest in its one rendering.
func ParseManifest(b []byte) (*Manifest, error) {
	m, err := parseManifest(b)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return m, nil
}

func parseManifest(b []byte) (*Manifest, error) {
	if len(b) > MaxManifestBytes {
		return nil, fmt.Errorf("%d bytes, the limit is %d", len(b), MaxManifestBytes)
	}
	var in manifestJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return nil, errors.New("it is not the JSON object that it must be")
	}
	if in.Version != packVersion {
		return nil, fmt.Errorf("version %d of a pack is not known here, only %d", in.Version, packVersion)
	}
	m := &Manifest{
		Report: in.Report, TreeSize: in.TreeSize, ErasureMark: in.ErasureMark, Rows: in.Rows, Excluded: in.Excluded, Range: in.Range,
		Chains: in.Chains, Seed: in.Seed, Searches: in.Searches, Files: in.Files,
	}
	var err error
	if m.Query, err = query.Parse(in.Query); err != nil {
		return nil, fmt.Errorf("the query: %w", err)
	}
	if m.Scope, err = query.Parse(in.Scope); err != nil {
		return nil, fmt.Errorf("the scope: %w", err)
	}
	if m.Checkpoint, err = merkle.ParseCheckpoint([]byte(in.Checkpoint)); err != nil {
		return nil, err
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	again, err := m.appendJSON()
	if err != nil || !bytes.Equal(again, b) {
		return nil, errors.New("it is not in its one rendering")
	}
	return m, nil
}

var (
	packName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	searchName = regexp.MustCompile(`^[A-Z][A-Z0-9_.]{0,80}$`)
	hexHash    = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// check tells why there can be no pack like that.
func (m *Manifest) check() error {
	switch {
	case m.TreeSize > m.Checkpoint.Size:
		return fmt.Errorf("the checkpoint has %d entries, fewer than the tree size %d", m.Checkpoint.Size, m.TreeSize)
	case m.Range != nil && len(m.Chains) > 0:
		return errors.New("it is complete over a range or over chains, not over both")
	case m.Range != nil && m.Scope != nil:
		return errors.New("a range has everything, and the scope has not")
	case m.Range != nil && m.Range.From > m.TreeSize:
		return errors.New("the range begins beyond the tree size")
	case m.Range == nil && len(m.Chains) == 0 && m.Excluded > 0:
		return errors.New("entries are excluded from nothing")
	}
	if _, _, err := m.Period(); err != nil {
		return err
	}
	if err := m.checkFiles(); err != nil {
		return err
	}
	if err := m.checkSearches(); err != nil {
		return err
	}
	return m.checkChains()
}

// Period returns the first and the last microsecond of the query, which is nothing but a period.
func (m *Manifest) Period() (from, to int64, err error) {
	r, ok := query.Normalize(m.Query).(query.Range)
	if !ok || r.Field != query.OccurredAt || r.Min == query.NoMin || r.Max == query.NoMax {
		return 0, 0, errors.New("the query is not a period of occurred_at")
	}
	return r.Min, r.Max, nil
}

func (m *Manifest) checkFiles() error {
	if len(m.Files) > maxPackFiles {
		return fmt.Errorf("%d files, the limit is %d", len(m.Files), maxPackFiles)
	}
	folded := map[string]bool{PackManifest: true, PackSeal: true}
	for i, f := range m.Files {
		switch {
		case !packName.MatchString(f.Name):
			return fmt.Errorf("%q cannot name a file of a pack", f.Name)
		case folded[strings.ToLower(f.Name)]:
			return fmt.Errorf("the file %s twice, or one that differs from it in case only", f.Name)
		case i > 0 && m.Files[i-1].Name >= f.Name:
			return fmt.Errorf("the file %s is not in its place", f.Name)
		case !hexHash.MatchString(f.SHA256):
			return fmt.Errorf("the hash of %s is none", f.Name)
		}
		folded[strings.ToLower(f.Name)] = true
	}
	if m.File(PackRows) == nil {
		return errors.New("there is no " + PackRows)
	}
	if complete := m.Range != nil || len(m.Chains) > 0; complete != (m.File(PackExcluded) != nil) {
		return errors.New("a pack that is complete has " + PackExcluded + ", and no other")
	}
	return nil
}

// File returns the file of that name.
func (m *Manifest) File(name string) *PackFile {
	i, ok := slices.BinarySearchFunc(m.Files, name, func(f PackFile, name string) int { return strings.Compare(f.Name, name) })
	if !ok {
		return nil
	}
	return &m.Files[i]
}

func (m *Manifest) checkSearches() error {
	if len(m.Searches) > maxSearches {
		return fmt.Errorf("%d searches, the limit is %d", len(m.Searches), maxSearches)
	}
	used := map[string]bool{PackRows: true, PackExcluded: true}
	for i := range m.Searches {
		s := &m.Searches[i]
		switch {
		case !searchName.MatchString(s.Name):
			return fmt.Errorf("%q cannot name a search", s.Name)
		case i > 0 && m.Searches[i-1].Name >= s.Name:
			return fmt.Errorf("the search %s is not in its place", s.Name)
		case s.Of < 0 || s.Of > MaxSample:
			return fmt.Errorf("the sample of %s is to be of %d, the limit is %d", s.Name, s.Of, MaxSample)
		case uint64(len(s.Sample)) != min(uint64(s.Of), s.Count) || s.Sample == nil:
			return fmt.Errorf("the sample of %s has %d entries", s.Name, len(s.Sample))
		case !slices.IsSorted(s.Sample):
			return fmt.Errorf("the sample of %s is not ascending", s.Name)
		}
		for _, name := range []string{s.CSV, s.NDJSON} {
			if used[name] || m.File(name) == nil {
				return fmt.Errorf("the search %s names %q, which is not there or somebody else's", s.Name, name)
			}
			used[name] = true
		}
		f, err := query.Parse(s.Where)
		if err != nil || query.Print(f) != s.Where {
			return fmt.Errorf("the search text of %s cannot be read in its one rendering", s.Name)
		}
	}
	return nil
}

// Accounts returns the accounts that the scope is, when it is nothing but accounts.
func (m *Manifest) Accounts() ([]string, bool) {
	t, ok := query.Normalize(m.Scope).(query.Text)
	if !ok || t.Field != query.AccountID || t.Op != query.Equal || !t.Exact || t.IgnoreBlanks {
		return nil, false
	}
	return t.Values, true
}

func (m *Manifest) checkChains() error {
	if len(m.Chains) == 0 {
		return nil
	}
	accounts, ok := m.Accounts()
	if !ok || len(accounts) != len(m.Chains) || len(m.Chains) > maxPackChains {
		return errors.New("the chains are not those of the accounts in the scope")
	}
	for i, c := range m.Chains {
		if c.Account != accounts[i] || c.From > c.Last || c.Last >= m.TreeSize || i > 0 && accounts[i-1] >= accounts[i] {
			return fmt.Errorf("the chain of account %q is none, or not in its place", c.Account)
		}
	}
	return nil
}

// SampleKey orders what a search found: those with the smallest keys are its sample, whoever draws it.
func SampleKey(seed, search string, seq uint64) [32]byte {
	b := append([]byte("countersign/sample/v1\n"), seed...)
	b = append(append(b, '\n'), search...)
	b = strconv.AppendUint(append(b, '\n'), seq, 10)
	return sha256.Sum256(append(b, '\n'))
}

// PackStatement returns what the system fact of a pack says, canonical JSON (RFC 8785).
func PackStatement(m *Manifest, manifestSHA256 [32]byte) string {
	return fmt.Sprintf(`{"manifest_sha256":%q,"report":%q,"rows":%d,"tree_size":%d}`, hex.EncodeToString(manifestSHA256[:]), m.Report.ID, m.Rows, m.TreeSize)
}

// PackText returns the text that the keys of the trail sign for a manifest.
func PackText(manifestSHA256 [32]byte) string {
	return "countersign/pack/v1\nmanifest_sha256 " + hex.EncodeToString(manifestSHA256[:]) + "\n"
}
