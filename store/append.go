package store

import (
	"context"
	"time"

	"countersign/event"
	"countersign/merkle"
	"countersign/problem"
)

const (
	// queuedRequests bounds the requests that wait for the writer; each is already decoded, so this bounds
	// memory too. Beyond it Append waits for queueWait and then says Throttled.
	queuedRequests = 256
	queueWait      = 5 * time.Second

	// A batch takes waiting requests until it has this many entries or bytes; one request may be larger by
	// itself, up to maxRequestBytes. Together they stay below wal.MaxFrameBytes.
	batchEntries    = 16384
	batchBytes      = 16 << 20
	maxRequestBytes = 96 << 20
)

// Receipt says what became of one Append. FirstSeq and LastSeq are those of the entries it added and mean
// nothing when Accepted is 0. Entries has one element for each event, in order.
type Receipt struct {
	Accepted   int
	Duplicates int
	FirstSeq   uint64
	LastSeq    uint64
	Entries    []Recorded
	// Checkpoint is the signed checkpoint of a tree that holds all of Entries. It is the operator's word, durable
	// as they are; others see the published ones.
	Checkpoint merkle.Checkpoint
}

// Recorded is where one event stands in the trail. A Duplicate was there before: Seq is its first place.
type Recorded struct {
	ID        string
	Seq       uint64
	Duplicate bool
}

// request is one Append on its way through the writer.
type request struct {
	entries []*event.Entry
	keys    []dedupKey
	bytes   int // about what the entries take in a frame
	// sealedAt is how many entries were sealed when filed was looked up: the seqs of those of the events that lie in
	// files, by their index.
	sealedAt uint64
	filed    map[int]uint64
	// fact makes a system fact where it will stand; such a request has no entries.
	fact    func(*draft) (event.Entry, error)
	receipt Receipt
	err     error
	done    chan struct{}
}

// Append records events, all or none of them, and returns when they are durable. The caller has normalised
// and validated them and must not touch them afterwards. recordedBy is the authenticated sender.
//
// An event that is already recorded with the same content is a duplicate and not recorded again; one whose
// (account, source, id) is taken by other content refuses the whole call with a Conflict that names it, and
// the conflict itself is recorded. Throttled means that the writer is behind, Unavailable that nothing can
// be written now; in both cases nothing of the call is recorded.
//
// Once the events are queued Append waits for the disk whatever becomes of ctx: an answer that is given up
// early would leave the caller not knowing.
func (s *Store) Append(ctx context.Context, events []event.Event, recordedBy string) (Receipt, error) {
	if len(events) == 0 {
		return Receipt{}, nil
	}
	start := time.Now()
	receipt, err := s.append(ctx, events, recordedBy)
	s.observer.Appended(time.Since(start), err)
	return receipt, err
}

func (s *Store) append(ctx context.Context, events []event.Event, recordedBy string) (Receipt, error) {
	r := s.newRequest(events, recordedBy)
	// Here, and not by the writer, who would hold up everybody else.
	if err := s.again(r.lookUp); err != nil {
		return Receipt{}, err
	}
	return s.await(ctx, r)
}

// lookUp finds those of the events that are sealed already.
func (r *request) lookUp(snap *snapshot) error {
	r.sealedAt, r.filed = snap.sealed.size, map[int]uint64{}
	return snap.sealed.ids.FindAll(r.keys, func(i int, seq uint64) { r.filed[i] = seq })
}

// await has the writer record the request.
func (s *Store) await(ctx context.Context, r *request) (Receipt, error) {
	if r.bytes > maxRequestBytes {
		return Receipt{}, problem.New(problem.TooLarge, "the events take %d bytes together, the limit is %d", r.bytes, maxRequestBytes)
	}
	if err := s.submit(ctx, r); err != nil {
		return Receipt{}, err
	}
	<-r.done
	return r.receipt, r.err
}

func (s *Store) newRequest(events []event.Event, recordedBy string) *request {
	r := &request{
		entries: make([]*event.Entry, len(events)),
		keys:    make([]dedupKey, len(events)),
		done:    make(chan struct{}),
	}
	dedup := event.NewDeduper(s.dedup)
	block := make([]event.Entry, len(events))
	for i := range events {
		block[i].Event = events[i]
		block[i].RecordedBy = event.TextOrAbsent(recordedBy)
		r.entries[i] = &block[i]
		r.bytes += weight(&events[i])
		r.keys[i] = dedup.Key(events[i].Account.ID, events[i].Source, events[i].ID)
	}
	return r
}

