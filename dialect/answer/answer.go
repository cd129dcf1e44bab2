// Package answer is how the vendors' dialects answer: what is the same for each of them, whatever the shape.
// Package refusal is its other half.
//
// Terms. An answer is what a caller gets who asked for something that there is.
//
// Promises. An answer of any length takes the memory of one part. Nothing between the caller and us may keep
// an answer.
//
// It knows no vendor: members, their order and their words are the dialect's.
package answer

import (
	"io"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"countersign/identity"
)

// AsOfHeader tells at which tree size an answer was made.
const AsOfHeader = "X-Countersign-As-Of"

// SetAsOf sets it.
func SetAsOf(head http.Header, size uint64) { head.Set(AsOfHeader, strconv.FormatUint(size, 10)) }

// SetHeaders sets what every answer with a body has.
func SetHeaders(head http.Header, contentType string) {
	head.Set("Content-Type", contentType)
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
}

// Whole answers with a body that is there in one piece. The only failure is that the caller is gone.
func Whole(w http.ResponseWriter, status int, contentType string, body []byte) {
	SetHeaders(w.Header(), contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

// FlushBytes is when a part is handed on. Texts of events may be long: a page that was gathered whole could
// take a gigabyte, this way it takes one entry more than this.
const FlushBytes = 64 << 10

// Parts hands an answer on in parts. What is to be written is appended to B.
type Parts struct {
	W     io.Writer
	B     []byte
	Begun bool // something was sent
}

// Flush sends what there is when it is enough. The only failure is that the caller is gone.
func (p *Parts) Flush() error {
	if len(p.B) < FlushBytes {
		return nil
	}
	return p.Send()
}

// Send sends what there is.
func (p *Parts) Send() error {
	p.Begun = true
	_, err := p.W.Write(p.B)
	p.B = p.B[:0]
	return err
}

// Text appends a part of a JSON object that needs no escaping, and s as a JSON string. Events hold valid UTF-8
// only; in anything else the broken bytes become U+FFFD.
func Text(b []byte, member, s string) []byte {
	b, _ = jsontext.AppendQuote(append(b, member...), s)
	return b
}

// SignIn tells who calls, from the credential that identity.CredentialIn finds when the dialect's own header
// field is looked at first.
type SignIn func(r *http.Request, own string) (identity.Caller, error)

// OrOf returns the sign-in, or where there is none one that asks the directory.
func (s SignIn) OrOf(d *identity.Directory) SignIn {
	if s != nil {
		return s
	}
	return func(r *http.Request, own string) (identity.Caller, error) {
		return d.Authenticate(r.Context(), identity.CredentialIn(r, own))
	}
}

// Logger returns log, or where there is none one that discards.
func Logger(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
