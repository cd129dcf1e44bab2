package event_test

import (
	"testing"
	"time"

	"countersign/event"
)

func TestParseTime(t *testing.T) {
	for in, want := range map[string]string{
		"2026-01-15T10:30:00Z":             "2026-01-15T10:30:00Z",
		"2026-01-15t10:30:00z":             "2026-01-15T10:30:00Z",
		"2026-01-15T10:30:00.100Z":         "2026-01-15T10:30:00.1Z",
		"2026-01-15T10:30:00.000001Z":      "2026-01-15T10:30:00.000001Z",
		"2026-01-15T10:30:00.5+05:30":      "2026-01-15T05:00:00.5Z",
		"2026-01-15T10:30:00-00:00":        "2026-01-15T10:30:00Z",
		"2026-01-15T10:30:00+23:59":        "2026-01-14T10:31:00Z",
		"2024-02-29T00:00:00Z":             "2024-02-29T00:00:00Z",
		"1969-12-31T23:59:59.999999Z":      "1969-12-31T23:59:59.999999Z",
		"0000-01-01T00:00:00Z":             "0000-01-01T00:00:00Z",
		"9999-12-31T23:59:59.999999Z":      "9999-12-31T23:59:59.999999Z",
		"9999-12-31T23:59:59.999999+00:01": "9999-12-31T23:58:59.999999Z",
	} {
		if got, err := event.ParseTime(in); err != nil || got.String() != want {
			t.Errorf("%s: %s, %v; want %s", in, got, err, want)
		}
	}
}

func TestParseTimeRefuses(t *testing.T) {
	const form, fine = "must be an RFC 3339 date-time such as 2026-01-15T10:30:00Z", "must not be finer than a microsecond"
	for in, want := range map[string]string{
		"":                                 form,
		"2026-01-15":                       form,
		"2026-01-15T10:30:00":              form,
		"2026-01-15 10:30:00Z":             form,
		"2026/01/15T10:30:00Z":             form,
		"2026-1-15T10:30:00Z":              form,
		"2026-01-15T1:30:00Z":              form,
		"20a6-01-15T10:30:00Z":             form,
		"2026-02-30T10:30:00Z":             form,
		"2023-02-29T10:30:00Z":             form,
		"2026-13-15T10:30:00Z":             form,
		"2026-01-15T24:00:00Z":             form,
		"2026-01-15T23:59:60Z":             form, // a leap second
		"2026-01-15T10:30:00,5Z":           form,
		"2026-01-15T10:30:00.Z":            form,
		"2026-01-15T10:30:00.5":            form,
		"2026-01-15T10:30:00Z ":            form,
		"2026-01-15T10:30:00ZZ":            form,
		"2026-01-15T10:30:00+0100":         form,
		"2026-01-15T10:30:00+01":           form,
		"2026-01-15T10:30:00+24:00":        form,
		"2026-01-15T10:30:00+23:60":        form,
		"2026-01-15T10:30:00+0a:00":        form,
		"2026-01-15T10:30:00*01:00":        form,
		"0000-01-01T00:00:00+00:01":        form, // the year -1 in UTC
		"9999-12-31T23:59:59.999999-00:01": form, // the year 10000 in UTC
		"2026-01-15T10:30:00.1234567Z":     fine,
		"2026-01-15T10:30:00.0000000Z":     fine,
	} {
		if got, err := event.ParseTime(in); err == nil || err.Error() != want {
			t.Errorf("%q: %s, %v; want %s", in, got, err, want)
		}
	}
}

func TestMicrosKeepEveryMoment(t *testing.T) {
	r := seeded(t)
	for range 20_000 {
		m := event.MinMicros + event.Micros(r.Int64N(int64(event.MaxMicros-event.MinMicros)+1))
		if got, err := event.ParseTime(m.String()); got != m || err != nil {
			t.Fatalf("%d is written %s, read as %d, %v", m, m, got, err)
		}
		if event.MicrosOf(m.Time()) != m || m.Time().Location() != time.UTC {
			t.Fatalf("%d as a time is %s", m, m.Time())
		}
	}
}

func FuzzParseTime(f *testing.F) {
	f.Add("2026-01-15T10:30:00.123+01:00")
	f.Add("0000-01-01T00:00:00z")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := event.ParseTime(s)
		if err != nil {
			return
		}
		if again, err := event.ParseTime(m.String()); again != m || err != nil {
			t.Fatalf("%q is %d, written %s, read as %d, %v", s, m, m, again, err)
		}
	})
}
