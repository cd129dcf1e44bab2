// Package made makes up the events that the benchmark measures with: any number of them, each block of a
// thousand on its own, so that nothing grows with their number.
//
// Terms. A trail is all events of one seed and number. Block i holds the events i*BlockLen and on, in the order
// in which they are sent.
//
// What they are like. 200 accounts, the largest with 3 % of the events and the smallest with 0.2 %; 100 actors
// each, so 20,000 names; 60 actions on 35 types of resources; the sources of all the vendors, with the
// attributes that their importers set. About 500 bytes of JSON, a random UUID as id. They occurred within 100
// days, in the order in which they are sent but for 1 in 200 that is up to 3 days late, and 1 in 2,000 that is
// up to 60. Most have no division, some no actor, no name or no description.
//
// Promise. The same seed and number give the same events on every machine. Every event is normalized and valid.
package made

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"countersign/event"
)

// The sizes of the estate.
const (
	Accounts         = 200
	ActorsPerAccount = 100
	BlockLen         = 1000
	Days             = 100
)

// Start is when the first events occurred. None is so late that it lies before: those of many days would be the oldest of all,
// and a page of neighbours in time one of rows from everywhere.
var Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Trail is the events of one seed and number.
type Trail struct {
	Seed uint64
	N    int
}

// Blocks is how many blocks there are; the last may be shorter.
func (t Trail) Blocks() int { return (t.N + BlockLen - 1) / BlockLen }

// AccountID returns the id of the account that is the n-th largest, from 0.
func AccountID(n int) string { return estate.accounts[n].ID }

// Append appends the events of a block.
func (t Trail) Append(dst []event.Event, block int) []event.Event {
	first := block * BlockLen
	last := min(first+BlockLen, t.N)
	d := drawer{r: rand.New(rand.NewPCG(t.Seed, uint64(block))), step: float64(Days*24*time.Hour/time.Microsecond) / float64(t.N)}
	for i := first; i < last; i++ {
		dst = append(dst, d.event(i))
	}
	return dst
}

// drawer draws the events of a block.
type drawer struct {
	r    *rand.Rand
	step float64 // microseconds between two events
	text []byte  // of the present event
}

func (d *drawer) event(i int) event.Event {
	a := &acts[d.weighted(actWeights)]
	account := d.weighted(accountWeights)
	e := event.Event{
		OccurredAt: d.moment(i, a.unit), Account: estate.accounts[account],
		Action: a.action, Resource: event.Resource{Type: a.resource}, Outcome: d.outcome(a), Source: a.source,
	}
	who := &estate.actors[account*ActorsPerAccount+min(d.r.IntN(ActorsPerAccount), d.r.IntN(ActorsPerAccount))]
	e.Actor, e.Client = who.actor, who.client
	if n := d.r.IntN(100); n < 3 {
		e.Actor, e.Client = event.Actor{Type: event.ActorSystem}, event.Client{}
		if n == 0 {
			e.Actor.Name = event.TextOf("Scheduler")
		}
	} else if n == 3 {
		e.Actor.Name = event.Text{}
	}
	if d.r.IntN(10) < 4 {
		e.Division = estate.divisions[account][d.r.IntN(divisionsPerAccount)]
	}
	d.texts(&e, a, i)
	e.Attributes = d.attributes(a, e.Outcome, i)
	return e
}

// texts sets what differs from event to event. They share one allocation.
func (d *drawer) texts(e *event.Event, a *act, i int) {
	d.text = d.appendUUID(d.text[:0])
	id := len(d.text)
	d.text = fmt.Appendf(d.text, "%012x", d.r.Uint64()>>16)
	resource := len(d.text)
	d.text = fmt.Appendf(d.text, a.name, d.r.IntN(50_000))
	name := len(d.text)
	if d.r.IntN(50) > 0 {
		d.text = append(d.text, a.says...)
		if e.Outcome == event.OutcomeFailure {
			d.text = append(d.text, reasons[d.r.IntN(len(reasons))]...)
		}
	}
	says := len(d.text)
	if d.r.IntN(16) == 0 {
		d.text = fmt.Appendf(d.text, "Policy %d\nTicket CHG-%d\n%s", d.r.IntN(400), i, details[d.r.IntN(len(details))])
	}
	s := string(d.text)
	e.ID = s[:id]
	e.Resource.ID, e.Resource.Name = event.TextOf(s[id:resource]), event.TextOf(s[resource:name])
	e.Description, e.Detail = event.TextOrAbsent(s[name:says]), event.TextOrAbsent(s[says:])
}

// attributes returns those of the source's importer, or of a sender of our own.
func (d *drawer) attributes(a *act, outcome string, i int) []event.Attribute {
	if len(a.vendor[outcome]) == 0 {
		if d.r.IntN(3) > 0 {
			return nil
		}
		return []event.Attribute{{Name: "ticket", Value: "CHG-" + strconv.Itoa(1000+d.r.IntN(9000))}}
	}
	all := make([]event.Attribute, len(a.vendor[outcome]))
	copy(all, a.vendor[outcome])
	for j := range all {
		if all[j].Value == "" { // the vendor's own id
			all[j].Value = strconv.Itoa(1 + i%(1<<30))
		}
	}
	return all
}

// moment is when event i occurred.
func (d *drawer) moment(i int, unit event.Micros) event.Micros {
	start := event.MicrosOf(Start)
	at := start + event.Micros(float64(i)*d.step) + event.Micros(d.r.IntN(2_000_000))
	const day = 24 * 3600 * 1_000_000
	late := event.Micros(0)
	switch n := d.r.IntN(2000); {
	case n == 0:
		late = event.Micros(d.r.Int64N(60 * day))
	case n <= 10:
		late = event.Micros(d.r.Int64N(3 * day))
	}
	if at-late >= start {
		at -= late
	}
	return at - at%unit
}

func (d *drawer) outcome(a *act) string {
	if a.outcome != "" {
		return a.outcome
	}
	switch n := d.r.IntN(100); {
	case n < 8:
		return event.OutcomeFailure
	case n < 10:
		return event.OutcomeWarning
	case n < 12:
		return event.OutcomeUnknown
	}
	return event.OutcomeSuccess
}

// weighted draws an index by running sums of weights, of which the last is their total.
func (d *drawer) weighted(sums []int) int {
	n := d.r.IntN(sums[len(sums)-1])
	lo, hi := 0, len(sums)-1
	for lo < hi {
		if mid := (lo + hi) / 2; sums[mid] > n {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// appendUUID appends a UUID in the form of version 4.
func (d *drawer) appendUUID(b []byte) []byte {
	hi, lo := d.r.Uint64(), d.r.Uint64()
	hi, lo = hi&^0xf000|0x4000, lo&^(0xc0<<56)|0x80<<56
	const digits = "0123456789abcdef"
	for i := range 32 {
		switch i {
		case 8, 12, 16, 20:
			b = append(b, '-')
		}
		half := hi
		if i >= 16 {
			half = lo
		}
		b = append(b, digits[half>>(60-4*(i%16))&0xf])
	}
	return b
}
