package made_test

import (
	"reflect"
	"testing"

	"countersign/bench/made"
	"countersign/event"
)

func TestBlocksAreTheSameEachTimeAndMakeUpTheTrail(t *testing.T) {
	trail := made.Trail{Seed: 7, N: 2500}
	total := 0
	for b := range trail.Blocks() {
		one := trail.Append(nil, b)
		if !reflect.DeepEqual(one, trail.Append(nil, b)) {
			t.Errorf("block %d differs when it is made again", b)
		}
		total += len(one)
	}
	if total != trail.N {
		t.Errorf("%d events, want %d", total, trail.N)
	}
	if reflect.DeepEqual(trail.Append(nil, 0), made.Trail{Seed: 8, N: 2500}.Append(nil, 0)) {
		t.Error("two seeds give the same events")
	}
}

func TestEventsAreValidAndOfTheSizeThatBudgetsNameThem(t *testing.T) {
	trail := made.Trail{Seed: 1, N: 50_000}
	var bytes int
	ids, accounts, names, actions := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	for b := range trail.Blocks() {
		for _, e := range trail.Append(nil, b) {
			was := e
			e.Normalize("")
			if err := e.Validate(); err != nil || !reflect.DeepEqual(was, e) {
				t.Fatalf("%s: %v", event.AppendJSON(nil, &e), err)
			}
			bytes += len(event.AppendJSON(nil, &e))
			ids[e.ID], accounts[e.Account.ID], names[e.Actor.Name.Value], actions[e.Action] = true, true, true, true
		}
	}
	if mean := bytes / trail.N; mean < 480 || mean > 560 {
		t.Errorf("%d bytes of JSON each, want about 500", mean)
	}
	if len(ids) != trail.N || len(accounts) != made.Accounts || len(names) < 13_000 || len(actions) != 60 {
		t.Errorf("%d ids, %d accounts, %d names, %d actions", len(ids), len(accounts), len(names), len(actions))
	}
}

func BenchmarkAppend(b *testing.B) {
	trail := made.Trail{Seed: 1, N: 1_000_000}
	var events []event.Event
	var json []byte
	n := 0
	for b.Loop() {
		events, json = trail.Append(events[:0], n%trail.Blocks()), json[:0]
		for i := range events {
			json = event.AppendJSON(json, &events[i])
		}
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*made.BlockLen), "ns/event")
}
