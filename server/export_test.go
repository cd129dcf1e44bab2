package server

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"countersign/event"
)

// SetPace makes the server as impatient as a test is.
func (s *Server) SetPace(grace, write, stop time.Duration) {
	s.pace.header, s.pace.grace, s.pace.write, s.pace.stop = grace, grace, write, stop
}

// SetChecks makes checks begin at once and run as fast as they can.
func (s *Server) SetChecks(every time.Duration) {
	s.firstCheck, s.checkPace, s.cfg.CheckEvery = every, 0, every
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

// Routes returns the routes of all dialects.
func (s *Server) Routes() []string {
	var all []string
	for _, d := range s.dialects {
		all = append(all, d.Routes()...)
	}
	return all
}

// DataOf is the server's data directory.
func DataOf(s *Server) string { return s.cfg.Data }

// Recorded waits until all that was done so far is in the trail.
func (s *Server) Recorded() {
	for a := s.audit; ; time.Sleep(time.Millisecond) {
		a.mu.Lock()
		left := len(a.once) + len(a.pending)
		for _, t := range a.tallies {
			left += int(t.count)
		}
		a.hurry = true
		a.mu.Unlock()
		a.signal()
		if left == 0 {
			return
		}
	}
}

// SetRecorder puts a trail of the test's under the auditor, before anything is served.
func (s *Server) SetRecorder(r recorder) { s.audit.trail = r }

// Auditor is an auditor over a trail of the test's.
type Auditor = auditor

// MaxTallies bounds what waits in an auditor.
const MaxTallies = maxTallies

// NewAuditor starts an auditor.
func NewAuditor(trail recorder) *Auditor {
	return newAuditor(trail, people{}, slog.New(slog.DiscardHandler))
}

// Note notes an occurrence of action by who, and rows that were read.
func (a *auditor) Note(action, who string, rows uint64) {
	a.note(tallyKey{action: action, who: who}, sighting{at: time.Now(), reads: &seen{rows: rows}}, func() event.Event {
		return serverEvent(action, event.OutcomeSuccess, who)
	})
}

// Refused notes that a caller's events could not be recorded.
func (a *auditor) Refused(err error) { a.refused(err) }

// EndWith sets what is recorded at the very end.
func (a *auditor) EndWith(action string) { a.endWith(serverEvent(action, event.OutcomeSuccess, "")) }

// Close records what is left.
func (a *auditor) Close() { a.close() }

// Limits are rates for texts.
type Limits = limits[string]

// NewLimits makes the limits of rates.
func NewLimits(rates Rates) *Limits { return newLimits[string](rates) }

// Take takes one request of the key.
func Take(l *Limits, key string, now time.Time) time.Duration { return l.take(key, now) }

// Buckets is how many keys are remembered.
func Buckets(l *Limits) int { return len(l.buckets) }

// MaxBuckets is how many may be.
const MaxBuckets = maxBuckets

// Origin is what an address is counted under.
func Origin(a netip.Addr) netip.Prefix { return origin(a) }

// Sessions knows which credentials are in use.
type Sessions = sessions

// Begin tells whether a call begins a session.
func (s *sessions) Begin(credential string, peer netip.Addr, now time.Time) bool {
	return s.begin(sessionKey{credential, peer}, now)
}

// Len is how many sessions are remembered, MaxSessions how many may be.
func (s *sessions) Len() int { return len(s.seen) }

// MaxSessions bounds the sessions that are remembered.
const MaxSessions = maxSessions
