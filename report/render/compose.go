package render

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"

	"countersign/report"
)

// How much is shown at most. What is left out is said, and where it stands.
const (
	coverGaps     = 5
	coverAccounts = 4
	peopleShown   = 1000
)

// composer holds what is needed while a report is composed.
type composer struct {
	r      *report.Report
	sha256 string // of report.json

	anchors  map[string]bool         // given out
	people   map[string]int          // by id
	names    map[string]int          // how many people have a name
	places   map[string]place        // of requirements and sections, by their ids
	searches map[string]firstShowing // by name
}

// place is where a requirement or section stands.
type place struct{ anchor, label string }

// firstShowing is where the sample of a search was shown first.
type firstShowing struct {
	pointer pointer
	sample  *report.Table
}

// compose says a report in words.
func compose(r *report.Report) (*composed, error) {
	if r.Version != report.ReportVersion {
		return nil, fmt.Errorf("report version %d: only %d can be drawn", r.Version, report.ReportVersion)
	}
	b, err := r.JSON()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	c := &composer{
		r: r, sha256: hex.EncodeToString(sum[:]),
		anchors: map[string]bool{"main": true, "contents": true}, people: map[string]int{}, names: map[string]int{},
		places: map[string]place{}, searches: map[string]firstShowing{},
	}
	for i, p := range r.People {
		c.people[p.ID] = i
		c.names[p.Name]++
	}
	for _, q := range r.Requirements {
		c.places[q.ID] = place{c.anchor("r-" + q.ID), q.ID}
	}
	for _, s := range r.Sections {
		if _, taken := c.places[s.ID]; !taken {
			c.places[s.ID] = place{c.anchor("s-" + s.ID), s.Title}
		}
	}
	out := &composed{
		Title:   r.Title,
		Eyebrow: "Evidence report",
		Hash:    c.sha256,
		Period:  period(r.Period),
		Running: c.framework() + " · " + period(r.Period),
		Foot:    c.foot(),
		Report:  r,
	}
	if !strings.Contains(r.Title, r.Framework.Title) {
		out.Eyebrow += " · " + c.framework()
	}
	gaps := c.gapsPart()
	out.cover = c.cover(gaps.ID)
	out.Parts = []*part{c.glance(), gaps, c.requirements(), c.sections(), c.peoplePart(), c.annexes(), c.made(), c.reading(), c.signoff()}
	return out, nil
}

func isHash(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

// anchor gives out a name for a place of the report that no other place has.
func (c *composer) anchor(want string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(want) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= 60 {
			break
		}
	}
	base := strings.Trim(b.String(), "-")
	name := base
	for i := 2; c.anchors[name]; i++ {
		name = fmt.Sprintf("%s-%d", base, i)
	}
	c.anchors[name] = true
	return name
}

func (c *composer) framework() string {
	return strings.TrimSpace(c.r.Framework.Title + " " + c.r.Framework.Version)
}

// personAnchor is where a person stands among the people.
func personAnchor(i int) string { return fmt.Sprintf("person-%d", i+1) }

// who returns a person as tables show them: by the name of the time, told apart where two have the same, with what
// is known of them now where that is not that they are active.
func (c *composer) who(id string) value {
	if id == "" {
		return value{Look: lookWho}
	}
	i, known := c.people[id]
	if !known {
		return value{Text: id, Look: lookCode}
	}
	p := &c.r.People[i]
	v := value{Text: p.Name, Look: lookWho}
	if i < peopleShown {
		v.Link = personAnchor(i)
	}
	switch {
	case p.Name == "":
		v.Text, v.Look = p.ID, lookCode
	case c.names[p.Name] > 1:
		v.Sub = p.ID
	}
	if p.State != report.KnownActive && p.State != "" {
		v.Mark = string(p.State)
	}
	return v
}

// show returns a value of a kind as it is read.
func (c *composer) show(k report.Kind, s string, tone report.Tone) value {
	v := value{Text: s, Look: lookText, Tone: tone}
	switch k {
	case report.KindCode:
		v.Look = lookCode
	case report.KindCount, report.KindAge:
		v.Text, v.Look = grouped(s), lookNumber
	case report.KindPercent:
		v.Look = lookNumber
		if s != "" {
			v.Text = s + "%"
		}
	case report.KindMoment:
		v.Text, v.Look = moment(s), lookTime
	case report.KindDay:
		v.Look = lookTime
	case report.KindWho:
		v = c.who(s)
		v.Tone = tone
	}
	v.Text, v.Rest = clip(v.Text, cellLimit)
	if v.Text == "" {
		v.Text = none
	}
	return v
}

// lookOf is how a column of a kind is set.
func lookOf(k report.Kind) look {
	switch k {
	case report.KindCode:
		return lookCode
	case report.KindCount, report.KindAge, report.KindPercent:
		return lookNumber
	case report.KindMoment, report.KindDay:
		return lookTime
	case report.KindWho:
		return lookWho
	}
	return lookText
}

