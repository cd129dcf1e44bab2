package query_test

import (
	"math/rand/v2"
	"testing"

	"countersign/event"
	"countersign/query"
)

func BenchmarkMatch(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	entries := make([]*event.Entry, 1024)
	for i := range entries {
		entries[i] = randomEntry(r)
		entries[i].Description = event.TextOf("Sign-in of jane.smith@example.com from 192.0.2.7 failed: wrong password")
	}
	for _, bm := range []struct{ name, text string }{
		{"everything", ""},
		{"exact", "action:=LOGIN"},
		{"equal", "action:login"},
		{"contains", "actor.name:~smith"},
		{"set", "resource.name:(a,b,c,d,e,f,g,h,i,j,k,l)"},
		{"days", "occurred_at:2026-01-01..2026-03-31"},
		{"words", "password"},
		{"typical", `action:LOGIN_ERROR outcome:failure actor.name:~smith -client.country:US`},
	} {
		b.Run(bm.name, func(b *testing.B) {
			f, err := query.Parse(bm.text)
			if err != nil {
				b.Fatal(err)
			}
			match := query.Compile(f)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				match(entries[i%len(entries)])
			}
		})
	}
}

func BenchmarkCompare(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	entries := make([]*event.Entry, 1024)
	for i := range entries {
		entries[i] = randomEntry(r)
	}
	for _, text := range []string{"seq:desc", "occurred_at", "actor.name", "attributes.ticket"} {
		b.Run(text, func(b *testing.B) {
			s, err := query.ParseSort(text)
			if err != nil {
				b.Fatal(err)
			}
			compare := s.Compile()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				compare(entries[i%len(entries)], entries[(i*7)%len(entries)])
			}
		})
	}
}

func BenchmarkFold(b *testing.B) {
	for name, s := range map[string]string{"folded": "jane.smith@example.com", "ascii": "Jane.Smith@Example.com", "latin": "JÉRÔME Müller"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				query.Fold(s)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	const text = `action:LOGIN_ERROR actor.name:~smith outcome:failure -client.country:US "free words"`
	b.ReportAllocs()
	for b.Loop() {
		if _, err := query.Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
