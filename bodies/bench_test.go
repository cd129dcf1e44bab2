package bodies_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"countersign/bodies"
	"countersign/event"
	"countersign/internal/durable"
	"countersign/internal/testkit"
)

// sealed is how many entries a body file has when nothing is out of the ordinary.
const sealed = 131_072

// corpus is bodies like those of a trail, and how long their events are as JSON.
type corpus struct {
	name   string
	bodies [][]byte
	json   float64
	bytes  float64
}

func newCorpus(name string, n int, next func(i int) event.Event) corpus {
	r := rand.New(rand.NewPCG(1, 2))
	c := corpus{name: name}
	for i := range n {
		e := event.Entry{Event: next(i), AccountSeq: uint64(i / 5), AccountPrev: uint64(max(0, i-1-r.IntN(20)))}
		e.ReceivedAt = e.OccurredAt + event.Micros(r.IntN(3_000_000))
		e.RecordedBy = event.TextOf("7a0cf4ba-66b5-4bd2-9d4e-f0cf1a4c8a4b")
		b := event.AppendBody(nil, &e)
		c.bodies = append(c.bodies, b)
		c.json += float64(len(event.AppendJSON(nil, &e.Event))) / float64(n)
		c.bytes += float64(len(b)) / float64(n)
	}
	return c
}

// estate is events of a made-up estate of 60 people.
func estate(n int) corpus {
	now := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	var events []event.Event
	for e := range testkit.NewEstate(1, now).Events(1, n, now.Add(-90*24*time.Hour), now) {
		events = append(events, e)
	}
	return newCorpus("estate", n, func(i int) event.Event { return events[i] })
}

// crowd is events of 500 bytes of JSON of 20,000 people in 200 accounts, about as many things, with random ids.
func crowd(n int) corpus {
	r := rand.New(rand.NewPCG(2, 2))
	id := func() string {
		a, b := r.Uint64(), r.Uint64()
		return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&(1<<48-1))
	}
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	accounts := make([]event.Account, 200)
	for i := range accounts {
		accounts[i] = event.Account{ID: id(), Name: event.TextOf(fmt.Sprintf("Example %d", i))}
	}
	type person struct {
		event.Actor
		ip string
	}
	people := make([]person, 20_000)
	for i := range people {
		first := pick("ana", "bo", "carl", "dina", "eva", "femi", "gus", "hana")
		name := fmt.Sprintf("%s.%s%d@example.com", first, pick("adams", "brown", "chen", "diaz", "evans"), i)
		people[i].Actor = event.Actor{ID: event.TextOf(id()), Name: event.TextOf(name), Type: event.ActorStandard}
		people[i].ip = fmt.Sprintf("10.%d.%d.%d", r.IntN(256), r.IntN(256), r.IntN(256))
	}
	at := event.MicrosOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	return newCorpus("crowd", n, func(int) event.Event {
		at += event.Micros(r.IntN(120_000_000)) / 1000 * 1000
		who := min(r.IntN(len(people)), r.IntN(len(people)))
		p := people[who]
		return event.Event{
			ID: id(), OccurredAt: at, Account: accounts[who%len(accounts)], Actor: p.Actor,
			Action:  pick("LOGIN", "LOGIN", "LOGIN", "LOGOUT", "CREATE", "UPDATE", "DELETE", "REVOKE", "DOWNLOAD"),
			Outcome: pick(event.OutcomeSuccess, event.OutcomeSuccess, event.OutcomeSuccess, event.OutcomeFailure),
			Resource: event.Resource{
				Type: pick("USER", "CERTIFICATE", "APIKEY"), ID: event.TextOf(fmt.Sprint(1_000_000 + r.IntN(20_000))),
				Name: event.TextOf(fmt.Sprintf("www%d.example.com", r.IntN(20_000))),
			},
			Client: event.Client{IP: event.TextOf(p.ip), Country: event.TextOf(pick("US", "DE", "JP"))},
			Source: testkit.SourceAccountManager,
		}
	})
}

// source gives out the bodies over and over.
func (c *corpus) source() bodies.Source {
	return func(dst []byte, seq uint64) ([]byte, error) {
		return append(dst, c.bodies[seq%uint64(len(c.bodies))]...), nil
	}
}

// count adds up the bytes of bodies.
func count(n *int) func(uint64, []byte) error {
	return func(_ uint64, body []byte) error {
		*n += len(body)
		return nil
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, c := range []corpus{estate(sealed), crowd(sealed)} {
		b.Run(c.name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "f")
			b.ReportAllocs()
			for b.Loop() {
				if err := bodies.Write(durable.OS(), path, 0, sealed, c.source()); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(c.bytes * sealed))
			b.ReportMetric(sealed*float64(b.N)/b.Elapsed().Seconds(), "bodies/s")
			f := open(b, durable.OS(), path)
			b.ReportMetric(float64(f.Size())/sealed, "bytes/body")
			b.ReportMetric(c.bytes, "raw-bytes/body")
			b.ReportMetric(c.json, "JSON-bytes/event")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	const files = 8
	for _, c := range []corpus{estate(sealed), crowd(sealed)} {
		dir := b.TempDir()
		var all []*bodies.File
		for i := range uint64(files) {
			path := filepath.Join(dir, fmt.Sprint(i))
			if err := bodies.Write(durable.OS(), path, i*sealed, sealed, c.source()); err != nil {
				b.Fatal(err)
			}
			all = append(all, open(b, durable.OS(), path))
		}
		r := rand.New(rand.NewPCG(3, 3))
		adjacent := func(n uint64) func() []uint64 {
			return func() []uint64 {
				from := r.Uint64N(files*sealed - n)
				seqs := make([]uint64, n)
				for i := range seqs {
					seqs[i] = from + uint64(i)
				}
				return seqs
			}
		}
		for _, tt := range []struct {
			name string
			seqs func() []uint64
		}{
			{"one", adjacent(1)},
			{"20-adjacent", adjacent(20)},
			{"1000-adjacent", adjacent(1000)},
			{"1000-scattered", func() []uint64 {
				seqs := make([]uint64, 1000)
				for i := range seqs {
					seqs[i] = files*sealed/1000*uint64(i) + r.Uint64N(files*sealed/1000)
				}
				return seqs
			}},
		} {
			b.Run(c.name+"/"+tt.name, func(b *testing.B) {
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					if err := bodies.Read(b.Context(), all, tt.seqs(), count(&n)); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n)/1e6/b.Elapsed().Seconds(), "MB/s")
			})
		}
		b.Run(c.name+"/each", func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if err := all[0].Each(b.Context(), 0, sealed, count(&n)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/1e6/b.Elapsed().Seconds(), "MB/s")
		})
	}
}

// BenchmarkOpen measures opening a file, and what it keeps in memory.
func BenchmarkOpen(b *testing.B) {
	c := crowd(sealed)
	path := filepath.Join(b.TempDir(), "f")
	if err := bodies.Write(durable.OS(), path, 0, sealed, c.source()); err != nil {
		b.Fatal(err)
	}
	var kept []*bodies.File
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 100 {
		kept = append(kept, open(b, durable.OS(), path))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportAllocs()
	for b.Loop() {
		f, err := bodies.Open(durable.OS(), path)
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(kept))/sealed*100e6, "kept-bytes/100M")
}
