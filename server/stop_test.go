package server_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"countersign/server"
)

func TestStopFinishesWhatIsUnderWay(t *testing.T) {
	r := start(t, nil)
	read, write := io.Pipe()
	answered := make(chan string, 1)
	began := make(chan struct{})
	go func() {
		resp, body := r.do(r.request("POST", "/api/v1/events", read))
		answered <- fmt.Sprint(resp.StatusCode, body)
	}()
	go func() {
		fmt.Fprintln(write, eventJSON("first"))
		close(began)
	}()
	<-began
	time.Sleep(100 * time.Millisecond) // the handler reads by now
	r.stop()
	for {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			break // the listener is closed
		}
		c.Close()
		time.Sleep(5 * time.Millisecond)
	}
	fmt.Fprintln(write, eventJSON("second"))
	write.Close()
	if got := <-answered; !strings.HasPrefix(got, `201{"accepted":2`) {
		t.Error(got)
	}
	if err := r.wait(); err != nil {
		t.Error(err)
	}
}

func TestStopGivesUpWhatNeverEnds(t *testing.T) {
	entered, left := make(chan struct{}), make(chan struct{})
	r := start(t, func(s *server.Server) {
		s.SetPace(patient, patient, impatient)
		s.SetHandler(func(w http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done()
			close(left)
		})
	})
	go func() {
		if resp, err := r.plain.Do(r.request("GET", "/api/v1/events", nil)); err == nil {
			resp.Body.Close()
		}
	}()
	<-entered
	r.stop()
	if err := r.wait(); err != nil {
		t.Error(err)
	}
	select {
	case <-left:
	default:
		t.Error("Serve returned before its handlers")
	}
}

func TestRequestAfterTheStopIsRefused(t *testing.T) {
	var s *server.Server
	r := start(t, func(opened *server.Server) { s = opened })
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	for path, shape := range map[string]string{"/api/v1/events": "urn:countersign:problem:unavailable", "/account/api/v1/user": `{"errors":[`, "/apicontroller/x": `{"error":{`} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 503 || !strings.Contains(w.Body.String(), shape) || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestWritersAndPollersTogether(t *testing.T) {
	const (
		writers = 64
		pollers = 8
		each    = 20
	)
	r := start(t, nil)
	var writing, polling sync.WaitGroup
	var done atomic.Bool
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				resp, body := r.do(r.request("POST", "/api/v1/events", strings.NewReader(eventJSON(fmt.Sprintf("w%d-%d", w, i)))))
				if resp.StatusCode != 201 {
					t.Errorf("%d %s", resp.StatusCode, body)
				}
			}
		})
	}
	for range pollers {
		polling.Go(func() {
			var last uint64
			for !done.Load() {
				n := r.total()
				if n < last {
					t.Errorf("the total went from %d to %d", last, n)
				}
				last = n
				resp, body := r.do(r.request("GET", "/account/api/v1/audit-log?limit=1000", nil))
				if resp.StatusCode != 200 {
					t.Errorf("%d %s", resp.StatusCode, body)
				}
			}
		})
	}
	writing.Wait()
	done.Store(true)
	polling.Wait()
	if n := r.total(); n != writers*each {
		t.Errorf("%d entries, want %d", n, writers*each)
	}
	_, export := r.do(r.request("GET", "/api/v1/events/export", nil))
	for w := range writers {
		for i := range each {
			if strings.Count(export, fmt.Sprintf(`"id":"w%d-%d"`, w, i)) != 1 {
				t.Errorf("event %d of writer %d is not there once", i, w)
			}
		}
	}
}
