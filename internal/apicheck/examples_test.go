package apicheck_test

import (
	"testing"

	"countersign/internal/apicheck"
	"countersign/web"
)

// Who copies an example must have something that works, or that looks like what comes.
func TestExamplesOfTheDocumentAreWhatItDescribes(t *testing.T) {
	d, err := apicheck.Read(web.Document())
	if err != nil {
		t.Fatal(err)
	}
	checked, findings := d.CheckExamples()
	for _, f := range findings {
		t.Error(f)
	}
	if checked < 50 {
		t.Errorf("only %d examples were found", checked)
	}
}

// A schema that cannot be compiled would be found only when a test meets it.
func TestEverySchemaOfTheDocumentCanBeCompiled(t *testing.T) {
	d, err := apicheck.Read(web.Document())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range d.CheckSchemas() {
		t.Error(f)
	}
}
