package testkit_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/collect/digicertone"
	"countersign/collect/discovery"
	"countersign/collect/keyfactor"
	"countersign/collect/records"
	"countersign/event"
	"countersign/internal/testkit"
)

// TestTheImportReadsRecordsAsTheirEventsSay holds two readings of the vendors' records against each other,
// the import's and the one here.
func TestTheImportReadsRecordsAsTheirEventsSay(t *testing.T) {
	const n = 500
	rec := testkit.NewEstate(1, now).Records(1, n, quarter, now)
	o := records.Options{Account: "5153184"}
	check := func(record any, want event.Event, read records.Reader) {
		t.Helper()
		raw, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		got, err := read(raw, o)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		got.Normalize("")
		want.Raw = event.TextOf(string(raw))
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%s\n%s", raw, d)
		}
	}
	for i := range n {
		check(rec.AccountManager[i], rec.AccountManager[i].Event(), digicertone.Read)
		check(rec.TrustLifecycle[i], rec.TrustLifecycle[i].Event(), digicertone.Read)
		check(rec.IoT[i], rec.IoT[i].Event(), digicertone.Read)
		check(rec.Discovery[i], rec.Discovery[i].Event(o.Account), discovery.Read)
		check(rec.Keyfactor[i], rec.Keyfactor[i].Event(o.Account), keyfactor.Read)
	}
}
