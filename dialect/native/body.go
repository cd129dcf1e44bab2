package native

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"

	"countersign/event"
	"countersign/problem"
)

// memory is what all requests that send events may hold at one time, in decompressed bytes. A request
// takes from it as its body is read and gives all back at its end, so that a slow sender holds only what
// it sent.
type memory struct{ free atomic.Int64 }

// memoryStep is how much is taken at a time: the counter is shared by all cores.
const memoryStep = 64 << 10

// eventOverhead is about what an event costs in memory beyond its text.
const eventOverhead = 512

func (m *memory) take(n int64) bool {
	if m.free.Add(-n) >= 0 {
		return true
	}
	m.free.Add(n)
	return false
}

// ingestBody reads the body of a request that sends events: decompressed, and bounded by the shared memory.
// The bytes on the wire are bounded here, the decompressed ones by event.Decoder. Its owner calls release
// once, when the events are out of its hands.
type ingestBody struct {
	src    io.Reader
	shared *memory
	held   int64 // taken from shared
	used   int64 // of held
	bytes  int64 // read so far
	length int64 // of the body as it is sent, -1 when that is not known
	// err is the first failure of Read. A decoder that meets it may report it as a broken event, and the
	// truth is the cut connection or the full memory.
	err error
}

func (h *Handler) newIngestBody(w http.ResponseWriter, r *http.Request) (*ingestBody, error) {
	if r.ContentLength > event.MaxRequestBytes {
		return nil, errBodyTooLarge()
	}
	b := &ingestBody{src: http.MaxBytesReader(w, r.Body, event.MaxRequestBytes), shared: &h.memory, length: r.ContentLength}
	switch coding := strings.ToLower(strings.Join(r.Header.Values("Content-Encoding"), ",")); coding {
	case "", "identity":
	case "gzip", "x-gzip": // RFC 9110 section 8.4.1.3: the two mean the same
		b.src = &lazyGzip{src: b.src}
	default:
		w.Header().Set("Accept-Encoding", "gzip") // RFC 9110 section 15.5.16
		return nil, &refusal{unsupportedMedia, fmt.Sprintf("content encoding %q is not known: send gzip or none", cut(coding))}
	}
	return b, nil
}

func (b *ingestBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.src.Read(p)
	b.bytes += int64(n)
	switch {
	case !b.charge(int64(n)):
		err = errMemory()
	case err != nil && err != io.EOF:
		err = bodyProblem(err)
	}
	if err != nil && err != io.EOF {
		b.err = err
		return 0, err
	}
	return n, err
}

// more returns how many events to make room for after the first n: as many again, or what is left of a body whose length
// is known. An event is half a kilobyte, and a slice that grows by doubling copies each of them twice.
func (b *ingestBody) more(n int) int {
	const first = 64
	if n < first {
		return first
	}
	left := int64(n)
	if b.length > b.bytes && b.bytes > 0 {
		left = left * (b.length - b.bytes) / b.bytes * 9 / 8
	}
	return int(min(max(left, first), event.MaxRequestEvents))
}

// charge accounts for n more bytes and tells whether the shared memory has them.
func (b *ingestBody) charge(n int64) bool {
	b.used += n
	if missing := b.used - b.held; missing > 0 {
		missing = (missing + memoryStep - 1) / memoryStep * memoryStep
		if !b.shared.take(missing) {
			return false
		}
		b.held += missing
	}
	return true
}

func (b *ingestBody) release() {
	b.shared.free.Add(b.held)
	b.held, b.used = 0, 0
}

// lazyGzip reads the gzip header at the first Read, so that all errors of a body come out of one place.
type lazyGzip struct {
	src io.Reader
	gz  *gzip.Reader
}

func (l *lazyGzip) Read(p []byte) (int, error) {
	if l.gz == nil {
		gz, err := gzip.NewReader(l.src)
		if err == io.EOF {
			// No bytes at all are no gzip stream, not an empty body.
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, &gzipError{err}
		}
		l.gz = gz
	}
	n, err := l.gz.Read(p)
	if err != nil && err != io.EOF {
		err = &gzipError{err}
	}
	return n, err
}

// gzipError marks what came out of the gzip reader. The connection's own errors pass through it and are
// still found inside.
type gzipError struct{ err error }

func (e *gzipError) Error() string { return "gzip: " + e.err.Error() }
func (e *gzipError) Unwrap() error { return e.err }

func errBodyTooLarge() error {
	return problem.New(problem.TooLarge, "the body is larger than %d bytes", event.MaxRequestBytes)
}

func errMemory() error {
	return &problem.Error{
		Kind: problem.Throttled, RetryAfter: retryThrottled,
		Detail: "the requests that are being received hold all the memory that is set aside for them",
	}
}

// bodyProblem says what a failed read of a body means for the caller.
func bodyProblem(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errBodyTooLarge()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &refusal{bodyTimeout, "the body came too slowly: nothing is recorded"}
	}
	p := problem.New(problem.Invalid, "the body ended before it was complete")
	if gz, ok := errors.AsType[*gzipError](err); ok && !errors.Is(err, io.ErrUnexpectedEOF) {
		p.Detail = "the body is no valid gzip stream"
		err = gz
	}
	p.Field, p.Cause = "body", err
	return p
}

// cut bounds and repairs what an answer repeats of a request.
func cut(s string) string {
	const most = 100
	if len(s) > most {
		s = s[:most]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
