package bodies

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
)

// Read calls visit with the bodies of seqs, which ascend, from files, which follow each other. A body is good until
// visit returns. Blocks that are far apart are read at the same time, by GOMAXPROCS goroutines at most; visit is called
// from this one. An error of visit ends it. What cannot be read is left out, and named by an *UnreadableError at the
// end.
func Read(ctx context.Context, files []*File, seqs []uint64, visit func(seq uint64, body []byte) error) error {
	var jobs []job
	for len(seqs) > 0 {
		for len(files) > 0 && seqs[0] >= files[0].seq(files[0].head.count) {
			files = files[1:]
		}
		if len(files) == 0 || seqs[0] < files[0].head.first {
			return fmt.Errorf("read bodies: no file has that of seq %d", seqs[0])
		}
		j := job{file: files[0], block: files[0].blockOf(uint32(seqs[0] - files[0].head.first))}
		end, n := j.file.seq(j.block.row+j.block.bodies), 1
		for n < len(seqs) && seqs[n] < end {
			if seqs[n] <= seqs[n-1] {
				return fmt.Errorf("read bodies: seq %d after seq %d", seqs[n], seqs[n-1])
			}
			n++
		}
		if n < len(seqs) && seqs[n] <= seqs[n-1] {
			return fmt.Errorf("read bodies: seq %d after seq %d", seqs[n], seqs[n-1])
		}
		j.seqs, seqs = seqs[:n], seqs[n:]
		jobs = append(jobs, j)
	}
	return read(ctx, len(jobs), func(i int) job { return jobs[i] }, visit)
}

// Read is the function Read for one file.
func (f *File) Read(ctx context.Context, seqs []uint64, visit func(seq uint64, body []byte) error) error {
	return Read(ctx, []*File{f}, seqs, visit)
}

// Each is Read for all seqs from from up to but not including to.
func (f *File) Each(ctx context.Context, from, to uint64, visit func(seq uint64, body []byte) error) error {
	if first, end := f.Seqs(); from < first || to > end || from > to {
		return fmt.Errorf("read bodies: seqs %d to %d, the file has %d to %d", from, to, first, end)
	}
	if from == to {
		return nil
	}
	first := f.blockOf(uint32(from - f.head.first)).index
	last := f.blockOf(uint32(to - 1 - f.head.first)).index
	return read(ctx, last-first+1, func(i int) job {
		j := job{file: f, block: f.block(first + i)}
		for row := range j.block.bodies {
			if seq := f.seq(j.block.row + row); seq >= from && seq < to {
				j.seqs = append(j.seqs, seq)
			}
		}
		return j
	}, visit)
}

// job is the bodies that are wanted of a block.
type job struct {
	file  *File
	block placed
	seqs  []uint64
}

// result is what came of a job. The body of seq i ends in buf at ends[i].
type result struct {
	job  job
	buf  []byte
	ends []int
	err  error
}

// do reads the bodies of j.
func (r *result) do(j job) {
	r.job, r.buf, r.ends = j, r.buf[:0], r.ends[:0]
	d, err := decoders.get(j.file)
	if err != nil {
		r.err = err
		return
	}
	defer decoders.put(d)
	r.err = d.read(j, r)
}

// read reads the bodies of j into r.
func (d *decoder) read(j job, r *result) error {
	var err error
	if d.stored, err = j.file.stored(j.block, d.stored); err != nil {
		return err
	}
	corrupt := func(err error) error { return j.file.corrupt(j.block.at, "%v", err) }
	first := j.file.seq(j.block.row)
	var bl block
	if bl, d.text, err = parseBlock(d.stored, d.text, first, int(j.block.bodies), d); err != nil {
		return corrupt(err)
	}
	seqs := j.seqs
	for seq := first; len(seqs) > 0; seq++ {
		text, err := bl.next()
		if err != nil {
			return corrupt(err)
		}
		if seq != seqs[0] {
			if err := bl.unpacker.skip(text); err != nil {
				return corrupt(err)
			}
			continue
		}
		if r.buf, err = bl.unpacker.appendBody(r.buf, text); err != nil {
			return corrupt(err)
		}
		r.ends = append(r.ends, len(r.buf))
		seqs = seqs[1:]
	}
	return nil
}

// deliver visits what was read, and notes what was not.
func (r *result) deliver(visit func(seq uint64, body []byte) error, bad *UnreadableError) error {
	if errors.Is(r.err, fs.ErrClosed) {
		// That is a mistake of the caller, not of the disk.
		return r.err
	}
	if r.err != nil {
		bad.Seqs = append(bad.Seqs, r.job.seqs...)
		bad.Causes = append(bad.Causes, r.err)
		return nil
	}
	begin := 0
	for i, end := range r.ends {
		if err := visit(r.job.seqs[i], r.buf[begin:end:end]); err != nil {
			return err
		}
		begin = end
	}
	return nil
}

// read does n jobs and delivers their results in order.
func read(ctx context.Context, n int, jobAt func(i int) job, visit func(seq uint64, body []byte) error) error {
	var bad UnreadableError
	deliver := func(r *result) error { return r.deliver(visit, &bad) }
	var err error
	// What follows pays for more than a few blocks only.
	if workers := min(runtime.GOMAXPROCS(0), n/2); workers > 1 {
		err = readParallel(ctx, workers, n, jobAt, deliver)
	} else {
		err = readSerial(ctx, n, jobAt, deliver)
	}
	if err == nil && len(bad.Seqs) > 0 {
		err = &bad
	}
	return err
}

func readSerial(ctx context.Context, n int, jobAt func(i int) job, deliver func(*result) error) error {
	var r result
	for i := range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.do(jobAt(i))
		if err := deliver(&r); err != nil {
			return err
		}
	}
	return nil
}

// readParallel lets workers be a few jobs ahead of what is delivered, and returns when they have ended.
func readParallel(ctx context.Context, workers, n int, jobAt func(i int) job, deliver func(*result) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()

	ahead := 2 * workers
	// A worker takes a free result before it takes the next job, so the jobs under way are as many in a row, and no two
	// of them have one place in done.
	free := make(chan *result, ahead)
	done := make([]chan *result, ahead)
	for i := range done {
		free <- new(result)
		done[i] = make(chan *result, 1)
	}
	var mu sync.Mutex
	next := 0
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1
	}
	for range workers {
		running.Go(func() {
			for {
				var r *result
				select {
				case r = <-free:
				case <-ctx.Done():
					return
				}
				i := take()
				if i >= n {
					return
				}
				r.do(jobAt(i))
				done[i%ahead] <- r
			}
		})
	}
	for i := range n {
		select {
		case r := <-done[i%ahead]:
			if err := deliver(r); err != nil {
				return err
			}
			free <- r
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
