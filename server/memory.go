package server

import (
	"os"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"time"
)

const (
	// recordingPercent trades memory for processor time while events come fast, which are recordingEvents a second or more: a
	// twelfth of what an event costs is saved over Go's 100. otherPercent is for all other work, reports above all.
	recordingPercent = 200
	recordingEvents  = 10_000
	otherPercent     = 50
	// restBytes is how little a server allocates in a second that does nothing, and restSeconds how long it does so before memory
	// is given back.
	restBytes   = 64 << 20
	restSeconds = 5
	// The limits are where garbage is collected earlier again. What is in use stays below them: two parts of entries that wait to
	// be sealed, caches, and requests, all of them bounded.
	recordingLimit = 896 << 20
	otherLimit     = 480 << 20
)

// tuneMemory sets what the environment (GOGC, GOMEMLIMIT) leaves open for the whole process, by what is going on, and gives
// memory back to the system after each time of work. It ends when the server stops.
func (s *Server) tuneMemory() {
	ownPercent, ownLimit := os.Getenv("GOGC") == "", os.Getenv("GOMEMLIMIT") == ""
	now := 0
	set := func(percent int, limit int64) {
		if percent == now {
			return
		}
		if now = percent; ownPercent {
			debug.SetGCPercent(percent)
		}
		if ownLimit {
			debug.SetMemoryLimit(limit)
		}
	}
	set(otherPercent, otherLimit)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	size, bytes, quiet := s.Trail.Size(), allocated(), 0
	for {
		select {
		case <-tick.C:
		case <-s.stopping.Done():
			return
		}
		sizeNow, bytesNow := s.Trail.Size(), allocated()
		if sizeNow-size >= recordingEvents {
			set(recordingPercent, recordingLimit)
		} else {
			set(otherPercent, otherLimit)
		}
		if bytesNow-bytes >= restBytes {
			quiet = 0
		} else if quiet++; quiet == restSeconds {
			debug.FreeOSMemory()
		}
		size, bytes = sizeNow, bytesNow
	}
}

// allocated returns how many bytes the process has ever allocated.
func allocated() uint64 {
	s := []runtimemetrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	runtimemetrics.Read(s)
	return s[0].Value.Uint64()
}
