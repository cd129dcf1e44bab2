package store_test

import (
	"testing"

	"countersign/event"
	"countersign/problem"
	"countersign/query"
	"countersign/store"
)

func TestIntervalIsWrittenWithItsLargestUnit(t *testing.T) {
	for text, want := range map[string]string{
		"1s": "1s", "60s": "1m", "15m": "15m", "90m": "90m", "24h": "1d", "1d": "1d", "7d": "1w", "14d": "2w", "10d": "10d",
		"1M": "1M", "3M": "3M", "12M": "1y", "18M": "18M", "100000y": "100000y", "86400s": "1d", "0100s": "100s",
	} {
		i, err := store.ParseInterval(text)
		if err != nil || i.String() != want {
			t.Errorf("%s is written %s, %v", text, i, err)
		}
	}
}

func TestIntervalRefusesWhatIsNone(t *testing.T) {
	for _, text := range []string{"", "d", "0d", "-1d", "+1d", "1", "1D", "1 d", "1.5h", "1ms", "100001d", "99999999999999999999d", "1d ", "1w1d", "٣d"} {
		if i, err := store.ParseInterval(text); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%q is %s", text, i)
		}
	}
}

func TestHistogramWithoutAnIntervalHasNeverTooManyBuckets(t *testing.T) {
	s := open(t, t.TempDir())
	at := func(text string) *event.Micros {
		m, err := event.ParseTime(text)
		if err != nil {
			t.Fatal(err)
		}
		return &m
	}
	for _, c := range []struct{ from, to, interval string }{
		{"2026-01-15T10:30:00Z", "2026-01-15T10:30:00Z", "1s"},
		{"2026-01-15T10:30:00Z", "2026-01-15T10:31:39.999999Z", "1s"},
		{"2026-01-15T10:30:00Z", "2026-01-15T10:31:40Z", "5s"},
		{"2026-01-15T00:00:00Z", "2026-01-15T23:59:59.999999Z", "15m"},
		{"2026-01-01T00:00:00Z", "2026-01-31T23:59:59.999999Z", "12h"},
		{"2026-01-01T00:00:00Z", "2026-03-31T23:59:59.999999Z", "1d"},
		{"2025-01-01T00:00:00Z", "2025-12-31T23:59:59.999999Z", "1w"},
		{"2020-01-01T00:00:00Z", "2025-12-31T23:59:59.999999Z", "1M"},
		{"0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "100y"},
	} {
		st, err := s.Stats(t.Context(), query.Query{}, store.Breakdown{From: at(c.from), To: at(c.to)})
		if err != nil || st.Interval.String() != c.interval || len(st.Histogram) > 100 {
			t.Errorf("%s to %s: %d buckets of %s, want %s: %v", c.from, c.to, len(st.Histogram), st.Interval, c.interval, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func FuzzInterval(f *testing.F) {
	f.Add("15m", int64(0))
	f.Add("1M", int64(event.MinMicros))
	f.Add("100000y", int64(event.MaxMicros))
	f.Add("100000w", int64(event.MinMicros))
	f.Fuzz(func(t *testing.T, text string, moment int64) {
		i, err := store.ParseInterval(text)
		if err != nil {
			return
		}
		if again, err := store.ParseInterval(i.String()); err == nil && again != i {
			t.Errorf("%q is %s, which is another", text, i)
		}
		m := min(max(event.Micros(moment), event.MinMicros), event.MaxMicros)
		start, next := i.Around(m)
		if start > m || next <= m {
			t.Errorf("%s is in a bucket of %s from %s to %s", m, i, start, next)
		}
	})
}
