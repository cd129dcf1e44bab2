package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// gcPercent trades memory for processor time: a twelfth of what an event costs at full load is saved over Go's 100.
	gcPercent = 200
	// memoryLimit is where garbage is collected earlier again. What is in use stays far below it: two parts of entries that wait to
	// be sealed, caches, and requests, all of them bounded.
	memoryLimit = 896 << 20
	// restLook is how often a server looks whether it is idle, restBytes how little it allocates meanwhile if it is.
	restLook  = 5 * time.Second
	restBytes = 16 << 20
)

// tuneMemory sets what the environment (GOGC, GOMEMLIMIT) leaves open, and gives memory back to the system while nothing is
// going on, until the context ends.
func tuneMemory(ctx context.Context) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	go rest(ctx)
}

// rest gives free memory back once after each time of work. It ends with the context.
func rest(ctx context.Context) {
	tick := time.NewTicker(restLook)
	defer tick.Stop()
	before, released := allocated(), uint64(0)
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := allocated()
		if now-before < restBytes && now-released > 2*restBytes {
			debug.FreeOSMemory()
			released = now
		}
		before = now
	}
}

// allocated returns how many bytes the process has ever allocated.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
