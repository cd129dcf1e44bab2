package report

import (
	"encoding/json"
	"fmt"
)

// Report is what a run found, as plain data. It has one JSON form, report.json in the pack, from which all renderings
// are made. Texts are plain: no markup, whatever a source wrote into them. Times are RFC 3339 in UTC, days
// 2026-01-31, hashes hexadecimal, a root base64 as checkpoints have it. Lists are in the order in which they are to be
// shown and are never nil in the JSON of a report that a run made.
type Report struct {
	Version   int           `json:"countersign_report"` // ReportVersion
	Title     string        `json:"title"`
	Framework FrameworkInfo `json:"framework"`
	Period    Period        `json:"period"`
	Scope     Scope         `json:"scope"`
	Run       Run           `json:"run"`
	// Notice says what a report is and is not. It stands on the first page.
	Notice       []string      `json:"notice"`
	Summary      Summary       `json:"summary"`
	Sections     []Section     `json:"sections"`
	Requirements []Requirement `json:"requirements"`
	Gaps         []Gap         `json:"gaps"` // of all requirements and sections
	People       []Person      `json:"people"`
	Annexes      []Annex       `json:"annexes"`
}

// JSON returns the report in its JSON form, byte for byte as report.json has it.
func (r *Report) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return nil, fmt.Errorf("write report.json: %w", err)
	}
	return append(b, '\n'), nil
}

// ReportVersion is the version of the JSON form.
const ReportVersion = 1

// FrameworkInfo says which framework the report is over.
type FrameworkInfo struct {
	ID      string `json:"id"`    // pci-dss
	Title   string `json:"title"` // PCI DSS
	Version string `json:"version"`
	About   string `json:"about"`
	BuiltIn bool   `json:"built_in"`
	SHA256  string `json:"sha256"` // of the framework's file, which is in the pack
}

// Period is whole UTC days, both included, of the source's clock.
type Period struct {
	From string `json:"from"`
	To   string `json:"to"`
	Days int    `json:"days"`
	// Open says that the period was not over when the run was made.
	Open bool `json:"open"`
}

// Scope is what of the trail the report is over.
type Scope struct {
	// Whole says that nothing was left out. Else Accounts are all that was looked at, and where Divisions is not empty
	// only those of them.
	Whole     bool      `json:"whole"`
	Accounts  []Account `json:"accounts"` // with entries in the period or asked for
	Divisions []string  `json:"divisions"`
	Query     string    `json:"query"` // the search text that says the same
}

// Account is a customer as resolved.
type Account struct {
	ID      string `json:"id"`
	Name    string `json:"name"`  // of the time, as the newest entry has it; "" when it has none
	State   Known  `json:"state"` // active, inactive, or deleted or unknown
	Entries uint64 `json:"entries"`
}

// Run says who had the report made, when, of what, and with what. It is what auditors call IPE, information produced
// by the entity: it goes on each page, shortened.
type Run struct {
	ID        string `json:"id"`
	At        string `json:"at"`
	ByID      string `json:"by_id"`
	ByName    string `json:"by_name"`
	Schedule  string `json:"schedule"` // its id, "" when a person asked
	Software  string `json:"software"` // Countersign with its version
	Origin    string `json:"origin"`   // of the trail
	TreeSize  uint64 `json:"tree_size"`
	Erasures  uint64 `json:"erasure_mark"`
	FirstSeq  uint64 `json:"first_seq"` // from it on completeness can be shown
	Rows      uint64 `json:"rows"`      // entries of the period in scope
	RowsHash  string `json:"rows_sha256"`
	RowsFile  string `json:"rows_file"` // the data set: every row with its proof
	Query     string `json:"query"`     // exactly as answered: period, accounts, rights
	Seed      string `json:"seed"`      // of the samples
	Checked   uint64 `json:"checkpoint_size"`
	CheckRoot string `json:"checkpoint_root"`
	// ClaimLevel is A, B or C (docs/reports.md); ClaimText says it in a sentence. Below C nothing may be called complete.
	ClaimLevel string `json:"claim_level"`
	ClaimText  string `json:"claim_text"`
}

