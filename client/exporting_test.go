package client_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"countersign/bundle"
	"countersign/client"
	"countersign/event"
	"countersign/problem"
)

// cutter lets an export break off after so many bytes of its body.
type cutter struct {
	next http.Handler
	at   int // -1 lets it through
	// clean ends the answer properly all the same, as a proxy may that has lost its server.
	clean bool
}

func (c *cutter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.at < 0 || !strings.HasSuffix(r.URL.Path, "/export") {
		c.next.ServeHTTP(w, r)
		return
	}
	r.Header.Del("Accept-Encoding")
	rec := httptest.NewRecorder()
	c.next.ServeHTTP(rec, r)
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(rec.Code)
	w.Write(rec.Body.Bytes()[:min(c.at, rec.Body.Len())])
	if !c.clean && c.at <= rec.Body.Len() {
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// TestAnExportCutAtAnyByteIsToldAndGoneOnWith cuts a small export after each of its bytes, and each time asks
// for the rest: what both wrote is what one unbroken export writes.
func TestAnExportCutAtAnyByteIsToldAndGoneOnWith(t *testing.T) {
	cut := &cutter{at: -1}
	tr := newTrail(t, func(next http.Handler) http.Handler { cut.next = next; return cut })
	c := tr.client(t)
	odd := one("odd")
	odd.Description = event.TextOf("=1+1,\r\n\"quoted\",\ncomplete,1,2")
	odd.Normalize("")
	fill(t, c, "example/app", 0, 1)
	if _, err := c.Append(t.Context(), []event.Event{odd}); err != nil {
		t.Fatal(err)
	}
	step := 1
	if testing.Short() {
		step = 7
	}
	for _, format := range []string{client.NDJSON, client.CSV} {
		o := client.ExportOptions{Query: client.Query{Text: "source:=example/app"}, Format: format}
		var whole bytes.Buffer
		cut.at = -1
		done, err := c.Export(t.Context(), o, &whole)
		if err != nil || !done.Complete || done.Rows < 2 || done.Bytes != int64(whole.Len()) {
			t.Fatalf("%s: %+v, %v", format, done, err)
		}
		fill(t, c, "example/app", 100, 1) // which is not part of what began before
		o.AsOf = &done.TreeSize
		for _, cut.clean = range []bool{false, true} {
			for at := 0; at < whole.Len(); at += step {
				cut.at = at
				var got bytes.Buffer
				p, err := c.Export(t.Context(), o, &got)
				if !errors.Is(err, client.ErrIncomplete) || p.Complete {
					t.Fatalf("%s cut at %d: %+v, %v", format, at, p, err)
				}
				if p.Bytes != int64(got.Len()) || !strings.HasPrefix(whole.String(), got.String()) {
					t.Fatalf("%s cut at %d: %+v for %q", format, at, p, got.String())
				}
				cut.at = -1
				rest := o
				rest.From = &p
				if p, err = c.Export(t.Context(), rest, &got); err != nil || p != done {
					t.Fatalf("%s cut at %d: went on to %+v, %v", format, at, p, err)
				}
				if got.String() != whole.String() {
					t.Fatalf("%s cut at %d and gone on with:\n%s\nwant\n%s", format, at, got.String(), whole.String())
				}
			}
		}
		// The last byte of all that may be missing is the end of the answer.
		cut.at, cut.clean = whole.Len(), false
		if p, err := c.Export(t.Context(), o, io.Discard); !errors.Is(err, client.ErrIncomplete) || p.Complete {
			t.Errorf("%s without the end of the answer: %+v, %v", format, p, err)
		}
		cut.at = -1
	}
}

func TestAnExportWithProofIsHandedOnWhole(t *testing.T) {
	cut := &cutter{at: -1}
	tr := newTrail(t, func(next http.Handler) http.Handler { cut.next = next; return cut })
	c := tr.client(t)
	fill(t, c, "example/app", 0, 100)
	for _, format := range []string{client.NDJSON, client.CSV} {
		o := client.ExportOptions{Query: client.Query{Text: "source:=example/app"}, Format: format, Proof: true}
		var got bytes.Buffer
		cut.at = -1
		p, err := c.Export(t.Context(), o, &got)
		if err != nil || !p.Complete || p.Rows != 100 || p.Bytes != int64(got.Len()) {
			t.Fatalf("%s: %+v, %v", format, p, err)
		}
		if _, proof, ok := bundle.ExportKind(got.Bytes()); !ok || !proof {
			t.Errorf("%s: it is no export with proof: %.200s", format, got.String())
		}
		cut.at = got.Len() - 100
		p, err = c.Export(t.Context(), o, io.Discard)
		if !errors.Is(err, client.ErrIncomplete) || p.Complete || p.Rows != 100 {
			t.Errorf("%s cut: %+v, %v", format, p, err)
		}
		cut.at, o.From = -1, &p
		if _, err := c.Export(t.Context(), o, io.Discard); err == nil || !strings.Contains(err.Error(), "without proof can be gone on with") {
			t.Errorf("%s: %v", format, err)
		}
	}
}

func TestAnExportMayBreakManyTimes(t *testing.T) {
	cut := &cutter{at: -1}
	tr := newTrail(t, func(next http.Handler) http.Handler { cut.next = next; return cut })
	c := tr.client(t)
	const n = 300
	fill(t, c, "example/app", 0, n)
	var whole, got bytes.Buffer
	o := client.ExportOptions{Query: client.Query{Text: "source:=example/app"}, Format: client.CSV}
	done, err := c.Export(t.Context(), o, &whole)
	if err != nil {
		t.Fatal(err)
	}
	advanced := int64(0)
	o.Advanced = func(p client.Progress) {
		if p.Bytes != int64(got.Len()) || p.Bytes <= advanced {
			t.Errorf("told of %+v at %d bytes after %d", p, got.Len(), advanced)
		}
		advanced = p.Bytes
	}
	cut.at = whole.Len() / 7
	for pieces := 1; ; pieces++ {
		p, err := c.Export(t.Context(), o, &got)
		if err == nil {
			if p != done || pieces < 6 || got.String() != whole.String() {
				t.Errorf("%+v after %d pieces, the same bytes: %v", p, pieces, got.String() == whole.String())
			}
			break
		}
		if !errors.Is(err, client.ErrIncomplete) || pieces > 20 {
			t.Fatalf("piece %d: %v", pieces, err)
		}
		o.From = &p
	}
	rows, err := csv.NewReader(&got).ReadAll()
	if err != nil || len(rows) != n+2 || rows[n+1][0] != "complete" || rows[n+1][1] != fmt.Sprint(n) {
		t.Errorf("%d records, %v", len(rows), err)
	}
}

func TestExportsThatDoNotAddUpAreRefused(t *testing.T) {
	const (
		rows = "{\"seq\":1}\n{\"seq\":2}\n"
		end  = "{\"complete\":true,\"count\":2,\"tree_size\":9}\n"
	)
	for _, c := range []struct {
		name, contentType, asOf, body string
		want                          string
	}{
		{"whole", "application/x-ndjson", "9", rows + end, ""},
		{"nothing", "application/x-ndjson", "9", "", "ended after 0 rows"},
		{"no end", "application/x-ndjson", "9", rows, "ended after 2 rows"},
		{"a row is missing", "application/x-ndjson", "9", rows[10:] + end, "counts 2 rows of a trail of 9, 1 of 9 were received"},
		{"a row too many", "application/x-ndjson", "9", rows + "{\"seq\":3}\n" + end, "counts 2 rows"},
		{"another tree", "application/x-ndjson", "8", rows + end, "counts 2 rows"},
		{"no tree", "application/x-ndjson", "", rows + end, `of a trail of ""`},
		{"more after the end", "application/x-ndjson", "9", rows + end + "\n", "sends more"},
		{"an end that is none", "application/x-ndjson", "9", rows + strings.Replace(end, "true", "false", 1), "the last record is"},
		{"an end without a count", "application/x-ndjson", "9", rows + "{\"complete\":true}\n", "the last record is"},
		{"rows without seq", "application/x-ndjson", "9", "{}\n" + end, "without seq"},
		{"rows that are no JSON", "application/x-ndjson", "9", "<html>\n" + end, "no JSON"},
		{"a proxy's page", "text/html", "9", rows + end, `sends "text/html"`},
		{"a row without an end", "application/x-ndjson", "9", strings.Repeat("x", 17<<20), "more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", c.contentType)
				w.Header().Set("X-Countersign-As-Of", c.asOf)
				io.WriteString(w, c.body)
			})
			var got bytes.Buffer
			p, err := cl.Export(t.Context(), client.ExportOptions{}, &got)
			if c.want == "" {
				if err != nil || !p.Complete || got.String() != c.body {
					t.Errorf("%+v, %v", p, err)
				}
				return
			}
			if err == nil || p.Complete || !strings.Contains(err.Error(), c.want) || strings.Contains(got.String(), "complete") {
				t.Errorf("%+v, error %v, want %q, written %q", p, err, c.want, got.String())
			}
		})
	}
}

