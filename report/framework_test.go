package report_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"countersign/query"
	"countersign/report"
)

func TestFrameworksThatComeWithItAreSound(t *testing.T) {
	all, err := report.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, f := range all {
		ids = append(ids, f.ID)
		for _, s := range f.Searches {
			text := query.Print(s.Filter())
			if _, err := query.Parse(text); err != nil {
				t.Errorf("%s, %s: %s: %v", f.ID, s.Name, text, err)
			}
			if s.Zero == "" {
				t.Errorf("%s, %s does not say what no entry means", f.ID, s.Name)
			}
		}
		for _, r := range f.Requirements {
			if r.Group == "" {
				t.Errorf("%s, %s has no group", f.ID, r.ID)
			}
			for _, text := range []string{r.Title, r.Asks, r.Judge, r.Cannot} {
				for _, word := range []string{"compliant", "compliance", "complies"} {
					if strings.Contains(strings.ToLower(text), word) {
						t.Errorf("%s, %s speaks of compliance: %s", f.ID, r.ID, text)
					}
				}
			}
		}
	}
	if !slices.Equal(ids, []string{"pci-dss", "soc-2"}) {
		t.Errorf("the frameworks are %v", ids)
	}
}

const small = `id: house
title: House rules
version: "1"
searches:
  OWN.NIGHT:
    title: Work at night
    where: action:=LOGIN
    sources: [example/]
requirements:
  - id: H-1
    title: Nights
    asks: Nobody signs in at night.
    judge: Look.
    evidence: [OWN.NIGHT, AM.ROLE]
`

func TestOwnFrameworkUsesOwnAndSharedSearches(t *testing.T) {
	f, err := report.Load([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if f.ID != "house" || f.DormantDays != 90 || f.SilenceDays != 7 || len(f.Searches) != 2 || f.BuiltIn {
		t.Errorf("loaded: %+v", f)
	}
	if got := query.Print(f.Search("OWN.NIGHT").Filter()); got != `action:=LOGIN source:=^example/` {
		t.Errorf("the search asks for %s", got)
	}
}

func TestFaultsOfAFrameworkAreNamedWithTheirLine(t *testing.T) {
	change := func(from, to string) string { return strings.Replace(small, from, to, 1) }
	for _, c := range []struct {
		name, text string
		want       string
	}{
		{"empty", "", "line 1: the file is empty"},
		{"no yaml", "id: [", "line 1: it is no YAML"},
		{"not utf-8", "id: \xff", "line 1: the file is not UTF-8"},
		{"a list", "- id", "line 1: the file must be a mapping"},
		{"two documents", small + "---\nid: again\n", "a second document"},
		{"unknown key", change("title: House rules", "titel: House rules"), `line 2: unknown key "titel" in the file`},
		{"missing key", change("title: House rules\n", ""), `needs the key "title"`},
		{"key twice", change("version: \"1\"", "title: Again"), `line 3: the key "title" stands twice`},
		{"id", change("id: house", "id: House"), `line 1: "House" is not of the form`},
		{"empty text", change("House rules", `""`), "line 2: the text is empty"},
		{"a number for a text", change("title: House rules", "title: [a]"), "line 2: a text is wanted"},
		{"search text", change("action:=LOGIN", "acton:=LOGIN"), `line 7: the search text of OWN.NIGHT: at byte 0: there is no field "acton"`},
		{"name of a search", change("OWN.NIGHT:", "own.night:"), `line 5: "own.night" cannot name a search`},
		{"name taken", change("OWN.NIGHT:", "AM.ROLE:"), "line 5: AM.ROLE is the name of a search that comes with Countersign"},
		{"unused", change("[OWN.NIGHT, AM.ROLE]", "[AM.ROLE]"), "line 5: the search OWN.NIGHT is used by no requirement"},
		{"no such search", change("AM.ROLE]", "AM.ROLES]"), `line 14: there is no search "AM.ROLES"`},
		{"evidence twice", change("AM.ROLE]", "OWN.NIGHT]"), `line 14: "OWN.NIGHT" stands twice`},
		{"source", change("[example/]", "[Example/]"), `line 8: "Example/" is not of the form`},
		{"section", change("evidence: [OWN.NIGHT, AM.ROLE]", "sections: [nights]\n    evidence: [OWN.NIGHT]"), `line 14: there is no section "nights"`},
		{"nothing to show", change("    evidence: [OWN.NIGHT, AM.ROLE]\n", ""), "has neither evidence nor sections nor documents"},
		{"requirement twice", small + strings.TrimPrefix(small[strings.Index(small, "requirements:\n"):], "requirements:\n"), "line 15: the requirement H-1 stands twice"},
		{"sample", change("sources: [example/]", "sources: [example/]\n    sample: 1000"), "line 9: a whole number from 0 to 200"},
		{"who", change("sources: [example/]", "sources: [example/]\n    who: everybody"), `line 9: "everybody" is not of the form`},
		{"alias", change("title: House rules", "title: &t House rules\nabout: *t"), "line 3: a text is wanted"},
		{"null", change("title: House rules", "title:"), "line 2: a text is wanted"},
		{"too large", small + strings.Repeat("#", report.MaxFrameworkBytes), "the limit is"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := report.Load([]byte(c.text))
			var faults *report.LoadError
			if !errors.As(err, &faults) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("refused with %v, want %s", err, c.want)
			}
		})
	}
}

// FuzzLoad claims that no file breaks the loader, and that what it takes can be asked of a trail.
func FuzzLoad(f *testing.F) {
	f.Add(small)
	f.Add("a: &a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := report.Load([]byte(text))
		if err != nil {
			if errors.As(err, new(*report.LoadError)) {
				return
			}
			t.Fatal(err)
		}
		for _, s := range got.Searches {
			query.Print(s.Filter())
		}
	})
}
