package event_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"countersign/event"
)

// seeded returns a random source whose seed is printed with a failure.
func seeded(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// words are texts that have gone wrong somewhere before: empty, blanks, quotes, controls, line ends, more
// than one encoding of a letter, characters outside the first plane, the letters that fold to ASCII.
var words = []string{
	"", " ", "jane", "Jane Doe", `DOMAIN\jane`, `"quoted"`, "a\x00b", "line\r\nline", "\t", "\u0301e", "é", "é",
	"Ünïcödé", "日本語", "\U0001F600", "\u2028", "<script>", "K", "ſ", "\x7f", "Timer Service", "System", "system", "-1", "677793",
}

func randomText(r *rand.Rand) event.Text {
	if r.IntN(3) == 0 {
		return event.Text{}
	}
	return event.TextOf(pick(r, words...))
}

func randomID(r *rand.Rand) string {
	return pick(r, "1", "677793", "ad65390a-0380-4522-bab6-f007c447757a", "Ünïcödé", fmt.Sprint(r.Uint32()))
}

func randomCode(r *rand.Rand) string {
	return pick(r, "X", "_", "_A", "A__B", "CREATE_USER", fmt.Sprintf("CODE_%d", r.IntN(3)))
}

// randomEvent returns a valid, normalized event over the whole vocabulary and beyond it.
func randomEvent(r *rand.Rand) event.Event {
	e := event.Event{
		ID:          randomID(r),
		OccurredAt:  event.Micros(r.Int64N(4e15)),
		Account:     event.Account{ID: randomID(r), Name: randomText(r)},
		Division:    event.Division{Name: randomText(r)},
		Actor:       event.Actor{ID: randomText(r), Name: randomText(r), Type: pick(r, "", event.ActorStandard, event.ActorService, event.ActorSystem)},
		Action:      randomCode(r),
		Resource:    event.Resource{Type: randomCode(r), ID: randomText(r), Name: randomText(r)},
		Outcome:     pick(r, "", event.OutcomeSuccess, event.OutcomeFailure, event.OutcomeWarning, event.OutcomeUnknown),
		Description: randomText(r),
		Detail:      randomText(r),
		Client:      event.Client{IP: randomText(r), Country: randomText(r)},
		Source:      pick(r, "digicert-one/account-manager", "keyfactor/command", "discovery/certcentral", "other"),
		Raw:         randomText(r),
	}
	if r.IntN(2) == 0 {
		e.Division.ID = event.TextOf(randomID(r))
	}
	for i := range r.IntN(4) {
		e.Attributes = append(e.Attributes, event.Attribute{Name: fmt.Sprintf("%d%s", 9-i, pick(r, words...)), Value: pick(r, words...)})
	}
	e.Normalize("account")
	return e
}

func randomEntry(r *rand.Rand) event.Entry {
	n := event.Entry{
		Event:       randomEvent(r),
		ReceivedAt:  event.Micros(r.Int64N(4e15)),
		RecordedBy:  randomText(r),
		AccountPrev: event.NoPrev,
	}
	if r.IntN(4) > 0 {
		n.AccountSeq = r.Uint64() >> r.IntN(64)
		n.AccountPrev = r.Uint64() >> (1 + r.IntN(63))
	}
	return n
}

// example is the event of the documentation, with everything in it.
const example = `{"id":"01J8Z3K4M5N6P7Q8R9S0T1V2W3","occurred_at":"2026-01-15T10:30:00.123Z",` +
	`"account":{"id":"ad65390a-0380-4522-bab6-f007c447757a","name":"Example account"},"division":{"id":"677793","name":"EMEA"},` +
	`"actor":{"id":"f7e866c9-768c-4442-adc9-abe2ba4b69d1","name":"jane@example.com","type":"standard"},` +
	`"action":"LOGIN_ERROR","resource":{"type":"BASIC_AUTH","id":"6792e182","name":"jane"},` +
	`"outcome":"failure","description":"Wrong password","detail":"Attempt 3 of 5",` +
	`"client":{"ip":"172.16.0.83","country":"US"},` +
	`"source":"digicert-one/account-manager","attributes":{"ticket":"CHG-1042"}}`

func text(s string) event.Text { return event.TextOf(s) }
