package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"countersign/problem"
)

const (
	// streamSilence is four times what the server lets pass without a sign of life.
	streamSilence = time.Minute
	// maxLineBytes holds the largest entry, however it is escaped.
	maxLineBytes = 16 << 20
)

// streamBackoff is short at first: most breaks are a proxy's time limit or a restart.
var streamBackoff = backoff{first: 500 * time.Millisecond, longest: 30 * time.Second}

// StreamOptions says what to follow.
type StreamOptions struct {
	Text string // search text; empty follows everything
	// After is the seq of the last entry that is known already, -1 to begin with the first of the trail. nil
	// begins with what is recorded from now on.
	After *int64
	// Broken is told of each break before the wait that follows it. It may be nil.
	Broken func(cause error, wait time.Duration)
}

// Stream calls fn for each entry that matches, in the order of the trail and soon after it is recorded, until
// ctx ends or fn fails, and returns the cause. When the connection breaks it goes on with the entry after the
// last one that fn has seen. It returns when the first connection cannot be made, and when the server
// refuses a later one for a reason that does not pass: the token is no longer good, say.
func (c *Client) Stream(ctx context.Context, o StreamOptions, fn func(Entry) error) error {
	s := stream{c: c, text: o.Text, fn: fn}
	if o.After != nil {
		s.last = *o.After
	} else {
		// Asked for before the first connection, so that nothing is lost when that breaks at once.
		now, err := c.Search(ctx, Query{}, 0, 0)
		if err != nil {
			return err
		}
		s.last = int64(now.TreeSize) - 1
	}
	for n := 1; ; n++ {
		err := s.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case s.stopped || !s.connected || !passing(err):
			return err
		}
		if s.alive {
			n, s.alive = 1, false
		}
		wait := streamBackoff.wait(n, err)
		if o.Broken != nil {
			o.Broken(err, wait)
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// stream is where a Stream stands.
type stream struct {
	c         *Client
	text      string
	fn        func(Entry) error
	last      int64 // seq of the last entry that is done with
	connected bool  // once at least
	alive     bool  // something was received since the last break
	stopped   bool  // fn failed
}

// follow streams over one connection.
func (s *stream) follow(ctx context.Context) error {
	v := url.Values{"after": {strconv.FormatInt(s.last, 10)}}
	if s.text != "" {
		v.Set("q", s.text)
	}
	resp, err := s.c.open(ctx, eventsPath+"/stream", v, "text/event-stream", streamSilence)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	s.connected = true
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	var m message
	for {
		line, err := readLine(lines, maxLineBytes)
		if err == io.EOF {
			return problem.New(problem.Unavailable, "the server ended the stream")
		}
		if err != nil {
			return err
		}
		s.alive = true
		if len(line) > 0 {
			m.add(line)
			continue
		}
		if err := s.dispatch(&m); err != nil {
			return err
		}
		m = message{}
	}
}

// message is what stands between two empty lines of an event stream (the WHATWG HTML standard, section 9.2.6).
type message struct {
	kind string
	id   string
	data []byte
}

func (m *message) add(line []byte) {
	name, value, _ := bytes.Cut(line, []byte(":")) // a comment has the name ""
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "event":
		m.kind = string(value)
	case "id":
		m.id = string(value)
	case "data":
		if m.data != nil {
			m.data = append(m.data, '\n')
		}
		m.data = append(m.data, value...)
	}
}

// dispatch hands an entry to fn. What other kinds of message there may be one day is passed over.
func (s *stream) dispatch(m *message) error {
	if m.data == nil || m.kind != "" && m.kind != "message" {
		return nil
	}
	var e Entry
	if err := json.Unmarshal(m.data, &e); err != nil {
		return fmt.Errorf("the server's stream is not understood: %w", err)
	}
	if int64(e.Seq) <= s.last {
		return nil // known already
	}
	if err := s.fn(e); err != nil {
		s.stopped = true
		return err
	}
	s.last = int64(e.Seq)
	return nil
}

// readLine returns a line without its end, valid until the next call. A line that is not ended counts as not
// sent.
func readLine(r *bufio.Reader, most int) ([]byte, error) {
	var long []byte
	for {
		part, err := r.ReadSlice('\n')
		if err == nil && long == nil {
			return bytes.TrimRight(part, "\r\n"), nil
		}
		if long = append(long, part...); len(long) > most {
			return nil, fmt.Errorf("the server's stream has a line of more than %d bytes", most)
		}
		if err == nil {
			return bytes.TrimRight(long, "\r\n"), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
	}
}
