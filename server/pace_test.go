package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"countersign/server"
)

const (
	impatient = 300 * time.Millisecond
	patient   = 10 * time.Second
)

func impatience(s *server.Server) { s.SetPace(impatient, impatient, patient) }

func dial(t *testing.T, r *running) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patient))
	return c.(*net.TCPConn)
}

func head(length int, more string) string {
	return fmt.Sprintf("POST /api/v1/events HTTP/1.1\r\nHost: example.com\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/x-ndjson\r\nContent-Length: %d\r\n%s\r\n", bootstrapToken, length, more)
}

// dribble sends text a byte at a time until it is all sent or the other side has had enough.
func dribble(c net.Conn, text string) {
	for i := range len(text) {
		if _, err := c.Write([]byte{text[i]}); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestSlowBodyIsCutOffAndNothingIsRecorded(t *testing.T) {
	r := start(t, impatience)
	c := dial(t, r)
	body := strings.Repeat(eventJSON("slow")+"\n", 100)
	fmt.Fprint(c, head(len(body), ""))
	go dribble(c, body)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(b), "body-timeout") {
		t.Errorf("%d %s", resp.StatusCode, b)
	}
	if n := r.total(); n != 0 {
		t.Errorf("%d entries are recorded", n)
	}
}

func TestSlowHeaderIsCutOff(t *testing.T) {
	r := start(t, impatience)
	c := dial(t, r)
	go dribble(c, head(1, strings.Repeat("X-More: x\r\n", 1000)))
	started := time.Now()
	io.Copy(io.Discard, c) // until the server closes
	if waited := time.Since(started); waited > patient/2 {
		t.Errorf("cut off after %s", waited)
	}
}

func TestBodyThatIsRefusedUnreadHoldsNoConnection(t *testing.T) {
	r := start(t, func(s *server.Server) { s.SetPace(impatient, patient, patient) })
	c := dial(t, r)
	fmt.Fprint(c, strings.Replace(head(100_000, ""), "ndjson", "nothing", 1))
	go dribble(c, strings.Repeat("x", 100_000))
	started := time.Now()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("status %d", resp.StatusCode)
	}
	io.Copy(io.Discard, c)
	if waited := time.Since(started); waited > patient/2 {
		t.Errorf("cut off after %s", waited)
	}
}

func TestLongBodyEarnsItsTime(t *testing.T) {
	r := start(t, func(s *server.Server) { s.SetPace(2*time.Second, patient, patient) })
	// 64 KiB earn four seconds at 16 KiB a second; together with the grace the pause below is fine.
	read, write := io.Pipe()
	go func() {
		fmt.Fprintln(write, strings.Replace(eventJSON("large"), `"USER"`, `"USER","name":"`+strings.Repeat("x", 64<<10)+`"`, 1))
		time.Sleep(3 * time.Second)
		fmt.Fprintln(write, eventJSON("late"))
		write.Close()
	}()
	resp, body := r.do(r.request("POST", "/api/v1/events", read))
	if resp.StatusCode != 201 {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestConnectionThatClosesInTheBodyRecordsNothing(t *testing.T) {
	r := start(t, nil)
	whole := eventJSON("a") + "\n" + eventJSON("b") + "\n"
	for _, sent := range []string{"", eventJSON("a"), eventJSON("a") + "\n", whole[:len(whole)-1]} {
		c := dial(t, r)
		fmt.Fprint(c, head(len(whole), "")+sent)
		c.CloseWrite()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil && resp.StatusCode < 400 {
			t.Errorf("after %d of %d bytes: status %d", len(sent), len(whole), resp.StatusCode)
		}
		c.Close()
	}
	// Chunked: the last chunk never comes.
	c := dial(t, r)
	fmt.Fprintf(c, "%s%x\r\n%s\r\n", strings.Replace(head(0, ""), "Content-Length: 0", "Transfer-Encoding: chunked", 1), len(whole), whole)
	c.CloseWrite()
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil && resp.StatusCode < 400 {
		t.Errorf("chunked: status %d", resp.StatusCode)
	}
	if n := r.total(); n != 0 {
		t.Errorf("%d entries are recorded", n)
	}
}

func TestSlowReaderIsCutOff(t *testing.T) {
	ended := make(chan error, 1)
	r := start(t, func(s *server.Server) {
		impatience(s)
		s.SetHandler(func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					ended <- err
					return
				}
			}
		})
	})
	c := dial(t, r)
	fmt.Fprint(c, "GET /api/v1/events HTTP/1.1\r\nHost: example.com\r\n\r\n")
	select {
	case <-ended:
	case <-time.After(patient):
		t.Fatal("an answer that nobody reads goes on")
	}
}

func TestIdleDeadlineOfOneAnswerDoesNotBreakTheNext(t *testing.T) {
	r := start(t, impatience)
	c := dial(t, r)
	answers := bufio.NewReader(c)
	for range 2 {
		fmt.Fprint(c, head(len(eventJSON("a")), "Expect: 100-continue\r\n"))
		resp, err := http.ReadResponse(answers, nil)
		if err != nil || resp.StatusCode != 100 {
			t.Fatalf("no 100 Continue: %v", err)
		}
		fmt.Fprint(c, eventJSON("a"))
		resp, err = http.ReadResponse(answers, nil)
		if err != nil || resp.StatusCode != 201 {
			t.Fatalf("%v %v", resp, err)
		}
		io.Copy(io.Discard, resp.Body)
		time.Sleep(2 * impatient)
	}
}
