package server

import (
	"context"
	"path/filepath"

	"countersign/query"
	"countersign/report"
	"countersign/report/render"
)

// openReports opens the desk that makes reports, over a folder of the data directory.
func (s *Server) openReports(dir string) (err error) {
	maker := &report.Maker{Trail: s.Trail, People: s.Identity, Software: "Countersign " + s.cfg.Version, Renderings: []report.Rendering{
		{Name: "report.html", Title: "The report, for a browser", Render: render.HTML},
		{Name: "report.pdf", Title: "The report, on pages", Render: render.PDF},
	}}
	if s.reports, err = report.OpenDesk(filepath.Join(dir, reportsDirName), maker, s.log); err != nil {
		return err
	}
	s.scheduler, err = report.OpenScheduler(s.reports, s.Identity, s.log, nil)
	return err
}

// closeReports gives up what is being made.
func (s *Server) closeReports() {
	if s.scheduler != nil {
		s.scheduler.Close()
	}
	if s.reports != nil {
		s.reports.Close()
	}
}

// reportSent notes that a pack leaves, which is an export of the entries that it has. That a report is made is recorded
// by the report itself.
func (s *Server) reportSent(ctx context.Context, j report.Job) error {
	a, err := accessOf(ctx)
	if err != nil {
		return err
	}
	f, err := query.Parse(j.Made.Query)
	if err != nil {
		return err
	}
	a.read(query.Query{Filter: f}, seen{rows: j.Made.Rows, total: j.Made.Rows, counted: true, size: j.Made.TreeSize})
	return nil
}
