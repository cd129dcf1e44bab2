package client_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"countersign/client"
	"countersign/problem"
)

func TestDownloadThatBreaksOffIsAnError(t *testing.T) {
	whole := strings.Repeat("0123456789", 10_000)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/whole":
			w.Header().Set("Content-Length", "100000")
			w.Write([]byte(whole))
		case "/cut":
			w.Header().Set("Content-Length", "100000")
			w.Write([]byte(whole[:5000]))
			panic(http.ErrAbortHandler)
		default:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			w.Write([]byte(`{"type":"urn:countersign:problem:not-found","title":"Not found","status":404,"detail":"no such report"}`))
		}
	}))
	defer s.Close()
	c, err := client.New(client.Options{Server: s.URL, Token: "token"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var got bytes.Buffer
	var told int64
	n, err := c.Download(t.Context(), "/whole", &got, func(done, total int64) {
		if told = done; total != 100_000 {
			t.Errorf("%d of %d", done, total)
		}
	})
	if err != nil || n != 100_000 || got.String() != whole || told != n {
		t.Errorf("%d bytes, told %d, %v", n, told, err)
	}
	if _, err := c.Download(t.Context(), "/cut", &bytes.Buffer{}, nil); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("cut: %v", err)
	}
	if _, err := c.Download(t.Context(), "/missing", &bytes.Buffer{}, nil); problem.KindOf(err) != problem.NotFound {
		t.Errorf("missing: %v", err)
	}
}
