package native

// The times of a stream.
const (
	Heartbeat = heartbeat
	LookTime  = lookTime
)

// Weights is weights.
func Weights(values ...string) map[string]float64 { return weights(values) }
