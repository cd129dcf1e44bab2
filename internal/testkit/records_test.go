package testkit_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"countersign/event"
	"countersign/internal/testkit"
)

func TestPagesHoldTheRecords(t *testing.T) {
	const n = 250
	rec := testkit.NewEstate(1, now).Records(1, n, quarter, now)
	checkPages(t, "Account Manager", rec.AccountManager, testkit.AccountManagerPages(rec.AccountManager, 100),
		func(p page[testkit.AccountManagerItem]) []testkit.AccountManagerItem { return p.Items })
	checkPages(t, "Trust Lifecycle", rec.TrustLifecycle, testkit.TrustLifecyclePages(rec.TrustLifecycle, 100),
		func(p page[testkit.TrustLifecycleItem]) []testkit.TrustLifecycleItem { return p.Items })
	checkPages(t, "IoT", rec.IoT, testkit.IoTPages(rec.IoT, 100), func(p page[testkit.IoTRecord]) []testkit.IoTRecord { return p.Records })
	checkPages(t, "Discovery", rec.Discovery, testkit.DiscoveryPages(rec.Discovery, 100), func(p page[testkit.DiscoveryLog]) []testkit.DiscoveryLog {
		if p.Data.TotalCount != n || p.Data.CurrentCount != len(p.Data.AuditLogs) {
			t.Errorf("totalCount %d, currentCount %d of %d logs", p.Data.TotalCount, p.Data.CurrentCount, len(p.Data.AuditLogs))
		}
		return p.Data.AuditLogs
	})
	checkPages(t, "Keyfactor", rec.Keyfactor, testkit.KeyfactorPages(rec.Keyfactor, 100), func(p []testkit.KeyfactorEntry) []testkit.KeyfactorEntry { return p })
}

// page has the members of every vendor's page.
type page[T any] struct {
	Total, Offset, Limit int
	Items, Records       []T
	Data                 struct {
		TotalCount, CurrentCount int
		AuditLogs                []T
	}
}

// check looks at the numbers of a page that has them.
func (p page[T]) check(t *testing.T, i int) {
	if p.Data.AuditLogs == nil && (p.Total != 250 || p.Offset != i*100 || p.Limit != 100) {
		t.Errorf("page %d: total %d, offset %d, limit %d", i, p.Total, p.Offset, p.Limit)
	}
}

type paged interface{ check(*testing.T, int) }

func checkPages[P, T any](t *testing.T, vendor string, records []T, pages [][]byte, list func(P) []T) {
	t.Helper()
	if len(records) != 250 || len(pages) != 3 {
		t.Fatalf("%s: %d records in %d pages", vendor, len(records), len(pages))
	}
	var back []T
	for i, b := range pages {
		var p P
		if err := json.Unmarshal(b, &p); err != nil {
			t.Fatalf("%s: page %d: %v", vendor, i, err)
		}
		if p, ok := any(p).(paged); ok {
			p.check(t, i)
		}
		back = append(back, list(p)...)
	}
	if !reflect.DeepEqual(back, records) {
		t.Errorf("%s: the pages hold other records", vendor)
	}
}

func TestNoRecordsAreOneEmptyPage(t *testing.T) {
	for _, tt := range []struct {
		pages [][]byte
		want  string
	}{
		{testkit.AccountManagerPages(nil, 20), `{"total":0,"offset":0,"limit":20,"items":[]}`},
		{testkit.IoTPages(nil, 20), `{"total":0,"offset":0,"limit":20,"records":[]}`},
		{testkit.DiscoveryPages(nil, 20), `{"error":null,"data":{"totalCount":0,"currentCount":0,"auditLogs":[]}}`},
		{testkit.KeyfactorPages(nil, 20), `[]`},
	} {
		if len(tt.pages) != 1 || string(tt.pages[0]) != tt.want {
			t.Errorf("got %s, want %s", tt.pages, tt.want)
		}
	}
}

func TestRecordsAreReadAsValidEventsWithIDsOfTheirOwn(t *testing.T) {
	e := testkit.NewEstate(1, now)
	account := e.Accounts[0].ID
	ids := map[string]bool{}
	for ev := range e.Events(1, 20_000, quarter, now) {
		ids[ev.Source+ev.ID] = true
	}
	check := func(ev event.Event) {
		t.Helper()
		if key := ev.Source + ev.ID; ids[key] {
			t.Errorf("%s has the id %s twice", ev.Source, ev.ID)
		} else {
			ids[key] = true
		}
		if err := ev.Validate(); err != nil {
			t.Errorf("%v: %+v", err, ev)
		}
	}
	const n = 500
	rec := e.Records(1, n, quarter, now)
	for i := range n {
		check(rec.AccountManager[i].Event())
		check(rec.TrustLifecycle[i].Event())
		check(rec.IoT[i].Event())
		check(rec.Discovery[i].Event(account))
		check(rec.Keyfactor[i].Event(account))
		if id := rec.Keyfactor[i].ID; id > 1<<31-1 {
			t.Errorf("Keyfactor id %d is beyond what its clients read", id)
		}
	}
	if !reflect.DeepEqual(rec, testkit.NewEstate(1, now).Records(1, n, quarter, now)) {
		t.Error("two runs of one seed differ")
	}
	if fmt.Sprint(rec) == fmt.Sprint(e.Records(2, n, quarter, now)) {
		t.Error("two seeds give the same records")
	}
}
