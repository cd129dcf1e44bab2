package native

import "countersign/event"

// AppendCSVText appends a present text as a field.
func AppendCSVText(dst []byte, s string, guard bool) []byte {
	r := csvRow{b: dst, guard: guard}
	r.text(event.TextOf(s))
	return r.b
}

// The times of a stream.
const (
	Heartbeat = heartbeat
	LookTime  = lookTime
)

// Weights is weights.
func Weights(values ...string) map[string]float64 { return weights(values) }
