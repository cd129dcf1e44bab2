package discovery_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	collector "countersign/collect/discovery"
	"countersign/collect/records"
	"countersign/event"
	"countersign/query"
)

// The vendor's samples in testdata: an answer of the list, imported as a user would, must come back for the
// sample request.

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// importSample records the rows of the vendor's answer.
func (f *fixture) importSample(t testing.TB) {
	t.Helper()
	var batch []event.Event
	err := records.Each(bytes.NewReader(readFile(t, "list-response.json")), collector.Lists, func(r records.Record) error {
		if r.Err != nil {
			return r.Err
		}
		e, err := collector.Read(r.Raw, records.Options{Account: "5153184"})
		batch = append(batch, e)
		return err
	})
	if err != nil || len(batch) != 3 {
		t.Fatalf("%d rows, %v", len(batch), err)
	}
	f.record(t, batch...)
}

// without returns the sample request without its criterion.
func without(t testing.TB, request []byte) string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(request, &m); err != nil {
		t.Fatal(err)
	}
	delete(m, "searchCriteriaList")
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheVendorsSampleComesBack(t *testing.T) {
	f := setUp(t)
	f.importSample(t)
	request := readFile(t, "list-request.json")

	// To the byte: the rows as the vendor sent them, but for id, and the counts of what there is here.
	var sample struct {
		Data struct{ AuditLogs []json.RawMessage }
	}
	if err := json.Unmarshal(readFile(t, "list-response.json"), &sample); err != nil {
		t.Fatal(err)
	}
	want := `{"error":null,"data":{"totalCount":3,"currentCount":3,"auditLogs":[`
	ids := []string{"1254615", "1254614", "1254566"}
	for i, row := range sample.Data.AuditLogs {
		was := fmt.Sprintf(`{"id":%s,`, ids[i])
		if !bytes.HasPrefix(row, []byte(was)) {
			t.Fatalf("row %d of the sample is %s", i, row)
		}
		if i > 0 {
			want += ","
		}
		want += strings.Replace(string(row), was, fmt.Sprintf(`{"id":%d,`, i+1), 1)
	}
	want += `]}}`
	w := f.post(t, "member", "list", without(t, request))
	if diff := cmp.Diff(want, w.Body.String()); diff != "" || w.Code != http.StatusOK {
		t.Errorf("%d (-vendor +ours)\n%s", w.Code, diff)
	}

	w = f.post(t, "member", "list", string(request))
	if want := `{"error":null,"data":{"totalCount":0,"currentCount":0,"auditLogs":[]}}`; w.Body.String() != want {
		t.Errorf("with the criterion %s, want %s", w.Body, want)
	}

	for i, id := range ids {
		filter, err := query.Parse("attributes.discovery.id:" + id)
		if err != nil {
			t.Fatal(err)
		}
		p, err := f.trail.Search(t.Context(), query.Query{Filter: filter, Limit: 2})
		if err != nil || p.Total != 1 || p.Entries[0].Seq != uint64(i) {
			t.Errorf("the original id %s: %d found, %v", id, p.Total, err)
		}
	}
}

func TestTheVendorsSampleOfAFilterComesBack(t *testing.T) {
	var sample struct{ Request, Response json.RawMessage }
	if err := json.Unmarshal(readFile(t, "filter.json"), &sample); err != nil {
		t.Fatal(err)
	}
	f := setUp(t)
	f.importSample(t) // rows of the same user without a division, which give no value
	f.add(t, `{"id":"1","occurred_at":"2026-01-01T00:00:00Z","account":{"id":"5153184"},"division":{"id":"677793","name":"Cert Testing Inc."},"actor":{"id":"7286246","name":"CertCentral Admin"},"action":"ABORT","resource":{"type":"SCAN"},"source":"discovery/certcentral"}`)
	w := f.post(t, "member", "filter", string(sample.Request))
	if diff := cmp.Diff(string(sample.Response), w.Body.String()); diff != "" || w.Code != http.StatusOK {
		t.Errorf("%d (-vendor +ours)\n%s", w.Code, diff)
	}
}
