package server_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/server"
)

// stream is a reader of server-sent events that wants no more than their ids.
type stream struct {
	resp  *http.Response
	lines *bufio.Scanner
}

func (r *running) stream(query, last string) *stream {
	r.t.Helper()
	req := r.request("GET", "/api/v1/events/stream?"+query, nil)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := r.plain.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	s := &stream{resp, bufio.NewScanner(resp.Body)}
	s.lines.Buffer(nil, 4<<20)
	if resp.StatusCode != 200 || !s.lines.Scan() || !strings.HasPrefix(s.lines.Text(), ": from seq ") {
		r.t.Fatalf("status %d, the stream begins with %q", resp.StatusCode, s.lines.Text())
	}
	return s
}

// next returns the next event's id and data, "" at the end of the stream.
func (s *stream) next() (id, data string) {
	for s.lines.Scan() {
		if v, ok := strings.CutPrefix(s.lines.Text(), "id: "); ok {
			id = v
		}
		if v, ok := strings.CutPrefix(s.lines.Text(), "data: "); ok {
			return id, v
		}
	}
	return "", ""
}

// A stream would never end by itself: a stop ends it at once, in good order, and who comes back to the next
// start goes on where they were.
func TestStreamsEndAtAStopAndGoOnAfterTheNextStart(t *testing.T) {
	cfg := config(t, io.Discard)
	client := &http.Client{Transport: &http.Transport{}}
	start := func() (*running, func() error) {
		stdout, stop := run(t, cfg)
		_, url, _ := strings.Cut(stdout.String(), "listening on ")
		return &running{t: t, url: strings.TrimSpace(url), client: client, plain: client}, stop
	}
	const q = "q=source:example/app"
	seen := map[string]int{}
	acked := 0
	last := "-1"
	for range 3 {
		r, stop := start()
		s := r.stream(q, last)
		idle := r.stream("", "")
		var reading sync.WaitGroup
		reading.Go(func() {
			for {
				id, data := s.next()
				if id == "" {
					return
				}
				last = id
				_, name, _ := strings.Cut(data, `"id":"`)
				name, _, _ = strings.Cut(name, `"`)
				seen[name]++
			}
		})
		for range 20 {
			resp, body := r.do(r.request("POST", "/api/v1/events", strings.NewReader(eventJSON(fmt.Sprint("s", acked)))))
			if resp.StatusCode != 201 {
				t.Fatal(body)
			}
			acked++
		}
		began := time.Now()
		if err := stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the stop took %v", took)
		}
		reading.Wait()
		for id := "x"; id != ""; id, _ = idle.next() {
		}
		for _, s := range []*stream{s, idle} {
			if err := s.lines.Err(); err != nil {
				t.Errorf("a stream broke off: %v", err)
			}
			s.resp.Body.Close()
		}
		client.CloseIdleConnections()
	}
	r, stop := start()
	s := r.stream(q, last)
	defer func() {
		s.resp.Body.Close()
		client.CloseIdleConnections()
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	for len(seen) < acked {
		id, data := s.next()
		if id == "" {
			t.Fatal("the stream ended")
		}
		_, name, _ := strings.Cut(data, `"id":"`)
		name, _, _ = strings.Cut(name, `"`)
		seen[name]++
	}
	for i := range acked {
		if seen[fmt.Sprint("s", i)] != 1 {
			t.Errorf("event s%d was seen %d times", i, seen[fmt.Sprint("s", i)])
		}
	}
}

// A connection that takes nothing is given up after a while, and its place in the trail is with the client.
func TestStreamThatIsNotReadIsCutOff(t *testing.T) {
	r := start(t, func(s *server.Server) { s.SetPace(patient, impatient, patient) })
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /api/v1/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", bootstrapToken)
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	large := strings.TrimSuffix(eventJSON("large"), "}") + `,"detail":"` + strings.Repeat("x", 900<<10) + `"}`
	for i := range 24 { // more than the sockets hold
		body := strings.Replace(large, `"large"`, fmt.Sprintf(`"large-%d"`, i), 1)
		if resp, answer := r.do(r.request("POST", "/api/v1/events", strings.NewReader(body))); resp.StatusCode != 201 {
			t.Fatal(answer)
		}
	}
	time.Sleep(3 * impatient)
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := io.Copy(io.Discard, conn)
	if err, ok := err.(net.Error); ok && err.Timeout() {
		t.Errorf("the stream is still open after %d bytes", n)
	}
	if n >= 24*900<<10 {
		t.Errorf("all %d bytes came", n)
	}
}

func TestStreamThatIsNotReadDoesNotHoldUpAStop(t *testing.T) {
	for _, name := range []string{"HTTP/1", "HTTP/2"} {
		t.Run(name, func(t *testing.T) {
			r := startWith(t, func(c *server.Config) { c.TLSSelfSigned = name == "HTTP/2" }, nil)
			r.plain.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: name == "HTTP/2"}
			defer r.plain.CloseIdleConnections()
			s := r.stream("", "")
			defer s.resp.Body.Close()
			large := strings.TrimSuffix(eventJSON("large"), "}") + `,"detail":"` + strings.Repeat("x", 900<<10) + `"}`
			for i := range 24 { // more than the sockets hold
				body := strings.Replace(large, `"large"`, fmt.Sprintf(`"large-%d"`, i), 1)
				resp, err := r.plain.Do(r.request("POST", "/api/v1/events", strings.NewReader(body)))
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
			}
			time.Sleep(200 * time.Millisecond) // it waits for the reader by now
			began := time.Now()
			r.stop()
			if err := r.wait(); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("the stop took %v", took)
			}
		})
	}
}

// Who follows the trail is shown the record of that too. It must not make another.
func TestFollowingTheTrailDoesNotFeedItself(t *testing.T) {
	r := start(t, nil)
	streams := []*stream{r.stream("after=-1", ""), r.stream("after=-1", "")}
	for _, s := range streams {
		defer s.resp.Body.Close()
	}
	time.Sleep(time.Second)
	before := r.server.Trail.Size()
	time.Sleep(2 * time.Second)
	if after := r.server.Trail.Size(); after > before {
		t.Errorf("%d entries became %d and nobody did anything", before, after)
	}
	if got := r.own("action:READ attributes.route:/api/v1/events/stream"); len(got) == 0 {
		t.Error("the streams are not recorded")
	}
}

// Over HTTP/2 a write deadline that passes ends the stream, unlike over HTTP/1: a heartbeat comes before it.
func TestStreamOverHTTP2OutlivesTheWriteDeadline(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes longer than the write deadline of 30 seconds")
	}
	t.Parallel()
	r := startWith(t, func(c *server.Config) { c.TLSSelfSigned = true }, nil)
	r.plain.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	s := r.stream("q=source:example/app", "")
	defer r.plain.CloseIdleConnections()
	defer s.resp.Body.Close()
	if s.resp.ProtoMajor != 2 {
		t.Fatal(s.resp.Proto)
	}
	time.Sleep(32 * time.Second)
	resp, err := r.plain.Do(r.request("POST", "/api/v1/events", strings.NewReader(eventJSON("late"))))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if id, data := s.next(); id == "" || !strings.Contains(data, `"late"`) {
		t.Errorf("the stream shows %q: %v", data, s.lines.Err())
	}
}
