package event

// The limits of an event and of a request. Lengths are bytes.
const (
	MaxEventBytes    = 1 << 20 // an event as JSON, raw included
	MaxRequestBytes  = 64 << 20
	MaxRequestEvents = 100_000

	MaxIDBytes            = 512
	MaxScopeIDBytes       = 256 // account and division ids
	MaxAttributes         = 64
	MaxAttributeNameBytes = 256
	MaxCodeBytes          = 64 // action, resource type and source
)
