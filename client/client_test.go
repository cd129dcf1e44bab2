package client_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"countersign/client"
	"countersign/event"
	"countersign/problem"
)

const token = "cs_example-token-0123456789abcdef"

func events(tb testing.TB, n int) []event.Event {
	tb.Helper()
	all := make([]event.Event, n)
	for i := range all {
		all[i] = event.Event{
			ID:         fmt.Sprintf("e%d", i),
			OccurredAt: event.Micros(i) * 1_000_000,
			Action:     "CREATE",
			Resource:   event.Resource{Type: "USER", Name: event.TextOf("a\r\nb \"c\"")},
			Source:     "example/app",
			Raw:        event.TextOf("{\"id\": 1}"),
		}
		all[i].Normalize("acc")
	}
	return all
}

// serve returns a client of a server that answers every request with f.
func serve(t *testing.T, f http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	c, err := client.New(client.Options{Server: s.URL + "/", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestEventsArriveAsTheyWereSent(t *testing.T) {
	const answer = `{"accepted":2,"duplicates":1,"first_seq":7,"last_seq":8,"checkpoint":"later"}`
	sent := events(t, 3)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/api/v1/events" || r.Header.Get("Authorization") != "Bearer "+token ||
			r.Header.Get("Content-Type") != "application/x-ndjson" || r.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("request %s %s %v", r.Method, r.URL, r.Header)
		}
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		d := event.NewDecoder(z, event.Lines)
		var got []event.Event
		for {
			e, err := d.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Error(err)
				return
			}
			got = append(got, e)
		}
		if diff := cmp.Diff(sent, got); diff != "" {
			t.Errorf("events (-sent +got):\n%s", diff)
		}
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, answer)
	})
	got, err := c.Append(t.Context(), sent)
	if err != nil {
		t.Fatal(err)
	}
	first, last := uint64(7), uint64(8)
	want := client.Receipt{Accepted: 2, Duplicates: 1, FirstSeq: &first, LastSeq: &last, Checkpoint: "later", JSON: json.RawMessage(answer)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("receipt (-want +got):\n%s", diff)
	}
}

func TestRefusalsBecomeProblems(t *testing.T) {
	const conflict = `{"type":"urn:countersign:problem:conflict","title":"Conflict","status":409,"detail":"other content","field":"id","event":0,"seq":41}`
	for _, c := range []struct {
		name        string
		status      int
		retry       string
		contentType string
		body        string
		want        problem.Error
	}{
		{"a conflict", 409, "", "application/problem+json", conflict,
			problem.Error{Kind: problem.Conflict, Detail: "other content", Field: "id", Event: 1, Seq: new(uint64(41))}},
		{"an invalid event", 400, "", "application/problem+json; charset=utf-8", `{"detail":"is required","field":"action","event":2}`,
			problem.Error{Kind: problem.Invalid, Detail: "is required", Field: "action", Event: 3}},
		{"only a title", 403, "", "application/problem+json", `{"title":"Not allowed"}`, problem.Error{Kind: problem.Denied, Detail: "Not allowed"}},
		{"no credentials", 401, "", "application/problem+json", `{}`, problem.Error{Kind: problem.Unauthenticated, Detail: "the server answers 401 Unauthorized"}},
		{"too many", 429, "7", "application/problem+json", `{"detail":"slow down"}`,
			problem.Error{Kind: problem.Throttled, Detail: "slow down", RetryAfter: 7 * time.Second}},
		{"a full disk", 503, "", "application/problem+json", `{"detail":"the disk is full"}`, problem.Error{Kind: problem.Unavailable, Detail: "the disk is full"}},
		{"a proxy's page", 502, "", "text/html", `<h1>Bad Gateway</h1>`, problem.Error{Kind: problem.Unavailable, Detail: "the server answers 502 Bad Gateway"}},
		{"a body that is not what it says", 413, "", "application/problem+json", `{"detail":`, problem.Error{Kind: problem.TooLarge, Detail: "the server answers 413 Request Entity Too Large"}},
		{"an internal error", 500, "", "application/problem+json", `{"detail":"see the log"}`,
			problem.Error{Kind: problem.Internal, Detail: "the server answers 500 Internal Server Error: see the log"}},
		{"a redirect", 307, "", "", ``, problem.Error{Kind: problem.Internal, Detail: "the server answers 307 Temporary Redirect"}},
		{"another success", 200, "", "application/json", `{"accepted":1,"duplicates":0}`, problem.Error{Kind: problem.Internal, Detail: "the server answers 200 OK"}},
		{"an event that cannot be", 400, "", "application/problem+json", `{"detail":"x","event":-5}`, problem.Error{Kind: problem.Invalid, Detail: "x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/api/v1/events" {
					t.Errorf("a redirect to %s was followed", r.URL)
				}
				w.Header().Set("Content-Type", c.contentType)
				w.Header().Set("Location", "/elsewhere")
				if c.retry != "" {
					w.Header().Set("Retry-After", c.retry)
				}
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			})
			_, err := cl.Append(t.Context(), events(t, 1))
			got, ok := errors.AsType[*problem.Error](err)
			if !ok {
				t.Fatalf("error %T: %v", err, err)
			}
			if diff := cmp.Diff(c.want, *got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if strings.Contains(err.Error(), token) {
				t.Errorf("the token stands in the error: %v", err)
			}
		})
	}
}