// Summary is the first page.
type Summary struct {
	States     []StateCount `json:"states"`
	Highlights []Highlight  `json:"highlights"`
}

// StateCount is how many requirements are in a state.
type StateCount struct {
	State State  `json:"state"`
	Count uint64 `json:"count"`
}

// Highlight is a number worth a place on the first page.
type Highlight struct {
	Label   string `json:"label"`
	Value   string `json:"value"` // formatted as a Cell of its Kind
	Kind    Kind   `json:"kind"`
	Tone    Tone   `json:"tone"`
	Section string `json:"section"` // the id of the Section with more, "" for none
}

// State is what a requirement or search comes to. None of them says that anything is complied with.
type State string

// The states.
const (
	StateEvidence State = "evidence" // the trail shows what is asked for
	StatePartial  State = "partial"  // some of it, or for some of the period
	StateGap      State = "gap"      // nothing, and nothing follows from that
	StateNone     State = "none"     // of a search: no entry, where the sources covered the period
	StateAbsent   State = "absent"   // of a search: of a product whose records do not come to this trail, and need not
	StateManual   State = "manual"   // of a requirement: to be shown by documents that are not in the trail
)

// Tone is how a value is to be taken; renderers must not show it by colour alone.
type Tone string

// The tones.
const (
	TonePlain Tone = ""
	ToneGood  Tone = "good"
	ToneWarn  Tone = "warn"
	ToneBad   Tone = "bad"
)

// Requirement is one requirement with its evidence.
type Requirement struct {
	ID       string     `json:"id"` // 10.2.1.4
	Group    string     `json:"group"`
	Title    string     `json:"title"`
	Asks     string     `json:"asks"` // what it asks, in our words
	State    State      `json:"state"`
	Reason   string     `json:"reason"` // why it is in that state, a sentence
	Judge    string     `json:"judge"`  // how to judge the evidence
	Evidence []Evidence `json:"evidence"`
	Sections []string   `json:"sections"` // ids of Sections that belong to it
	Attach   []string   `json:"attach"`   // documents that a person must add
	Gaps     []Gap      `json:"gaps"`
}

// Evidence is what one search found.
type Evidence struct {
	Search   string          `json:"search"` // its name, AM.LOGIN_FAIL; the same in all requirements that use it
	Title    string          `json:"title"`
	State    State           `json:"state"`
	Says     string          `json:"says"` // what the number says, a sentence
	Count    uint64          `json:"count"`
	First    string          `json:"first"` // when the first one occurred, "" for none
	Last     string          `json:"last"`
	Coverage []CoverageBrief `json:"coverage"` // of the sources that could show it
	Sample   Table           `json:"sample"`
	IPE      IPE             `json:"ipe"`
}

// CoverageBrief is whether a source covered the period. Section "coverage" has the whole of it.
type CoverageBrief struct {
	Source string `json:"source"`
	State  State  `json:"state"` // evidence: the whole period; partial; gap: not at all
	Why    string `json:"why"`
}

// IPE says where numbers come from: it stands beside every search and section.
type IPE struct {
	// Query finds exactly the rows, in the search text of docs/search-text.md, among the first TreeSize entries.
	// It is "" where the numbers come from several of them; Basis says from what.
	Query    string   `json:"query"`
	Basis    string   `json:"basis"`
	Rows     uint64   `json:"rows"`
	TreeSize uint64   `json:"tree_size"`
	SHA256   string   `json:"sha256"` // of the data set, which is the first of Files, "" when there is none
	Files    []string `json:"files"`
}

// Section is something that is counted over the whole period, whatever the requirement.
type Section struct {
	ID     string   `json:"id"` // mfa, tokens, failed-sign-ins ...
	Title  string   `json:"title"`
	State  State    `json:"state"`
	Text   []string `json:"text"` // paragraphs
	Charts []Chart  `json:"charts"`
	Tables []Table  `json:"tables"`
	Gaps   []Gap    `json:"gaps"`
	IPE    IPE      `json:"ipe"`
}

// Gap is something that the trail cannot show.
type Gap struct {
	Where string `json:"where"` // the id of a requirement or section
	What  string `json:"what"`
	Why   string `json:"why"`
	Close string `json:"close"` // what would close it, "" when nothing is known
}

