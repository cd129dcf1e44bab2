package discovery_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"countersign/dialect/discovery"
	"countersign/internal/dialecttest"
)

// TestCases plays testdata/*.txtar (package dialecttest). The first line of a request is its call, a blank and
// perhaps a query: "list", "filter ?include_self=true"; or a method and a whole target. Beside the directives
// of that package there are:
//
//	> rows MEMBER..  show the counts and these members of each row in place of the body
//	> values         show the values of a filter, one a line, in place of the body
//	> error          show code and message of a failure in place of the body
//
// In a body {..., stands for an object that begins with the account acme and all its divisions.
func TestCases(t *testing.T) {
	dialecttest.Cases(t, func(t *testing.T) dialecttest.API {
		f := setUp(t)
		return dialecttest.API{
			Estate: f.Estate, Handler: f.checked, Record: f.add, TokenHeader: "X-Dc-Devkey",
			Shows: map[string]dialecttest.Show{"rows": showRows, "values": showValues, "error": showError},
			Request: func(line string) (method, target string) {
				method, target, whole := strings.Cut(line, " /")
				if whole {
					return method, "/" + target
				}
				call, query, _ := strings.Cut(line, " ")
				return http.MethodPost, discovery.Prefix + "auditlog/" + call + query
			},
			Body: func(s string) string { return strings.ReplaceAll(s, "{...", `{"accountId":"acme","divisionIds":[]`) },
		}
	})
}

func showRows(t *testing.T, body []byte, members []string) string {
	t.Helper()
	var answer struct {
		Error any
		Data  struct {
			TotalCount, CurrentCount int
			AuditLogs                []map[string]any
		}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&answer); err != nil || answer.Error != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if answer.Data.CurrentCount != len(answer.Data.AuditLogs) {
		t.Errorf("currentCount %d with %d rows", answer.Data.CurrentCount, len(answer.Data.AuditLogs))
	}
	out := fmt.Sprintf("total %d current %d\n", answer.Data.TotalCount, answer.Data.CurrentCount)
	if len(members) == 0 {
		return out
	}
	for _, row := range answer.Data.AuditLogs {
		var values []string
		for _, m := range members {
			switch v := row[m].(type) {
			case nil:
				values = append(values, "null")
			case string:
				values = append(values, strconv.Quote(v))
			default:
				values = append(values, fmt.Sprint(v))
			}
		}
		out += strings.Join(values, " | ") + "\n"
	}
	return out
}

func showValues(t *testing.T, body []byte, _ []string) string {
	t.Helper()
	var answer struct {
		Data struct {
			FilterName, DisplayName string
			Values                  []string
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Data.Values == nil {
		t.Fatalf("%v: %s", err, body)
	}
	out := fmt.Sprintf("%s, shown as %s\n", answer.Data.FilterName, answer.Data.DisplayName)
	for _, v := range answer.Data.Values {
		out += fmt.Sprintf("%q\n", v)
	}
	return out
}

func showError(t *testing.T, body []byte, _ []string) string {
	t.Helper()
	var answer struct {
		Error *struct{ Code, Message string }
		Data  *struct{}
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Error == nil || answer.Data != nil || !bytes.HasSuffix(body, []byte(`},"data":null}`)) {
		t.Fatalf("no error of this vendor's: %s", body)
	}
	return answer.Error.Code + ": " + answer.Error.Message + "\n"
}
