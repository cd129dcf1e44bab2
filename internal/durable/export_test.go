package durable

// WriteZeros is what Allocate does on a file system that cannot allocate.
func WriteZeros(f File, end int64) error { return f.(osFile).writeZeros(end) }
