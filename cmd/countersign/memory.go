package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// busyPercent trades memory for processor time while much is recorded or read: a twelfth of what an event costs is saved
	// over Go's 100. quietPercent is for when it would save nothing.
	busyPercent  = 200
	quietPercent = 50
	// busyBytes is how much a busy server allocates in a second; restSeconds is how long less, before memory is given back.
	busyBytes   = 64 << 20
	restSeconds = 5
	// memoryLimit is where garbage is collected earlier again. What is in use stays far below it: two parts of entries that wait to
	// be sealed, caches, and requests, all of them bounded.
	memoryLimit = 896 << 20
)

// tuneMemory sets what the environment (GOGC, GOMEMLIMIT) leaves open, by what is going on, until the context ends.
func tuneMemory(ctx context.Context) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	setPercent := debug.SetGCPercent
	if os.Getenv("GOGC") != "" {
		setPercent = func(int) int { return 0 }
	}
	go followLoad(ctx, setPercent)
}

// followLoad gives memory back to the system after each time of work. It ends with the context.
func followLoad(ctx context.Context, setPercent func(int) int) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	setPercent(busyPercent)
	before, quiet := allocated(), 0
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := allocated()
		if now-before >= busyBytes {
			if quiet >= restSeconds {
				setPercent(busyPercent)
			}
			quiet = 0
		} else if quiet++; quiet == restSeconds {
			setPercent(quietPercent)
			debug.FreeOSMemory()
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
