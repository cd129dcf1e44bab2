package keyfactor_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"countersign/bundle"
	"countersign/internal/dialecttest"
)

// TestCases plays testdata/*.txtar (package dialecttest). A request whose first line begins with a slash is a
// GET. Beside the directives of that package there are:
//
//	> rows MEMBER..  show the number of rows and these members of each in place of the body
//	> row            show an entry with one member a line
//	> error          show code and message of a failure in place of the body
func TestCases(t *testing.T) {
	dialecttest.Cases(t, func(t *testing.T) dialecttest.API {
		f := setUp(t)
		return dialecttest.API{
			Estate: f.Estate, Handler: f.checked,
			Record:      func(t testing.TB, ndjson string) { dialecttest.Record(t, f.trail, dialecttest.Events(t, ndjson)...) },
			TokenHeader: "Authorization", Prefix: "Bearer ",
			Header: map[string]string{"x-keyfactor-requested-with": "APIClient"},
			Shows:  map[string]dialecttest.Show{"rows": showRows, "row": showRow, "error": showError},
			Request: func(line string) (method, target string) {
				method, target, ok := strings.Cut(line, " ")
				if !ok {
					return "GET", line
				}
				return method, target
			},
		}
	})
}

func decodeJSON(t testing.TB, body []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
}

func showRows(t *testing.T, body []byte, members []string) string {
	t.Helper()
	var rows []map[string]any
	decodeJSON(t, body, &rows)
	out := fmt.Sprintf("%d rows\n", len(rows))
	if len(members) == 0 {
		return out
	}
	for _, row := range rows {
		var values []string
		for _, m := range members {
			values = append(values, showValue(row[m]))
		}
		out += strings.Join(values, " | ") + "\n"
	}
	return out
}

func showValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return strconv.Quote(v)
	}
	return fmt.Sprint(v)
}

func showRow(t *testing.T, body []byte, _ []string) string {
	t.Helper()
	var row map[string]any
	decodeJSON(t, body, &row)
	out := ""
	for _, m := range []string{"Id", "Timestamp", "Message", "Category", "Operation", "Level", "User", "EntityType", "AuditIdentifier", "ImmutableIdentifier"} {
		out += m + " " + showValue(row[m]) + "\n"
	}
	return out
}

func showError(t *testing.T, body []byte, _ []string) string {
	t.Helper()
	var answer struct{ ErrorCode, Message *string }
	decodeJSON(t, body, &answer)
	if answer.ErrorCode == nil || answer.Message == nil {
		t.Fatalf("no error of this vendor's: %s", body)
	}
	return *answer.ErrorCode + ": " + *answer.Message + "\n"
}

// proofOf reads a Signature.
func proofOf(t testing.TB, signature string) bundle.Proof {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	p, err := bundle.ParseProof(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
