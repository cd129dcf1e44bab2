package digicertone_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"countersign/internal/dialecttest"
)

// TestCases plays testdata/*.txtar (package dialecttest). Beside the directives of that package there are:
//
//	> items MEMBER.. show the total and these members of each item in place of the body
//	> error          show code and message of a failure in place of the body
//
// $id_NAME is the id of a token.
func TestCases(t *testing.T) {
	dialecttest.Cases(t, func(t *testing.T) dialecttest.API {
		f := setUp(t)
		return dialecttest.API{
			Estate: f.Estate, Handler: f.handler, Record: f.add, TokenHeader: "X-Api-Key",
			Shows: map[string]dialecttest.Show{"items": showItems, "error": showError},
			Request: func(line string) (method, target string) {
				method, target, _ = strings.Cut(line, " ")
				for name, id := range f.IDs {
					target = strings.ReplaceAll(target, "$id_"+name, id)
				}
				return method, target
			},
			Hide: func(answer string) string { // the ids that are made anew each time
				for name, id := range f.IDs {
					answer = strings.ReplaceAll(answer, id, "$id_"+name)
				}
				return strings.ReplaceAll(answer, f.Root.UserID, "$root")
			},
		}
	})
}

func showItems(t *testing.T, body []byte, members []string) string {
	t.Helper()
	var page struct {
		Total, Offset, Limit int
		Items                []map[string]any
	}
	if err := json.Unmarshal(body, &page); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	out := fmt.Sprintf("total %d offset %d limit %d\n", page.Total, page.Offset, page.Limit)
	for _, i := range page.Items {
		var values []string
		for _, m := range members {
			if i[m] == "" {
				values = append(values, `""`) // no blanks at the end of a line
				continue
			}
			values = append(values, fmt.Sprint(i[m]))
		}
		out += strings.Join(values, " ") + "\n"
	}
	return out
}

func showError(t *testing.T, body []byte, _ []string) string {
	t.Helper()
	var answer struct {
		Errors []struct{ Code, Message string }
	}
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.Errors) != 1 {
		t.Fatalf("no error of this vendor's: %s", body)
	}
	return answer.Errors[0].Code + ": " + answer.Errors[0].Message + "\n"
}
