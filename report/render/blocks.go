package render

import "countersign/report"

// composed is a report with every word as it will be read.
type composed struct {
	Title   string
	Eyebrow string // over the title
	Period  string
	Hash    string   // of report.json
	Running string   // what each page is headed with
	Foot    []string // what each page ends with: where the numbers come from, shortened
	cover
	Parts  []*part
	Report *report.Report
}

// cover is the first page.
type cover struct {
	Lead     string // the period in words, and whether it was over
	Facts    facts
	Level    string // A, B or C
	Levels   []level
	Claim    string
	Gaps     gapList
	GapsHead string
	MoreGaps string // what to say of those that do not stand here
	GapsID   string
	States   []stateCount
	StatesIn string // the states in words
	Marks    []mark
	Notice   []string
}

type level struct {
	Name, Word string
	Reached    bool
}

type stateCount struct {
	State report.State
	Word  string
	Count uint64
}

// mark is a number worth a place on the first page.
type mark struct {
	Label string
	Value value
	Link  string
}

// part is a heading with what stands under it.
type part struct {
	ID     string // its anchor
	Title  string
	Number string // a requirement's id, before the title
	Short  string // in the contents
	State  report.State
	Code   string // a search's name, after the title
	Level  int    // of the heading, from 2
	Flows  bool   // does not begin a page, as parts of level 2 else do
	Blocks []block
	Parts  []*part
}

// A block is one thing under a heading. Kind names the template that draws it.
type block interface{ Kind() string }

// value is a value as it will be read.
type value struct {
	Text string
	Rest string // what to say where Text is cut
	Sub  string // a second line
	Mark string // a word that belongs to it: deleted
	Look look
	Tone report.Tone
	Link string // an anchor to lead to, "" for none
	ID   string // its own anchor, "" for none
	// State is drawn as its sign before the text, "" for none.
	State report.State
}

// look is how a value is set.
type look string

const (
	lookText   look = "text"
	lookCode   look = "code"
	lookNumber look = "num"
	lookTime   look = "time"
	lookWho    look = "who"
)

// prose is paragraphs.
type prose struct {
	Paras []string
	Soft  bool
}

// labelled is a short text under a name.
type labelled struct{ Label, Text string }

// stated is why something is in its state.
type stated struct {
	State        report.State
	Word, Reason string
}

// facts are values under names: one line each, or side by side.
type facts struct {
	Label string
	Rows  []fact
	Form  string // "" for lines, "row" side by side, "source" for where numbers come from
}

type fact struct {
	Label  string
	Values []value
}

// links leads to other places of the report.
type links struct {
	Label string
	To    []value
}

// items is a list.
type items struct {
	Label string
	Items []string
}

// coverage is which sources covered the period.
type coverage struct {
	Label string
	Items []covered
}

type covered struct {
	Source, Word, Why string
	State             report.State
}

// gapList is what the trail cannot show.
type gapList struct {
	Label string
	Items []gapItem
}

type gapItem struct {
	Where, Link, What, Why, Close string
}

// pointer leads to another place of the report.
type pointer struct{ Before, Text, Link, After string }

// grid is a table.
type grid struct {
	ID      string
	Title   string
	Note    string
	Columns []column
	Rows    [][]value
	More    string // that there are more rows, and where
	Empty   string
	// Pages says that the last column is the page of each row's first link, which only paper has.
	Pages bool
}

type column struct {
	Label string
	Look  look
}

// figure is a chart.
type figure struct {
	ID, Title, Summary, Empty string
	Drawing                   *drawing
	Data                      grid // the numbers behind it
}

// codeLines are commands.
type codeLines struct{ Lines []string }

// blanks are lines to be filled in by hand.
type blanks struct{ Labels []string }

func (prose) Kind() string     { return "prose" }
func (labelled) Kind() string  { return "labelled" }
func (stated) Kind() string    { return "stated" }
func (facts) Kind() string     { return "facts" }
func (links) Kind() string     { return "links" }
func (items) Kind() string     { return "items" }
func (coverage) Kind() string  { return "coverage" }
func (gapList) Kind() string   { return "gaps" }
func (pointer) Kind() string   { return "pointer" }
func (grid) Kind() string      { return "grid" }
func (figure) Kind() string    { return "figure" }
func (codeLines) Kind() string { return "code" }
func (blanks) Kind() string    { return "blanks" }