func TestExportsAreRefusedBeforeAnythingIsWritten(t *testing.T) {
	tr := newTrail(t, nil)
	c := tr.client(t)
	for _, x := range []struct {
		name string
		o    client.ExportOptions
		want string
	}{
		{"a format", client.ExportOptions{Format: "xml"}, `format "xml" is not known`},
		{"a search text", client.ExportOptions{Query: client.Query{Text: "("}}, "at byte 1"},
		{"a sort that cannot be gone on with", client.ExportOptions{Query: client.Query{Sort: "id:asc"}, From: &client.Progress{}}, "without a sort"},
		{"a complete one", client.ExportOptions{From: &client.Progress{Complete: true}}, "only an incomplete"},
		{"a trail that is shorter", client.ExportOptions{From: &client.Progress{TreeSize: 1000}}, "as_of"},
	} {
		t.Run(x.name, func(t *testing.T) {
			var got bytes.Buffer
			if _, err := c.Export(t.Context(), x.o, &got); err == nil || !strings.Contains(err.Error(), x.want) || got.Len() > 0 {
				t.Errorf("error %v, want %q, written %q", err, x.want, got.String())
			}
		})
	}
	t.Run("columns that have changed", func(t *testing.T) {
		from := client.Progress{Bytes: 5, Columns: "seq,id", TreeSize: 1}
		var got bytes.Buffer
		if _, err := c.Export(t.Context(), client.ExportOptions{Format: client.CSV, From: &from}, &got); err == nil || !strings.Contains(err.Error(), "other columns") || got.Len() > 0 {
			t.Errorf("error %v, written %q", err, got.String())
		}
	})
	t.Run("a disk that is full", func(t *testing.T) {
		fill(t, c, "example/app", 0, 3)
		p, err := c.Export(t.Context(), client.ExportOptions{}, fullDisk{})
		if !errors.Is(err, errFull) || p.Rows != 0 || p.Bytes != 0 || problem.KindOf(err) == problem.Unavailable {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

var errFull = errors.New("no space left on device")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

// FuzzExport: whatever a server sends, what is written is what it sent up to a whole row, and it counts as
// complete only with the right record at its end.
func FuzzExport(f *testing.F) {
	f.Add([]byte("{\"seq\":1}\n{\"complete\":true,\"count\":1,\"tree_size\":9}\n"), false)
	f.Add([]byte("seq,id\r\n1,\"a\"\"\r\nb\"\r\ncomplete,1,9\r\n"), true)
	f.Fuzz(func(t *testing.T, body []byte, asCSV bool) {
		cl, err := client.New(client.Options{Server: "https://audit.example.com", Token: token})
		if err != nil {
			t.Fatal(err)
		}
		o := client.ExportOptions{Format: client.NDJSON}
		media := "application/x-ndjson"
		if asCSV {
			o.Format, media = client.CSV, "text/csv"
		}
		cl.SetTransport(roundTrip(func(*http.Request) (*http.Response, error) {
			resp := answered(200, "", "Content-Type", media, "X-Countersign-As-Of", "9")
			resp.Body = io.NopCloser(bytes.NewReader(body))
			return resp, nil
		}))
		var got bytes.Buffer
		p, err := cl.Export(t.Context(), o, &got)
		if p.Complete != (err == nil) || p.Bytes != int64(got.Len()) || !bytes.HasPrefix(body, got.Bytes()) {
			t.Errorf("%+v, %v, written %q", p, err, got.Bytes())
		}
		if err == nil && (got.Len() != len(body) || !bytes.Contains(body, []byte("complete"))) {
			t.Errorf("complete: %q of %q", got.Bytes(), body)
		}
	})
}
