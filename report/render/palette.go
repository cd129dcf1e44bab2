package render

import (
	"fmt"
	"strconv"
	"strings"
)

// A role is what a colour is for. Both forms and the charts name roles, never colours.
type role string

const (
	rolePage    role = "page"    // behind the sheet
	roleSheet   role = "sheet"   // behind the text
	roleFaint   role = "faint"   // behind what stands apart
	roleLine    role = "line"    // hairlines
	roleInk     role = "ink"     // text
	roleSoft    role = "soft"    // text beside the matter
	roleAccent  role = "accent"  // links and marks
	roleGood    role = "good"    // tones and states, as text and as marks
	rolePartial role = "partial" // also the tone warn
	roleGap     role = "gap"     // also the tone bad
	roleManual  role = "manual"
)

// A colour is one role in both schemes, as #rrggbb.
type colour struct {
	role        role
	light, dark string
}

// palette is every colour there is. The names of the rest: *-bg is what stands behind a state, s1 to s7 are series
// without a tone, sgood, swarn and sbad those with one (2 for the
// second of a tone), h0 to h5 the steps of a heat strip.
//
// A test computes the contrasts: text 4.5 to 1 on all that it stands on, marks and series 3 to 1 on the sheet.
var palette = []colour{
	{rolePage, "#f1f0ec", "#101317"},
	{roleSheet, "#ffffff", "#181c22"},
	{roleFaint, "#f6f6f3", "#20252d"},
	{roleLine, "#d9dbde", "#353c47"},
	{roleInk, "#1b222c", "#e6e9ee"},
	{roleSoft, "#57606c", "#a9b2be"},
	{roleAccent, "#1b5a80", "#86c1e6"},
	{roleGood, "#25683f", "#83cf9f"},
	{rolePartial, "#7d5200", "#eabb66"},
	{roleGap, "#a32f25", "#ff9d92"},
	{roleManual, "#594a86", "#c3b3f2"},
	{"evidence-bg", "#e5eff5", "#1d3140"},
	{"partial-bg", "#fbf1dc", "#382d16"},
	{"gap-bg", "#fbeae7", "#33211f"},
	{"manual-bg", "#efecf6", "#2c273d"},
	{"s1", "#2f6f9e", "#6aa9d6"},
	{"s2", "#76828f", "#8f9cab"},
	{"s3", "#6b5ca5", "#a897e0"},
	{"s4", "#4d7f3c", "#8fc07c"},
	{"s5", "#a0527f", "#d58bb2"},
	{"s6", "#2c8c99", "#63bcc8"},
	{"s7", "#9a6a3f", "#c99a6d"},
	{"sgood", "#3a8778", "#62b5a4"},
	{"swarn", "#c07a17", "#e0a94f"},
	{"sbad", "#b23a2e", "#ec7b6e"},
	{"sgood2", "#23574c", "#a5dccf"},
	{"swarn2", "#7d4c08", "#f3d3a0"},
	{"sbad2", "#741f16", "#f8bdb5"},
	{"h0", "#f1f1ee", "#242a32"},
	{"h1", "#f3cdb4", "#4d2b21"},
	{"h2", "#e6a380", "#7c3f2c"},
	{"h3", "#cf704c", "#b05d3e"},
	{"h4", "#ab452c", "#e08d66"},
	{"h5", "#77220f", "#ffcaa8"},
}

// light returns the colour of a role on paper.
func light(r role) (red, green, blue int) {
	for _, c := range palette {
		if c.role == r {
			v, err := strconv.ParseUint(c.light[1:], 16, 32)
			if err != nil {
				panic(fmt.Sprintf("render: the palette has %q", c.light))
			}
			return int(v >> 16), int(v >> 8 & 0xff), int(v & 0xff)
		}
	}
	panic(fmt.Sprintf("render: the palette has no %q", r))
}

// variables returns the palette as style sheet: light, and dark on screens that ask for it. Paper is always light.
func variables() string {
	var b strings.Builder
	b.WriteString(":root{color-scheme:light")
	for _, c := range palette {
		fmt.Fprintf(&b, ";--%s:%s", c.role, c.light)
	}
	b.WriteString("}\n@media screen and (prefers-color-scheme:dark){:root{color-scheme:dark")
	for _, c := range palette {
		fmt.Fprintf(&b, ";--%s:%s", c.role, c.dark)
	}
	b.WriteString("}}\n")
	for _, c := range palette {
		fmt.Fprintf(&b, ".f-%[1]s{fill:var(--%[1]s)}", c.role)
	}
	for _, r := range []role{roleLine, roleSoft, roleGap, roleSheet, "h3"} {
		fmt.Fprintf(&b, ".l-%[1]s{stroke:var(--%[1]s)}", r)
	}
	return b.String()
}