// weight is about the bytes of an event in a frame, never less.
func weight(e *event.Event) int {
	const fixed = 160 // lengths, numbers and marks
	n := fixed + len(e.ID) + len(e.Account.ID) + len(e.Account.Name.Value) + len(e.Division.ID.Value) + len(e.Division.Name.Value) +
		len(e.Actor.ID.Value) + len(e.Actor.Name.Value) + len(e.Actor.Type) + len(e.Action) + len(e.Resource.Type) + len(e.Resource.ID.Value) +
		len(e.Resource.Name.Value) + len(e.Outcome) + len(e.Description.Value) + len(e.Detail.Value) + len(e.Client.IP.Value) +
		len(e.Client.Country.Value) + len(e.Source) + len(e.Raw.Value)
	for _, a := range e.Attributes {
		n += 16 + len(a.Name) + len(a.Value)
	}
	return n
}

// submit hands r to the writer. The gate is held for reading while it does, so that Close, which takes it
// for writing, knows that no request can slip in behind its back.
func (s *Store) submit(ctx context.Context, r *request) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return problem.New(problem.Unavailable, "the server is stopping")
	}
	select {
	case s.requests <- r:
		return nil
	default:
	}
	wait := time.NewTimer(queueWait)
	defer wait.Stop()
	select {
	case s.requests <- r:
		return nil
	case <-ctx.Done():
		return &problem.Error{Kind: problem.Unavailable, Detail: "the request ended before it could be recorded", Cause: ctx.Err()}
	case <-wait.C:
		return &problem.Error{Kind: problem.Throttled, Detail: "more events are waiting than can be written now", RetryAfter: queueWait}
	}
}

// stage puts the request's events into the draft, or refuses the request whole and leaves the draft as it
// was.
func (s *Store) stage(d *draft, r *request) (*conflict, error) {
	snap := s.snap.Load()
	if r.sealedAt != snap.sealed.size {
		if err := r.lookUp(snap); err != nil {
			return nil, damaged(err)
		}
	}
	mine := make(map[dedupKey]int) // key -> index of its first event in this request
	place := make([]int, len(r.entries))
	for i, e := range r.entries {
		k := r.keys[i]
		place[i] = -1
		if j, ok := mine[k]; ok {
			if !event.SameContent(&e.Event, &r.entries[j].Event) {
				return &conflict{index: i, within: j}, nil
			}
			place[i] = j
			continue
		}
		if seq, ok := r.recorded(i, d); ok {
			first, err := d.entry(seq, snap)
			if err != nil {
				return nil, damaged(err)
			}
			if !event.SameContent(&e.Event, &first.Event) {
				return &conflict{index: i, seq: &seq}, nil
			}
			continue
		}
		mine[k] = i
	}

	r.receipt = Receipt{Entries: make([]Recorded, len(r.entries))}
	for i, e := range r.entries {
		rec := &r.receipt.Entries[i]
		rec.ID = e.ID
		if j := place[i]; j >= 0 {
			rec.Seq, rec.Duplicate = r.receipt.Entries[j].Seq, true
		} else if seq, ok := r.recorded(i, d); ok {
			rec.Seq, rec.Duplicate = seq, true
		} else {
			d.add(e, r.keys[i], s.newSeed)
			rec.Seq = e.Seq
			if r.receipt.Accepted == 0 {
				r.receipt.FirstSeq = e.Seq
			}
			r.receipt.LastSeq = e.Seq
			r.receipt.Accepted++
		}
		if rec.Duplicate {
			r.receipt.Duplicates++
		}
	}
	return nil, nil
}

// recorded returns the seq under which event i is recorded or about to be.
func (r *request) recorded(i int, d *draft) (uint64, bool) {
	if seq, ok := r.filed[i]; ok {
		return seq, true
	}
	return d.find(r.keys[i])
}

// stageFact puts the system fact that the request asks for into the draft.
func (s *Store) stageFact(d *draft, r *request) error {
	e, err := r.fact(d)
	if err != nil {
		return err
	}
	d.addFact(&e, s.newSeed)
	r.receipt = Receipt{Accepted: 1, FirstSeq: e.Seq, LastSeq: e.Seq}
	return nil
}
