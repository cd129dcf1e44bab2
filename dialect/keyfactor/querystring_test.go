package keyfactor_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"countersign/dialect/keyfactor"
	"countersign/event"
	"countersign/query"
)

// noon is when the queries of testdata are asked, on a Thursday.
var noon = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

// asker is who asks them.
const asker = `EXAMPLE\jane`

// TestQueriesMeanWhatTheyAreSaidToMean reads testdata/queries.txt: a query, and on the next line after a tab the
// search text of the filter that it is. Lines that begin with # and empty ones are for readers.
func TestQueriesMeanWhatTheyAreSaidToMean(t *testing.T) {
	checkPairs(t, "testdata/queries.txt", 150, func(text string) string {
		f, _, err := keyfactor.ParseQuery(text, asker, noon)
		if err != nil {
			return "refused: " + err.Error()
		}
		meaning := query.Print(f)
		back, err := query.Parse(meaning)
		if err != nil || query.Print(back) != meaning {
			t.Errorf("%s: the meaning %s is not read back: %v", text, meaning, err)
		}
		if meaning == "" {
			meaning = "(everything)"
		}
		return meaning
	})
}

// TestWrongQueriesAreToldWhereAndWhy reads testdata/refused.txt in the same way: a query and the message.
func TestWrongQueriesAreToldWhereAndWhy(t *testing.T) {
	checkPairs(t, "testdata/refused.txt", 60, func(text string) string {
		f, _, err := keyfactor.ParseQuery(text, asker, noon)
		if err != nil {
			return err.Error()
		}
		return "read as: " + query.Print(f)
	})
}

// checkPairs checks, or with -update rewrites, every second line of a file.
func checkPairs(t *testing.T, name string, least int, of func(text string) string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	update := flag.Lookup("update").Value.String() == "true"
	var out strings.Builder
	n, answers, text := 0, 0, ""
	seen := map[string]bool{}
	for i, line := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
		want, isAnswer := strings.CutPrefix(line, "\t")
		if isAnswer {
			answers++
		}
		switch {
		case isAnswer && !update:
			if got := of(text); got != want {
				t.Errorf("%s:%d: %s\n got %s\nwant %s", name, i, text, got, want)
			}
		case isAnswer, line == "", strings.HasPrefix(line, "#"):
		default:
			n++
			text = strings.ReplaceAll(line, `\t`, "\t")
			if seen[text] {
				t.Errorf("%s:%d: %s is there twice", name, i+1, text)
			}
			seen[text] = true
		}
		if !isAnswer {
			fmt.Fprintln(&out, line)
			if update && line != "" && line[0] != '#' {
				fmt.Fprintf(&out, "\t%s\n", of(text))
			}
		}
	}
	if n < least || !update && answers != n {
		t.Errorf("%s has %d queries and %d answers, want %d", name, n, answers, least)
	}
	if update {
		if err := os.WriteFile(name, []byte(out.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func TestQueriesAreBounded(t *testing.T) {
	parse := func(text string) error {
		_, _, err := keyfactor.ParseQuery(text, asker, noon)
		return err
	}
	comparison := "Level -eq 0"
	padded := comparison + strings.Repeat(" ", keyfactor.MaxQueryStringBytes-len(comparison))
	deep := strings.Repeat("(", keyfactor.MaxDepth) + comparison + strings.Repeat(")", keyfactor.MaxDepth)
	many := strings.TrimSuffix(strings.Repeat("Id -eq 7 OR ", keyfactor.MaxQueryStringBytes/12), " OR ")
	turned := strings.Repeat("NOT ", 4000) + comparison
	for _, text := range []string{padded, deep, many, turned} {
		if err := parse(text); err != nil {
			t.Errorf("%.40s...: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		padded + " ":      "at character 16385, the query is longer than 16384 bytes",
		"(" + deep + ")":  "at character 65, parentheses nest more than 64 deep",
		"((" + deep + ")": "at character 65, parentheses nest more than 64 deep",
	} {
		if err := parse(text); err == nil || err.Error() != want {
			t.Errorf("%.40s...: %v, want %s", text, err, want)
		}
	}
}

// Comparisons of one field that are joined by OR cost as much as one.
func TestAListOfIdentifiersIsLookedUpOnce(t *testing.T) {
	var parts []string
	for n := range 400 {
		parts = append(parts, fmt.Sprintf("ImmutableIdentifier -eq %d", n))
	}
	f, named, err := keyfactor.ParseQuery(strings.Join(parts, " OR "), asker, noon)
	if err != nil {
		t.Fatal(err)
	}
	if or := f.(query.Or); len(or) != 2 || len(named) != 400 { // by what a record brought, and by the id where it brought none
		t.Errorf("%d members, %d named", len(or), len(named))
	}
}

// Whom a query names is what RelatedEntities goes by.
func TestAQueryNamesTheIdentifiersThatItAsksFor(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "",
		"Level -eq 0":                       "",
		"ImmutableIdentifier -eq 7":         "7",
		`immutableidentifier -EQ "a b"`:     "a b",
		"ImmutableIdentifier -ne 7":         "",
		"NOT ImmutableIdentifier -ne 7":     "7",
		"NOT ImmutableIdentifier -eq 7":     "",
		"NOT NOT ImmutableIdentifier -eq 7": "7",
		"NOT (Level -eq 0 AND ImmutableIdentifier -eq 7) OR ImmutableIdentifier -eq 8": "8",
		"ImmutableIdentifier -eq NULL":                             "",
		"ImmutableIdentifier -contains 7":                          "",
		"(ImmutableIdentifier -eq 7 OR Id -eq 1) AND Level -eq 0":  "7",
		"ImmutableIdentifier -eq 7 OR ImmutableIdentifier -eq 707": "7,707",
	} {
		_, named, err := keyfactor.ParseQuery(text, asker, noon)
		if err != nil || strings.Join(named, ",") != want {
			t.Errorf("%s names %q, %v, want %q", text, named, err, want)
		}
	}
}

// FuzzQuery: any text is a filter that can be said and answered, or an error with a place in the text.
func FuzzQuery(f *testing.F) {
	for _, name := range []string{"testdata/queries.txt", "testdata/refused.txt"} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if line[0] != '\t' && line[0] != '#' {
				f.Add(strings.TrimSpace(line))
			}
		}
	}
	e := &event.Entry{Event: event.Event{Actor: event.Actor{Type: event.ActorStandard}}}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return // the URL's decoder has refused it
		}
		filter, named, err := keyfactor.ParseQuery(text, asker, noon)
		if err != nil {
			var place int
			if _, scan := fmt.Sscanf(err.Error(), "at character %d,", &place); scan != nil || place < 1 || place > utf8.RuneCountInString(text)+1 {
				t.Errorf("error without a place in the text: %v", err)
			}
			if !utf8.ValidString(err.Error()) || len(err.Error()) > 1000 {
				t.Errorf("error that cannot be shown: %q", err)
			}
			return
		}
		printed := query.Print(filter)
		back, err := query.Parse(printed)
		if pe := (*query.ParseError)(nil); errors.As(err, &pe) && len(printed) <= query.MaxTextBytes && strings.Count(printed, " ") < query.MaxValues && !strings.Contains(pe.Reason, "more than") {
			t.Errorf("%s: %v", printed, err)
		} else if err == nil && query.Print(back) != printed {
			t.Errorf("%s is read as %s", printed, query.Print(back))
		}
		query.Matches(filter, e)
		query.Matches(keyfactor.WithRelated(filter, named), e)
	})
}
