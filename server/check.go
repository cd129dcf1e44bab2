package server

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/event"
	"countersign/identity"
	"countersign/merkle"
	"countersign/verify"
)

const (
	// firstCheck is when the directory is first checked whole after a start, which itself looks at less of it.
	firstCheck = time.Minute
	// checkBytesPerSecond is how fast a check reads: about 20,000 sealed entries a second, for which it takes a tenth of a core.
	checkBytesPerSecond = 2 << 20
)

// checks checks the directory again and again, until the server stops or nothing is recorded any more.
func (s *Server) checks() {
	if s.cfg.CheckEvery <= 0 {
		return
	}
	for wait := min(s.firstCheck, s.cfg.CheckEvery); s.Trail.ReadOnly() == nil; wait = s.cfg.CheckEvery {
		next := time.NewTimer(wait)
		select {
		case <-next.C:
		case <-s.stopping.Done():
			next.Stop()
			return
		}
		s.check(s.stopping)
	}
}

// check compares the directory with what the server has published of it. A finding ends the recording, so it must be
// there twice: a check under a running server may come upon what is just being written.
func (s *Server) check(ctx context.Context) {
	start := time.Now()
	size := s.Trail.Size()
	report, err := s.checkData(ctx)
	if err == nil && !report.OK() {
		report, err = s.checkData(ctx)
	}
	switch {
	case ctx.Err() != nil: // the server stops
	case err != nil:
		s.metrics.checks.WithLabelValues(checkFailed).Inc()
		s.log.Warn("the directory could not be checked", "error", err)
	case report.OK():
		s.metrics.checks.WithLabelValues(checkClean).Inc()
		s.log.Info("the directory is as it was signed", "entries", size, "duration", time.Since(start))
		e := serverEvent(actionVerify, event.OutcomeSuccess, "The directory was compared with its checkpoints")
		e.Resource = resource(typeLog, identity.OwnAccount, "Audit log")
		e.Attributes = []event.Attribute{{Name: "entries", Value: strconv.FormatUint(size, 10)}}
		s.audit.record(e)
	default:
		s.metrics.checks.WithLabelValues(checkFindings).Inc()
		s.distrust(report)
	}
}

// checkData checks the directory with the keys that it was opened with, and the newest checkpoint that it showed.
func (s *Server) checkData(ctx context.Context) (*verify.Report, error) {
	var lines []string
	for _, k := range s.Trail.Keys() {
		lines = append(lines, k.VKey)
	}
	keys, err := merkle.ParseKeys([]byte(strings.Join(lines, "\n")))
	if err != nil {
		return nil, err
	}
	o := verify.Options{Keys: keys, BytesPerSecond: s.checkPace, Bounded: true}
	if c, published := s.Trail.Published(); published {
		o.Kept = []merkle.Checkpoint{c}
	}
	return verify.Data(ctx, s.cfg.Data, o)
}

// distrust makes the trail read-only. What a finding says may hold values of events, so the log and the reason, which
// anybody may read, have its kind and place only.
func (s *Server) distrust(report *verify.Report) {
	var kinds []string
	for _, f := range report.Findings {
		where := f.Where
		if f.Seq != nil {
			where = fmt.Sprintf("%s entry %d", where, *f.Seq)
		}
		s.log.Error("the directory is not as it was signed", "kind", string(f.Kind), "where", strings.TrimSpace(where))
		if !slices.Contains(kinds, string(f.Kind)) {
			kinds = append(kinds, string(f.Kind))
		}
	}
	s.Trail.Distrust(fmt.Sprintf("a check of the directory found that it is not as it was signed (%s)", strings.Join(kinds, ", ")))
}
