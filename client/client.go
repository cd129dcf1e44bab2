// Package client is for programs that send events to a server over its native API, and for those that read
// the trail.
//
// Terms. An event is what happened; once recorded it is an entry and has a seq, its place in the trail. A
// Writer collects events and sends them in batches; Append sends one request. Pages reads what a search
// finds, Stream what is being recorded, Export everything.
//
// Promises. Writer: every event that it takes is told of exactly once, as recorded or as failed; ids are fixed
// before the first try, so that however often a request is repeated nothing is recorded twice. Stream and
// Export: after a break they go on at the next entry; nothing is missing and nothing comes twice. What ended
// early never looks like what is complete.
//
// A failure that the server tells of is a *problem.Error with the kind, the field and the event that the
// server named, so that the sender can leave out one event or wait and go on. What never reached the server,
// or whose answer never came back, is of kind Unavailable: it may have been recorded, and may be sent again,
// since the server records an event with the same id once.
//
// Trust. The token is sent to the configured server only: redirects are not followed. It stands in no error.
// The server's answer is read up to a limit and believed only as far as it adds up.
package client

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"countersign/event"
	"countersign/problem"
)

// Options says which server to talk to, and as whom.
type Options struct {
	// Server is the base URL, such as https://audit.example.com:8443.
	Server string
	// Token is an API token.
	Token string
	// CA holds PEM certificates to trust instead of those of the system; empty means the system's.
	CA []byte
	// Timeout bounds one request from its first byte to the last of its answer; 0 means two minutes. Exports
	// and streams may last; of them it bounds how long nothing arrives.
	Timeout time.Duration
}

const (
	defaultTimeout = 2 * time.Minute
	maxAnswerBytes = 16 << 20
	eventsPath     = "/api/v1/events"
)

// Client talks to one server. It may be used by many goroutines at once.
type Client struct {
	http  *http.Client
	long  *http.Client  // for answers without an end to wait for
	idle  time.Duration // how long nothing of a long answer may arrive
	base  string
	token string

	pageBytes int64 // of one page of a search
}

// New returns a client. It does not connect.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.Server)
	switch {
	case err != nil:
		return nil, fmt.Errorf("server: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("server: %q is no URL such as https://audit.example.com", o.Server)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("server: the URL must have no user, query or fragment")
	case o.Token == "":
		return nil, errors.New("token: is missing")
	case strings.ContainsFunc(o.Token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("token: must be printable ASCII without blanks")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if len(o.CA) > 0 {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(o.CA) {
			return nil, errors.New("ca: holds no PEM certificate")
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	timeout := o.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{
		http:  &http.Client{Transport: transport, Timeout: timeout, CheckRedirect: stay},
		long:  &http.Client{Transport: transport, CheckRedirect: stay},
		idle:  timeout,
		base:  strings.TrimRight(u.String(), "/"),
		token: o.Token,

		pageBytes: maxPageBytes,
	}, nil
}

// Close lets go of connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Append sends the events in one request. All of them are recorded, or none.
func (c *Client) Append(ctx context.Context, events []event.Event) (Receipt, error) {
	lines := make([][]byte, len(events))
	for i := range events {
		lines[i] = append(event.AppendJSON(nil, &events[i]), '\n')
	}
	body, err := compress(lines)
	if err != nil {
		return Receipt{}, err
	}
	return c.send(ctx, body, len(events), "")
}

// What of each event an answer tells.
const (
	toldPlaces = "?entries=true&proof=false"
	toldProofs = "?proof=true"
)

// send sends n events as gzipped NDJSON.
func (c *Client) send(ctx context.Context, body []byte, n int, told string) (Receipt, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+eventsPath+told, bytes.NewReader(body))
	if err != nil {
		return Receipt{}, fmt.Errorf("send events: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("Accept", "application/json")
	var receipt Receipt
	if err := c.do(req, http.StatusCreated, &receipt); err != nil {
		return Receipt{}, err
	}
	if err := receipt.check(n); err != nil {
		return Receipt{}, err
	}
	return receipt, nil
}

// compress returns the lines as one gzipped body.
func compress(lines [][]byte) ([]byte, error) {
	var body bytes.Buffer
	z, err := gzip.NewWriterLevel(&body, gzip.BestSpeed)
	if err != nil {
		return nil, fmt.Errorf("send events: %w", err)
	}
	for _, line := range lines {
		if _, err := z.Write(line); err != nil {
			return nil, fmt.Errorf("send events: compress: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("send events: compress: %w", err)
	}
	return body.Bytes(), nil
}

// do sends a request and decodes the answer into result, unless that is nil, when it has the wanted status.
func (c *Client) do(req *http.Request, want int, result any) error {
	return c.doUpTo(maxAnswerBytes, req, want, result)
}

// errLargeAnswer is an answer of more bytes than this client reads at one time.
var errLargeAnswer = errors.New("the server's answer is too large")

// doUpTo is do with a limit of the answer.
func (c *Client) doUpTo(limit int64, req *http.Request, want int, result any) error {
	resp, err := c.http.Do(req)
	if err != nil {
		return unreached(req.Context(), err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return unreached(req.Context(), err)
	case resp.StatusCode != want:
		return refusal(resp, body)
	case int64(len(body)) > limit:
		return fmt.Errorf("%w: more than %d bytes", errLargeAnswer, limit)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(body, result); err != nil {
		return fmt.Errorf("the server's answer is not understood: %w", err)
	}
	return nil
}

// unreached tells what may pass from what will not: nobody listening, a broken connection or a slow answer
// may; an unknown name, a certificate that is not trusted or a server without TLS will not.
func unreached(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if name, ok := errors.AsType[*net.DNSError](err); ok && name.IsNotFound {
		return err
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return err
	}
	return &problem.Error{Kind: problem.Unavailable, Detail: "the server did not answer", Cause: err}
}
