package web_test

import (
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"countersign/web"
)

func TestDocumentIsValidOpenAPI(t *testing.T) {
	d, err := openapi3.NewLoader().LoadFromData(web.Document())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(d.OpenAPI, "3.1.") {
		t.Errorf("version %s", d.OpenAPI)
	}
	// Validate checks the examples against their schemas too.
	if err := d.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	// Whoever reads about a parameter wants to know what it is for.
	for path, item := range d.Paths.Map() {
		for method, o := range item.Operations() {
			for _, p := range append(o.Parameters, item.Parameters...) {
				if v := p.Value; v.Description == "" && v.In != "path" && v.Name != "source" {
					t.Errorf("%s %s: the parameter %s has no description", method, path, v.Name)
				}
			}
			for status, r := range o.Responses.Map() {
				if r.Value.Description == nil || *r.Value.Description == "" {
					t.Errorf("%s %s: the answer %s has no description", method, path, status)
				}
			}
		}
	}
}
