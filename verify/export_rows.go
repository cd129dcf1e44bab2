package verify

import (
	"context"
	"io"
	"runtime"
	"sync"

	"countersign/bundle"
	"countersign/event"
	"countersign/merkle"
	"countersign/query"
)

// Rows are read by one goroutine, decoded and hashed by as many as there are cores, and judged by one in their order.

// batchBytes and batchRows are about how much goes to a worker at a time.
const (
	batchBytes = 256 << 10
	batchRows  = 512
)

// checkedRow is a row with what can be told of it alone.
type checkedRow struct {
	record uint64
	row    bundle.Row
	err    error // it is no row
	leaf   merkle.Hash
	found  bool // the query finds it
	order  int  // how the row before compares with it
}

// rowBatch is some rows that follow each other.
type rowBatch struct {
	bytes []byte
	ends  []int // of each row in bytes
	first uint64
	rows  []checkedRow
	done  chan struct{} // closed when rows are checked
}

// rows reads and checks all rows.
func (c *exportCheck) rows(ctx context.Context, x *bundle.ExportReader) error {
	workers := runtime.GOMAXPROCS(0)
	work := make(chan *rowBatch)
	inOrder := make(chan *rowBatch, 2*workers) // bounds what is in memory
	var wait sync.WaitGroup
	for range workers {
		w := rowWorker{decoder: x.Decoder(), match: query.Compile(query.And{c.head.Query, c.head.Scope}), compare: c.head.Sort.Compile()}
		wait.Go(func() {
			for b := range work {
				w.check(b)
				close(b.done)
			}
		})
	}
	judged := make(chan struct{})
	go func() { // waited for below
		defer close(judged)
		compare := c.head.Sort.Compile()
		for b := range inOrder {
			<-b.done
			if first := &b.rows[0]; c.last != nil && first.err == nil {
				first.order = compare(c.last, &first.row.Entry)
			}
			for i := range b.rows {
				c.row(&b.rows[i])
			}
		}
	}()
	err := feed(ctx, x, work, inOrder)
	close(work)
	close(inOrder)
	wait.Wait()
	<-judged
	return err
}

// feed reads the rows.
func feed(ctx context.Context, x *bundle.ExportReader, work, inOrder chan<- *rowBatch) error {
	for {
		if ctx.Err() != nil {
			return stopped(ctx)
		}
		b := &rowBatch{first: x.Record() + 1, done: make(chan struct{})}
		var err error
		for err == nil && len(b.ends) < batchRows && len(b.bytes) < batchBytes {
			if b.bytes, err = x.Row(b.bytes); err == nil {
				b.ends = append(b.ends, len(b.bytes))
			}
		}
		if len(b.ends) > 0 {
			inOrder <- b
			work <- b
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// rowWorker checks rows one by one.
type rowWorker struct {
	decoder *bundle.RowDecoder
	match   func(*event.Entry) bool
	compare func(a, b *event.Entry) int
}

func (w *rowWorker) check(b *rowBatch) {
	b.rows = make([]checkedRow, len(b.ends))
	var before *event.Entry
	start := 0
	for i, end := range b.ends {
		r := &b.rows[i]
		r.record = b.first + uint64(i)
		r.row, r.err = w.decoder.Decode(b.bytes[start:end])
		start = end
		if r.err != nil {
			continue
		}
		e := &r.row.Entry
		r.leaf = event.LeafHash(e.Leaf(event.Root(r.row.Seed, e)))
		r.found = e.Kind != event.KindEvent || w.match(e)
		r.order = -1
		if before != nil {
			r.order = w.compare(before, e)
		}
		before = e
	}
	b.bytes = nil
}
