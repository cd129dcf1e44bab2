package engine

import (
	"os"
	"strings"
	"testing"
	"time"

	"countersign/bench/made"
	"countersign/event"
)

func TestTheBestTenSecondsAreFoundWhereverTheyBegin(t *testing.T) {
	var finished []time.Duration
	add := func(from, to time.Duration, blocksPerSecond int) {
		for at := from; at < to; at += time.Second / time.Duration(blocksPerSecond) {
			finished = append(finished, at)
		}
	}
	add(0, 8*time.Second, 10)
	if got := bestOf(finished, 10*time.Second); got != 0 {
		t.Errorf("of 8 seconds: %d, want none", got)
	}
	add(8*time.Second, 21*time.Second, 20)
	add(21*time.Second, 30*time.Second, 5)
	if got, want := bestOf(finished, 10*time.Second), 200*made.BlockLen; got != want {
		t.Errorf("%d, want %d", got, want)
	}
}

func TestAReceiptOfOtherThanNewNeighboursIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name, receipt string
		want          uint64
		ok            bool
	}{
		{"new ones", `{"accepted":3,"duplicates":0,"first_seq":7,"last_seq":9}`, 7, true},
		{"duplicates", `{"accepted":0,"duplicates":3,"first_seq":null,"last_seq":null}`, 0, false},
		{"a duplicate among them", `{"accepted":2,"duplicates":1,"first_seq":7,"last_seq":8}`, 0, false},
		{"a gap", `{"accepted":3,"duplicates":0,"first_seq":7,"last_seq":10}`, 0, false},
		{"no receipt", `{}`, 0, false},
		{"no JSON", `<html>`, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := placeOf([]byte(tt.receipt), 3)
			if got != tt.want || (err == nil) != tt.ok {
				t.Errorf("%d, %v", got, err)
			}
		})
	}
}

func TestEventsHaveTheirPlaces(t *testing.T) {
	p := Places{first: []uint64{5000, 2000}, whole: 1500, single: []uint64{9, 4}}
	for i, want := range map[int]uint64{0: 5000, 999: 5999, 1000: 2000, 1499: 2499, 1500: 9, 1501: 4} {
		if got := p.Seq(i); got != want {
			t.Errorf("event %d is at %d, want %d", i, got, want)
		}
	}
	if p := InOrder(2500); p.Seq(0) != 0 || p.Seq(2499) != 2499 {
		t.Error("events that were not sent are not in order")
	}
}

func TestARowForCopyIsEscaped(t *testing.T) {
	e := event.Entry{Seq: 3, Event: event.Event{ID: "a\tb\\c\nd\re"}}
	row := string(appendCopy(nil, &e))
	if !strings.HasPrefix(row, "3\t") || !strings.Contains(row, "\t"+`a\tb\\c\nd\re`+"\t") || !strings.Contains(row, "\t"+`\N`+"\t") || strings.Count(row, "\n") != 1 {
		t.Errorf("row %q", row)
	}
}

func TestUsageIsThatOfTheProcess(t *testing.T) {
	before := ownCPU()
	for ownCPU()-before < 50*time.Millisecond {
	}
	u := usageOf(1 << 30)
	if u != (usage{}) {
		t.Errorf("a process that is not there has taken %+v", u)
	}
	if u = usageOf(os.Getpid()); u.cpu < 40*time.Millisecond || u.anon < 1<<20 {
		t.Errorf("this process has taken %+v", u)
	}
	if MemoryBytes() < 1<<28 || !strings.Contains(Machine(), "cores") {
		t.Errorf("machine %q with %d bytes", Machine(), MemoryBytes())
	}
}