// Kind is what the cells of a column are.
type Kind string

// The kinds. Numbers are decimal digits with an optional fraction, for the renderer to group.
const (
	KindText    Kind = "text"
	KindCode    Kind = "code" // an identifier, search text or hash: fixed width
	KindCount   Kind = "count"
	KindPercent Kind = "percent" // 0 to 100, one decimal; "" when there is nothing to divide by
	KindMoment  Kind = "moment"  // RFC 3339, UTC
	KindDay     Kind = "day"     // 2026-01-31
	KindAge     Kind = "days"    // a number of days
	KindWho     Kind = "who"     // the ID of a Person, or "" for nobody
)

// Column is a column of a table.
type Column struct {
	Label string `json:"label"`
	Kind  Kind   `json:"kind"`
}

// Cell is a value, "" for none.
type Cell struct {
	Value string `json:"value"`
	Tone  Tone   `json:"tone,omitempty"`
}

// Table is rows of cells, as many in each as there are columns.
type Table struct {
	ID      string   `json:"id"` // unique in the report, but that a search has the same sample wherever it is used
	Title   string   `json:"title"`
	Note    string   `json:"note"`
	Columns []Column `json:"columns"`
	Rows    [][]Cell `json:"rows"`
	// Total is how many rows there are. Where it is more than len(Rows), Annex is the file that has all of them.
	Total uint64 `json:"total"`
	Annex string `json:"annex"`
	// Empty is what to say when there are no rows.
	Empty string `json:"empty"`
}

// Form is how a chart is drawn.
type Form string

// The forms. All values are 0 or more.
const (
	FormColumns Form = "columns" // a column for each label, series stacked
	FormBars    Form = "bars"    // a horizontal bar for each label, series stacked
	FormHeat    Form = "heat"    // a row for each series, a cell for each label, darker for more
	// FormCoverage is a row for each series, a cell for each label: 0 nothing covered, 1 some of it, 2 the whole.
	FormCoverage Form = "coverage"
)

// Chart is numbers to be drawn. Summary says in words what it shows, for those who do not see it.
type Chart struct {
	ID      string   `json:"id"` // unique in the report
	Title   string   `json:"title"`
	Summary string   `json:"summary"`
	Form    Form     `json:"form"`
	Unit    string   `json:"unit"` // entries, users ...
	Axis    Kind     `json:"axis"` // of Labels: KindDay, KindText, KindCode or KindWho
	Labels  []string `json:"labels"`
	Series  []Series `json:"series"`
}

// Series has a value for each label of its chart.
type Series struct {
	Name   string   `json:"name"` // the ID of a Person where there is one with it: heat strips are of people
	Tone   Tone     `json:"tone,omitempty"`
	Values []uint64 `json:"values"`
}

// Known is what is known of a person or account now.
type Known string

// What may be known.
const (
	KnownActive   Known = "active"
	KnownInactive Known = "inactive"
	KnownPending  Known = "pending"
	KnownLocked   Known = "locked"
	KnownDeleted  Known = "deleted"
	KnownNot      Known = "deleted or unknown"
)

// Person is somebody, or a program, who acts in the rows, as resolved.
type Person struct {
	ID      string   `json:"id"`    // as the entries have it; "name:" and the name where they have no id
	Name    string   `json:"name"`  // of the time, as the newest row has it; "" when it has none
	Names   []string `json:"names"` // others that the rows have, at most 8
	Type    string   `json:"type"`  // standard, service or system
	State   Known    `json:"state"`
	Roles   []string `json:"roles"`   // now, AM_ACCOUNT_ADMIN@acme
	Admin   bool     `json:"admin"`   // counted as privileged
	Deleted string   `json:"deleted"` // when, as the trail has it, "" when it has not
	Entries uint64   `json:"entries"`
	First   string   `json:"first"`
	Last    string   `json:"last"`
}

// Annex is a file of the pack beside the report.
type Annex struct {
	Name   string `json:"name"`
	Title  string `json:"title"`
	Rows   uint64 `json:"rows"`
	Bytes  uint64 `json:"bytes"`
	SHA256 string `json:"sha256"`
}
