// Package testkit makes up an estate and its events: accounts, divisions, people, service users, tokens,
// and what they did, in the words of the vendors. The demo shows it; tests and benchmarks are fed with it.
//
// Terms. The estate is who and what there is. Events are drawn from it over a window of time, with the
// rhythm of office hours. A story is a short run of events planted among them that an auditor would want to
// find, with the search text that finds it. A record is one audit record in a vendor's own shape, a page is
// a saved answer of that vendor with records in it.
//
// Promises. The same seed and arguments give the same estate, events, records and pages, byte for byte, on
// every machine. Every event is normalized and valid. Names and addresses are those that RFC 2606, 5737 and
// 3849 reserve for examples: nobody's data is in here.
//
// Random is another kind of event: not believable, but as odd as a valid one may be, for property tests.
package testkit

import (
	"cmp"
	"encoding/hex"
	"math/rand/v2"
	"slices"

	"countersign/event"
)

// The sources of the events, as the import command names them.
const (
	SourceAccountManager = "digicert-one/account-manager"
	SourceTrustLifecycle = "digicert-one/trust-lifecycle"
	SourceIoT            = "digicert-one/iot"
	SourceDiscovery      = "discovery/certcentral"
	SourceKeyfactor      = "keyfactor/command"
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// uuid returns a UUID in the form of version 4.
func uuid(r *rand.Rand) string {
	b := randomBytes(r, 16)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	out := hex.AppendEncode(make([]byte, 0, len(form)), b[:4])
	for _, part := range [][]byte{b[4:6], b[6:8], b[8:10], b[10:]} {
		out = hex.AppendEncode(append(out, '-'), part)
	}
	return string(out)
}

func sortAttributes(all []event.Attribute) {
	slices.SortFunc(all, func(a, b event.Attribute) int { return cmp.Compare(a.Name, b.Name) })
}
