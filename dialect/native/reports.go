package native

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"

	"countersign/event"
	"countersign/identity"
	"countersign/report"
)

// Reports makes and keeps reports; *report.Desk is one.
type Reports interface {
	Start(r report.Request) (report.Job, error)
	Job(c identity.Caller, id string) (report.Job, error)
	Jobs(c identity.Caller, offset, limit int) ([]report.Job, int, error)
	Open(c identity.Caller, id string) (*os.File, report.Job, error)
	Remove(c identity.Caller, id string) error
}

// maxReportBytes holds the largest framework, however it is escaped.
const maxReportBytes = 2 * report.MaxFrameworkBytes

func (h *Handler) makeReports(d Reports, sent func(context.Context, report.Job) error) {
	h.handle("POST /api/v1/reports", func(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
		job, err := startReport(w, r, c, d)
		if err != nil {
			return err
		}
		w.Header().Set("Location", "/api/v1/reports/"+url.PathEscape(job.ID))
		writeJSON(w, "application/json", http.StatusCreated, job)
		return nil
	})
	h.handle("GET /api/v1/reports", index(func(_ context.Context, c identity.Caller, _ params, p identity.Page) ([]report.Job, int, error) {
		return d.Jobs(c, p.Offset, p.Limit)
	}))
	h.handle("GET /api/v1/reports/frameworks", frameworks)
	h.handle("GET /api/v1/reports/{id}", show(func(_ context.Context, c identity.Caller, id string, _ params) (report.Job, error) {
		if err := mayReport(c); err != nil {
			return report.Job{}, err
		}
		return d.Job(c, id)
	}))
	h.handle("DELETE /api/v1/reports/{id}", remove(func(_ context.Context, c identity.Caller, id string, _ params) error {
		if err := mayReport(c); err != nil {
			return err
		}
		return d.Remove(c, id)
	}))
	h.handle("GET /api/v1/reports/{id}/evidence.zip", func(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
		return sendPack(w, r, c, d, sent)
	})
}

// mayReport refuses who may have no report at all, whether or not there is one.
func mayReport(c identity.Caller) error {
	_, err := c.Restrict(identity.ExportTrail, nil)
	return err
}

// newReport is the body of an order.
type newReport struct {
	Framework     string   `json:"framework"`
	FrameworkFile string   `json:"framework_file"`
	From          string   `json:"from"`
	To            string   `json:"to"`
	Accounts      []string `json:"accounts"`
	Seed          string   `json:"seed"`
}

func startReport(w http.ResponseWriter, r *http.Request, c identity.Caller, d Reports) (report.Job, error) {
	if _, err := parseParams(r.URL.RawQuery); err != nil {
		return report.Job{}, err
	}
	if err := mayReport(c); err != nil {
		return report.Job{}, err
	}
	var n newReport
	if err := decodeBody(maxReportBytes, w, r, &n, mediaJSON); err != nil {
		return report.Job{}, err
	}
	f, err := report.FrameworkOf(n.Framework, n.FrameworkFile)
	if err != nil {
		return report.Job{}, err
	}
	return d.Start(report.Request{Framework: f, From: n.From, To: n.To, Accounts: n.Accounts, Seed: n.Seed, Caller: c, Client: clientOf(r)})
}

// clientOf is where a request comes from: no forwarded header is believed.
func clientOf(r *http.Request) event.Client {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return event.Client{}
	}
	return event.Client{IP: event.TextOf(peer.Addr().Unmap().WithZone("").String())}
}

// frameworkView is a framework that comes with the server.
type frameworkView struct {
	ID           string `json:"id"`
	Title        string `json:"title"`
	Version      string `json:"version"`
	Covers       string `json:"covers"`
	About        string `json:"about"`
	Requirements int    `json:"requirements"`
	SHA256       string `json:"sha256"`
}

func frameworks(w http.ResponseWriter, r *http.Request, c identity.Caller) error {
	if _, err := parseParams(r.URL.RawQuery); err != nil {
		return err
	}
	if err := mayReport(c); err != nil {
		return err
	}
	all, err := report.BuiltIn()
	if err != nil {
		return err
	}
	items := make([]frameworkView, len(all))
	for i, f := range all {
		items[i] = frameworkView{f.ID, f.Title, f.Version, f.Covers, f.About, len(f.Requirements), f.SHA256()}
	}
	writeJSON(w, "application/json", http.StatusOK, struct {
		Items []frameworkView `json:"items"`
	}{items})
	return nil
}

// sendPack answers with the evidence pack of a report.
func sendPack(w http.ResponseWriter, r *http.Request, c identity.Caller, d Reports, sent func(context.Context, report.Job) error) error {
	if _, err := parseParams(r.URL.RawQuery); err != nil {
		return err
	}
	if err := mayReport(c); err != nil {
		return err
	}
	f, job, err := d.Open(c, r.PathValue("id"))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && sent != nil {
		err = sent(r.Context(), job)
	}
	if err != nil {
		return err
	}
	name := fmt.Sprintf("evidence-%s-%s-%s.zip", job.Framework, job.From, job.To)
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	w.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10))
	w.Header().Set("ETag", `"`+job.Made.ManifestSHA256+`"`)
	if r.Method == http.MethodHead {
		return nil
	}
	if _, err := io.Copy(w, f); err != nil {
		// The status is sent. Only a connection that breaks off tells the reader that the rest is missing.
		panic(http.ErrAbortHandler)
	}
	return nil
}