// table returns a table as it is read.
func (c *composer) table(t *report.Table) grid {
	g := grid{ID: c.anchor("t-" + t.ID), Title: t.Title, Note: t.Note, Empty: t.Empty, More: more(uint64(len(t.Rows)), t.Total, t.Annex)}
	if g.Empty == "" {
		g.Empty = "No rows."
	}
	for _, col := range t.Columns {
		g.Columns = append(g.Columns, column{col.Label, lookOf(col.Kind)})
	}
	for _, row := range t.Rows {
		out := make([]value, len(t.Columns))
		for i, col := range t.Columns {
			var cell report.Cell
			if i < len(row) {
				cell = row[i]
			}
			out[i] = c.show(col.Kind, cell.Value, cell.Tone)
		}
		g.Rows = append(g.Rows, out)
	}
	return g
}

// more says how many of how many rows are shown, and where the others are.
func more(shown, total uint64, annex string) string {
	if total <= shown {
		return ""
	}
	s := fmt.Sprintf("%s of %s are shown", count(shown), plural(total, "row"))
	if annex == "" {
		return s + "."
	}
	return s + "; " + annex + " has them all."
}

// gapItems says gaps. Without links they stand under what they are of.
func (c *composer) gapItems(all []report.Gap, links bool) []gapItem {
	var out []gapItem
	for _, g := range all {
		item := gapItem{What: g.What, Why: g.Why, Close: g.Close}
		if links {
			item.Where = g.Where
			if p, ok := c.places[g.Where]; ok {
				item.Where, item.Link = p.label, p.anchor
			}
		}
		out = append(out, item)
	}
	return out
}

// source says where numbers come from.
func (c *composer) source(ipe *report.IPE) facts {
	run := &c.r.Run
	f := facts{Label: "Where this comes from", Form: "source"}
	add := func(label string, values ...value) { f.Rows = append(f.Rows, fact{label, values}) }
	if ipe.Query != "" {
		add("Query", value{Text: ipe.Query, Look: lookCode})
	}
	if ipe.Basis != "" {
		add("Basis", value{Text: ipe.Basis, Look: lookText})
	}
	add("Rows", value{Text: fmt.Sprintf("%s, among the first %s of the trail", plural(ipe.Rows, "row"), entries(ipe.TreeSize)), Look: lookText})
	if len(ipe.Files) > 0 {
		var all []value
		for _, name := range ipe.Files {
			all = append(all, value{Text: name, Look: lookCode})
		}
		add("Files", all...)
	}
	if ipe.SHA256 != "" {
		add("SHA-256", value{Text: ipe.SHA256, Look: lookCode})
	}
	if ipe.TreeSize == run.TreeSize && run.CheckRoot != "" && run.Checked == run.TreeSize {
		add("Tree root", value{Text: run.CheckRoot, Look: lookCode})
	}
	add("Run", value{Text: strings.Join(nonEmpty(c.byAt(), run.Software, "run "+run.ID), ", "), Look: lookText})
	return f
}

func entries(n uint64) string {
	if n == 1 {
		return "1 entry"
	}
	return count(n) + " entries"
}

// byAt says who had the report made, and when.
func (c *composer) byAt() string {
	by := c.r.Run.ByName
	if by == "" {
		by = c.r.Run.ByID
	}
	s := by + ", " + moment(c.r.Run.At) + " UTC"
	if c.r.Run.Schedule != "" {
		s += ", on schedule " + c.r.Run.Schedule
	}
	return s
}

func nonEmpty(all ...string) []string {
	var out []string
	for _, s := range all {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// foot is what each page of paper ends with: what the source of each number is, shortened.
func (c *composer) foot() []string {
	run := &c.r.Run
	return []string{
		"Run " + run.ID + " by " + c.byAt() + " · " + run.Software,
		fmt.Sprintf("%s, root %s · %s, SHA-256 %s · report.json, SHA-256 %s", entries(run.TreeSize), abbreviated(run.CheckRoot), plural(run.Rows, "row"), abbreviated(run.RowsHash), abbreviated(c.sha256)),
		"Query " + run.Query,
	}
}

// abbreviated is the beginning of a hash: enough to find it in the whole that stands elsewhere, nothing to rely on.
func abbreviated(hash string) string {
	if len(hash) <= 12 {
		return hash
	}
	return hash[:12] + "…"
}

// sample returns the sample of a search, or a pointer to where the same one was shown before.
func (c *composer) sample(e *report.Evidence, p place, anchor string) block {
	if len(e.Sample.Rows) == 0 && e.Count == 0 || len(e.Sample.Columns) == 0 {
		return nil
	}
	if seen, ok := c.searches[e.Search]; ok && reflect.DeepEqual(*seen.sample, e.Sample) {
		return seen.pointer
	}
	c.searches[e.Search] = firstShowing{pointer{"Its sample is shown under ", p.label, anchor, "."}, &e.Sample}
	return c.table(&e.Sample)
}
