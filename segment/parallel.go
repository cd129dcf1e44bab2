package segment

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"unsafe"
)

// parallel calls do for the numbers from one up to another, on at most the given number of goroutines, and returns when
// all have ended. It is called inside a view of the segments, which holds their bytes for all of them.
func parallel(segments []*Segment, from, to, workers int, do func(i int)) {
	if workers = min(workers, runtime.GOMAXPROCS(0), to-from); workers < 2 {
		for i := from; i < to; i++ {
			do(i)
		}
		return
	}
	var next atomic.Int64
	next.Store(int64(from))
	var failed atomic.Pointer[CorruptError]
	var done sync.WaitGroup
	for range workers {
		done.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					failed.Store(caught(segments, r))
				}
			}()
			// A fault is a panic of the goroutine that meets it; the view guards only its own.
			defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
			for failed.Load() == nil {
				i := int(next.Add(1) - 1)
				if i >= to {
					return
				}
				do(i)
			}
		})
	}
	done.Wait()
	if err := failed.Load(); err != nil {
		panic(err)
	}
}

// caught returns the damage that was met by the goroutine that panicked with r. Any other panic goes on.
func caught(segments []*Segment, r any) *CorruptError {
	if bad, ok := r.(*CorruptError); ok {
		return bad
	}
	if fault, ok := r.(interface{ Addr() uintptr }); ok {
		for _, s := range segments {
			if at := fault.Addr() - uintptr(unsafe.Pointer(unsafe.SliceData(s.data))); at < uintptr(len(s.data)) {
				return &CorruptError{File: s.name, Offset: int64(at), What: faultText}
			}
		}
	}
	panic(r)
}
