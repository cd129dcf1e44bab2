package collect_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/collect"
	"countersign/event"
	"countersign/internal/testkit"
)

// The made-up estate says of each of its records which event it should become.
func TestMadeUpPagesBecomeTheEventsTheyWereMadeFor(t *testing.T) {
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	made := testkit.NewEstate(1, now).Records(1, 250, now.AddDate(0, -3, 0), now)
	const account = "5153184"
	for _, c := range []struct {
		name, format string
		pages        [][]byte
		want         []event.Event
	}{
		{"Account Manager", "digicert-one", testkit.AccountManagerPages(made.AccountManager, 100), events(made.AccountManager, testkit.AccountManagerItem.Event)},
		{"Trust Lifecycle", "digicert-one", testkit.TrustLifecyclePages(made.TrustLifecycle, 100), events(made.TrustLifecycle, testkit.TrustLifecycleItem.Event)},
		{"IoT", "digicert-one", testkit.IoTPages(made.IoT, 100), events(made.IoT, testkit.IoTRecord.Event)},
		{"Discovery", "discovery", testkit.DiscoveryPages(made.Discovery, 100), events(made.Discovery, func(l testkit.DiscoveryLog) event.Event { return l.Event(account) })},
		{"Keyfactor", "keyfactor", testkit.KeyfactorPages(made.Keyfactor, 100), events(made.Keyfactor, func(k testkit.KeyfactorEntry) event.Event { return k.Event(account) })},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines := append(bytes.Join(c.pages, []byte("\n")), '\n')
			array := append(append([]byte("["), bytes.Join(c.pages, []byte(",\n"))...), ']')
			if c.name == "Keyfactor" { // whose pages are arrays
				array = bytes.Join(c.pages, []byte("\r\n\r\n"))
			}
			var s trail
			im := importer(t, &s, collect.Options{Format: c.format, Account: account})
			r, err := im.Import(t.Context(), "lines", bytes.NewReader(lines))
			check(t, "pages in lines", collect.Result{Read: 250, Accepted: 250}, r, err)
			r, err = im.Import(t.Context(), "array", bytes.NewReader(array))
			check(t, "an array of pages", collect.Result{Read: 250, Duplicates: 250}, r, err)
			for i := range s.events {
				if !bytes.Contains(lines, []byte(s.events[i].Raw.Value)) {
					t.Errorf("event %d: raw %q is no part of what was received", i, s.events[i].Raw.Value)
				}
				s.events[i].Raw = event.Text{}
			}
			if diff := cmp.Diff(c.want, s.events); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func events[T any](records []T, read func(T) event.Event) []event.Event {
	var all []event.Event
	for _, r := range records {
		e := read(r)
		e.Normalize("")
		all = append(all, e)
	}
	return all
}
