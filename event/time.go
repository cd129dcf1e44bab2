package event

import (
	"errors"
	"time"
)

// Micros is a moment in microseconds since 1970-01-01T00:00:00Z, the only resolution events have. It
// covers the years 0000 to 9999, which is what RFC 3339 can write.
type Micros int64

// The first and last moment that RFC 3339 can write in UTC.
const (
	MinMicros Micros = -62167219200_000_000
	MaxMicros Micros = 253402300799_999_999
)

// MicrosOf returns the moment of t, cut to whole microseconds.
func MicrosOf(t time.Time) Micros { return Micros(t.UnixMicro()) }

// Time returns m as a time in UTC.
func (m Micros) Time() time.Time { return time.UnixMicro(int64(m)).UTC() }

// String renders m as RFC 3339 in UTC with Z, with a fraction only when there is one.
func (m Micros) String() string { return string(m.Append(nil)) }

// Append appends what String returns.
func (m Micros) Append(dst []byte) []byte {
	return m.Time().AppendFormat(dst, "2006-01-02T15:04:05.999999Z07:00")
}

// ParseTime reads an RFC 3339 date-time (section 5.6) with any offset. Fractions finer than a microsecond,
// leap seconds and dates outside the years 0000 to 9999 in UTC are refused: what cannot be kept exactly is
// not taken.
func ParseTime(s string) (Micros, error) {
	// time.Parse is laxer than RFC 3339: it takes a comma before the fraction, one-digit hours, and offsets
	// such as +24:00. The fixed places below close these.
	const shape = "0000-00-00T00:00:00"
	if len(s) < len(shape)+1 {
		return 0, errTimeForm
	}
	for i := range len(shape) {
		c := s[i]
		switch {
		case shape[i] == '0' && (c < '0' || c > '9'):
			return 0, errTimeForm
		case shape[i] == 'T' && c != 'T' && c != 't':
			return 0, errTimeForm
		case (shape[i] == '-' || shape[i] == ':') && c != shape[i]:
			return 0, errTimeForm
		}
	}
	rest := s[len(shape):]
	if rest[0] == '.' {
		n := 1
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		switch {
		case n == 1:
			return 0, errTimeForm
		case n > 7:
			return 0, errTimeFine
		}
		rest = rest[n:]
	}
	switch {
	case rest == "Z" || rest == "z":
	case len(rest) == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':' && rest[1:3] <= "23" && rest[4:] <= "59":
	default:
		return 0, errTimeForm
	}
	b := []byte(s)
	b[len("0000-00-00")] = 'T'
	if b[len(b)-1] == 'z' {
		b[len(b)-1] = 'Z'
	}
	t, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil {
		return 0, errTimeForm
	}
	m := MicrosOf(t)
	if m < MinMicros || m > MaxMicros {
		return 0, errTimeForm
	}
	return m, nil
}

var (
	errTimeForm = errors.New("must be an RFC 3339 date-time such as 2026-01-15T10:30:00Z")
	errTimeFine = errors.New("must not be finer than a microsecond")
)
