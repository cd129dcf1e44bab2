package server

import (
	"log/slog"
	"net/http"
	"time"
)

// SetPace makes the server as impatient as a test is.
func (s *Server) SetPace(grace, write, stop time.Duration) {
	s.pace.header, s.pace.grace, s.pace.write, s.pace.stop = grace, grace, write, stop
}

// SetHandler puts h in place of the ServeHTTP of every API.
func (s *Server) SetHandler(h http.HandlerFunc) {
	for i := range s.dialects {
		s.dialects[i].dialect = faked{s.dialects[i].dialect, h}
	}
}

// SetFailed puts ch in place of the trail's notice of a failed sync.
func (s *Server) SetFailed(ch <-chan struct{}) { s.failed = ch }

type faked struct {
	dialect
	h http.HandlerFunc
}

func (f faked) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.h(w, r) }

// SelfSigned is a selfSigned with a clock.
type SelfSigned = selfSigned

// NewSelfSigned keeps its files in dir.
func NewSelfSigned(dir string, names []string, now func() time.Time) *SelfSigned {
	return &selfSigned{dir: dir, names: names, now: now, log: slog.New(slog.DiscardHandler)}
}

// Certificate returns the certificate to use now.
var Certificate = (*selfSigned).certificate
