package native

import (
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// weights reads a header field such as Accept or Accept-Encoding: its members, in lower case and without
// parameters, with how much they are wanted (RFC 9110 section 12.4.2). A member whose weight cannot be read is
// left out.
func weights(values []string) map[string]float64 {
	all := map[string]float64{}
	for _, v := range values {
		for member := range strings.SplitSeq(v, ",") {
			name, params, _ := strings.Cut(member, ";")
			weight := 1.0
			for param := range strings.SplitSeq(params, ";") {
				if q, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(param)), "q="); ok {
					var err error
					if weight, err = strconv.ParseFloat(q, 64); err != nil || !(weight >= 0 && weight <= 1) {
						weight = -1
					}
				}
			}
			if name = strings.ToLower(strings.TrimSpace(name)); name != "" && weight >= 0 {
				all[name] = weight
			}
		}
	}
	return all
}

// wantsLines tells whether a list is to be answered as NDJSON: the client names it and does not like JSON
// better.
func wantsLines(header http.Header) bool {
	w := weights(header.Values("Accept"))
	return w["application/x-ndjson"] > 0 && w["application/x-ndjson"] >= w["application/json"]
}

// takesGzip tells whether the client takes an answer that is compressed (RFC 9110 section 12.5.3).
func takesGzip(header http.Header) bool {
	w := weights(header.Values("Accept-Encoding"))
	for _, name := range [...]string{"gzip", "x-gzip", "*"} {
		if weight, named := w[name]; named {
			return weight > 0
		}
	}
	return false
}

// smallest is the size from which compressing is worth its while: below it all goes in one packet anyway.
const smallest = 1400

// zips are compressors for reuse: each holds most of a megabyte.
type zips struct{ pool sync.Pool }

func (z *zips) take(w io.Writer) *gzip.Writer {
	gz, ok := z.pool.Get().(*gzip.Writer)
	if !ok {
		// Answers are made while they are sent: a better level would make the client wait. The level is a valid one.
		gz, _ = gzip.NewWriterLevel(w, gzip.BestSpeed)
		return gz
	}
	gz.Reset(w)
	return gz
}

// answerBody is the body of an answer that may be large: compressed when the client takes that and the first
// piece is not small already. The header must be set before the first Write. Whoever breaks off must not
// close it, so that what was sent does not look complete.
type answerBody struct {
	w      http.ResponseWriter
	status int   // 0 for 200
	zips   *zips // nil when the client does not take it
	gz     *gzip.Writer
	sent   bool
}

// body returns the body of the answer to r.
func (h *Handler) body(w http.ResponseWriter, r *http.Request) *answerBody {
	w.Header().Add("Vary", "Accept-Encoding")
	b := &answerBody{w: w}
	if takesGzip(r.Header) {
		b.zips = &h.zips
	}
	return b
}

// Write sends a piece.
func (b *answerBody) Write(p []byte) (int, error) {
	if !b.sent && b.zips != nil && len(p) >= smallest {
		b.w.Header().Set("Content-Encoding", "gzip")
		b.gz = b.zips.take(b.w)
	}
	if !b.sent && b.status != 0 {
		b.w.WriteHeader(b.status)
	}
	b.sent = true
	if b.gz != nil {
		return b.gz.Write(p)
	}
	return b.w.Write(p)
}

// Close sends what is left.
func (b *answerBody) Close() error {
	if b.gz == nil {
		return nil
	}
	err := b.gz.Close()
	b.zips.pool.Put(b.gz)
	b.gz = nil
	return err
}