func TestRetryAfterMayBeADate(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	_, err := c.Append(t.Context(), events(t, 1))
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.RetryAfter < 59*time.Minute || p.RetryAfter > time.Hour {
		t.Errorf("error %#v", err)
	}
}

func TestAReceiptMustAddUp(t *testing.T) {
	for _, body := range []string{`{"accepted":1,"duplicates":0}`, `{"accepted":3,"duplicates":-1}`, `{}`, `[]`, `{"accepted":`, ``} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, body)
		})
		if got, err := c.Append(t.Context(), events(t, 2)); err == nil || problem.KindOf(err) != problem.Internal {
			t.Errorf("%q: receipt %+v, error %v", body, got, err)
		}
	}
}

func TestAServerThatDoesNotAnswerIsUnavailable(t *testing.T) {
	t.Run("nobody listens", func(t *testing.T) {
		s := httptest.NewServer(nil)
		c, err := client.New(client.Options{Server: s.URL, Token: token})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		if _, err := c.Append(t.Context(), events(t, 1)); problem.KindOf(err) != problem.Unavailable {
			t.Errorf("error %v", err)
		}
	})
	t.Run("the connection breaks", func(t *testing.T) {
		c := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		if _, err := c.Append(t.Context(), events(t, 1)); problem.KindOf(err) != problem.Unavailable {
			t.Errorf("error %v", err)
		}
	})
	t.Run("the answer takes too long", func(t *testing.T) {
		done := make(chan struct{})
		s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }))
		defer s.Close()
		defer close(done)
		c, err := client.New(client.Options{Server: s.URL, Token: token, Timeout: 20 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Append(t.Context(), events(t, 1)); problem.KindOf(err) != problem.Unavailable {
			t.Errorf("error %v", err)
		}
	})
	t.Run("the caller gave up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		c := serve(t, func(http.ResponseWriter, *http.Request) {
			cancel()
			<-done // an answer could be faster than the client's leaving
		})
		t.Cleanup(func() { close(done) }) // before the server's own clean-up, which waits for the handler
		if _, err := c.Append(ctx, events(t, 1)); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

func TestOnlyATrustedServerGetsTheToken(t *testing.T) {
	asked := 0
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusCreated)
		io.WriteString(w, `{"accepted":1,"duplicates":0}`)
	}))
	defer s.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})

	c, err := client.New(client.Options{Server: s.URL, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Append(t.Context(), events(t, 1)); err == nil || problem.KindOf(err) == problem.Unavailable || asked != 0 {
		t.Errorf("error %v, asked %d times", err, asked)
	}
	c, err = client.New(client.Options{Server: s.URL, Token: token, CA: ca})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Append(t.Context(), events(t, 1)); err != nil {
		t.Error(err)
	}
	// Speaking TLS to a server without it, and the other way round, does not pass with time.
	plain := httptest.NewServer(nil)
	defer plain.Close()
	c, err = client.New(client.Options{Server: strings.Replace(plain.URL, "http:", "https:", 1), Token: token})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Append(t.Context(), events(t, 1)); err == nil || problem.KindOf(err) == problem.Unavailable {
		t.Errorf("TLS to a plain server: error %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, c := range []struct {
		o    client.Options
		want string
	}{
		{client.Options{Server: "audit.example.com", Token: token}, `server: "audit.example.com" is no URL such as https://audit.example.com`},
		{client.Options{Server: "ftp://audit.example.com", Token: token}, `server: "ftp://audit.example.com" is no URL such as https://audit.example.com`},
		{client.Options{Server: "https://u:p@audit.example.com", Token: token}, "server: the URL must have no user, query or fragment"},
		{client.Options{Server: "https://audit.example.com"}, "token: is missing"},
		{client.Options{Server: "https://audit.example.com", Token: "two words"}, "token: must be printable ASCII without blanks"},
		{client.Options{Server: "https://audit.example.com", Token: token, CA: []byte("x")}, "ca: holds no PEM certificate"},
	} {
		if _, err := client.New(c.o); err == nil || err.Error() != c.want {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}
