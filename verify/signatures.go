package verify

import (
	"cmp"
	"runtime"
	"slices"
	"sync"

	"countersign/merkle"
)

// signatures checks signatures beside everything else: one takes longer than the entries of most batches.
type signatures struct {
	jobs chan signatureJob
	wait sync.WaitGroup

	mu  sync.Mutex // guards what follows
	bad []badSignature
	n   uint64 // how many were bad
}

type signatureJob struct {
	c     merkle.Checkpoint
	keys  merkle.Keys
	where string
}

type badSignature struct {
	size  uint64
	where string
	err   error
}

func newSignatures() *signatures {
	workers := runtime.GOMAXPROCS(0)
	s := &signatures{jobs: make(chan signatureJob, 4*workers)}
	for range workers {
		s.wait.Go(func() { // ends with jobs; done waits for it
			for j := range s.jobs {
				if err := j.c.Verify(j.keys); err != nil {
					s.note(badSignature{j.c.Size, j.where, err})
				}
			}
		})
	}
	return s
}

func (s *signatures) note(b badSignature) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n++; len(s.bad) < MaxFindings {
		s.bad = append(s.bad, b)
	}
}

// check has the signature of c checked; c.Note must not be changed afterwards.
func (s *signatures) check(c merkle.Checkpoint, keys merkle.Keys, where string) {
	s.jobs <- signatureJob{c, keys, where}
}

// stop waits for all checks.
func (s *signatures) stop() {
	close(s.jobs)
	s.wait.Wait()
}

// report adds what was found, in the order of the trail. It comes after stop.
func (s *signatures) report(r *Report) {
	slices.SortFunc(s.bad, func(a, b badSignature) int { return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.where, b.where)) })
	for _, b := range s.bad {
		r.find(WrongKey, b.where, "%v", b.err)
	}
	r.More += s.n - uint64(len(s.bad))
}
