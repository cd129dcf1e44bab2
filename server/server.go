// Package server puts the parts together: the data directory, who may call, the APIs, the listener, and
// the order in which all of it starts and stops. It is the only place that knows every part.
//
// Terms. A dialect is one API and owns a subtree of paths. An access is what one request did: who signed in, what
// was read. The auditor records accesses, and what the server itself does, in the trail.
//
// Promises. Nothing is answered before the trail is recovered, and nothing that was accepted is dropped by
// a stop: new requests are refused, those under way are finished within a bound, then the directory is
// closed. Every answer has a request id, and no answer, log line or error holds a secret. A client that
// sends or reads too slowly is cut off. A handler's panic costs its own request only. When Run and Close
// return, no goroutine of theirs is left. Every sign-in, refused call, read and export of the trail is recorded,
// or counted and the count recorded: dialects get the trail and the sign-in from here, in forms that note it.
// Recording holds up no read: it comes after the answer and waits for the disk in a goroutine of its own.
//
// It leaves what requests mean to the dialects, and durability to package store.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"countersign/dialect/digicertone"
	"countersign/dialect/discovery"
	"countersign/dialect/keyfactor"
	"countersign/dialect/native"
	"countersign/event"
	"countersign/identity"
	"countersign/report"
	"countersign/store"
	"countersign/web"
)

const (
	// DefaultListen is reachable from this machine only.
	DefaultListen = "127.0.0.1:8080"

	maxHeaderBytes = 64 << 10
)

// Config is what an operator sets. The zero value of everything but Data works.
type Config struct {
	Data   string // the data directory
	Listen string // host:port, DefaultListen when empty

	TLSCert, TLSKey string // PEM files
	TLSSelfSigned   bool   // make and keep a certificate in the data directory
	InsecureHTTP    bool   // allow plain HTTP on an address that others can reach

	// BootstrapToken becomes the administrator's token when there is no identity yet; empty means that one
	// is made and shown.
	BootstrapToken string

	// KeyfactorPath is where the Keyfactor Command compatible API lies; empty means its default.
	KeyfactorPath string

	// RateLimit bounds the requests of each token, SignInLimit the failed sign-ins from each address; there is
	// no bound when one is empty.
	RateLimit, SignInLimit Rates

	// Origin names the trail in its checkpoints. It is fixed at the first start, which makes one up when this is empty.
	Origin string
	// CheckpointFile gets every published checkpoint and is compared with the directory at each start; empty is none.
	CheckpointFile string
	// OpenEntries lets anybody read the tiles of entries.
	OpenEntries bool
	// CheckEvery is how often the directory is compared with its own checkpoints while it is served; 0 is never.
	CheckEvery time.Duration

	// TuneMemory sets how garbage is collected in the whole process, by the load; see memory.go.
	TuneMemory bool

	NoPreallocate bool
	Version       string       // of the program, for the record of its starts
	Logger        *slog.Logger // nil discards
}

// DefaultSignInLimit is what the command sets.
func DefaultSignInLimit() Rates { return Rates{{60, time.Minute}} }

// DefaultCheckEvery is what the command sets.
const DefaultCheckEvery = 24 * time.Hour

// Server is an open data directory and the APIs over it.
type Server struct {
	Trail    *store.Store
	Identity *identity.Directory

	cfg      Config
	log      *slog.Logger
	pace     pace
	dialects []mounted
	failed   <-chan struct{} // closed by a failed sync

	audit     *auditor
	reports   *report.Desk
	scheduler *report.Scheduler
	backups   *backups
	metrics   *metrics
	sessions  sessions
	perToken  *limits[string]       // by the id of the credential
	guesses   *limits[netip.Prefix] // failed sign-ins, by origin

	firstCheck time.Duration // after the start
	checkPace  int64         // bytes a second

	stopping   context.Context // ends the streams, which would never end by themselves, and the checks
	endStreams context.CancelFunc

	gate    sync.RWMutex // held for reading by each request under way
	stopped bool
}

// Run serves until ctx ends or the trail can no longer be written, and leaves everything closed. What the
// operator must see (the first token, the address) goes to stdout.
func Run(ctx context.Context, cfg Config, stdout io.Writer) error {
	s, err := Open(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(s.run(ctx, stdout), s.Close())
}

func (s *Server) run(ctx context.Context, stdout io.Writer) error {
	// The address first: a token that is shown by a start that then fails would be overlooked.
	l, err := s.Listen()
	if err != nil {
		return err
	}
	if err := s.bootstrap(ctx, stdout); err != nil {
		return errors.Join(err, l.Close())
	}
	return s.Serve(ctx, l, stdout)
}

// Open claims and recovers the data directory, making it when it is missing or empty.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Listen == "" {
		cfg.Listen = DefaultListen
	}
	if cfg.KeyfactorPath == "" {
		cfg.KeyfactorPath = keyfactor.DefaultPath
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		cfg: cfg, log: cfg.Logger, pace: defaultPace, metrics: newMetrics(), firstCheck: firstCheck, checkPace: checkBytesPerSecond,
		perToken: newLimits[string](cfg.RateLimit), guesses: newLimits[netip.Prefix](cfg.SignInLimit),
	}
	dir, err := store.Claim(cfg.Data)
	if err != nil {
		return nil, err
	}
	s.stopping, s.endStreams = context.WithCancel(context.Background())
	if err := s.open(ctx, dir); err != nil {
		return nil, errors.Join(err, dir.Release())
	}
	s.failed = s.Trail.Failed()
	s.mount()
	return s, nil
}

func (s *Server) open(ctx context.Context, dir *store.Dir) error {
	known, err := dir.HasLog()
	if err != nil {
		return err
	}
	s.Identity, err = identity.Open(ctx, filepath.Join(dir.Path(), store.ControlName), identity.Options{Logger: s.log, MustExist: known})
	if err != nil {
		return err
	}
	kept := s.cfg.CheckpointFile == ""
	if !kept {
		_, err := os.Stat(s.cfg.CheckpointFile)
		kept = err == nil
	}
	s.Trail, err = dir.Open(store.Options{
		DedupKey: s.Identity.DedupKey(), Logger: s.log, Observer: s.metrics, NoPreallocate: s.cfg.NoPreallocate,
		Origin: s.cfg.Origin, CheckpointFile: s.cfg.CheckpointFile,
	})
	if err != nil {
		return errors.Join(err, s.Identity.Close())
	}
	s.cfg.Origin = s.Trail.Origin()
	if _, published := s.Trail.Published(); published && !kept {
		s.log.Warn("the checkpoint file was not there: the directory is compared with its own checkpoints only", "file", s.cfg.CheckpointFile)
	}
	s.audit = newAuditor(s.Trail, people{s.Identity}, s.log)
	if err := s.Identity.StartRecording(ctx, s.recordChange, s.Trail.Ready); err != nil {
		return errors.Join(err, s.Close())
	}
	if err := s.openReports(dir.Path()); err != nil {
		return errors.Join(err, s.Close())
	}
	s.log.Info("the trail is open", "directory", dir.Path(), "entries", s.Trail.Size())
	return nil
}

// recordChange records what changed in the identity.
func (s *Server) recordChange(ctx context.Context, events []event.Event, recordedBy string) error {
	_, err := s.Trail.Append(ctx, events, recordedBy)
	if err != nil {
		s.audit.refused(err)
	}
	return err
}

// mount puts each dialect in its place. What no vendor's API owns is ours, unknown paths too.
func (s *Server) mount() {
	t := &trail{s.Trail, s.audit}
	s.backups = newBackups(s)
	own := native.New(native.Deps{
		Trail: t, Identity: s.Identity, Logger: s.log, SignIn: s.signIn, Stopping: s.stopping, Pages: web.Pages(s.cfg.KeyfactorPath),
		Metrics: s.metrics.handler(s.log), Ingested: s.metrics.ingested, OpenEntries: s.cfg.OpenEntries,
		Reports: s.reports, ReportSent: s.reportSent, Scheduled: s.scheduler, Backups: s.backups,
	})
	s.metrics.watch(s, own)
	command := keyfactor.New(keyfactor.Deps{Trail: t, Identity: s.Identity, Logger: s.log, SignIn: s.signIn, Path: s.cfg.KeyfactorPath})
	s.dialects = []mounted{
		{nameKeyfactor, command.Owns, command},
		{"digicert-one", under("/account/"), digicertone.New(digicertone.Deps{Trail: t, Identity: s.Identity, Logger: s.log, SignIn: s.signIn})},
		{"discovery", under("/apicontroller/"), discovery.New(discovery.Deps{Trail: t, Identity: s.Identity, Logger: s.log, SignIn: s.signIn})},
		{"native", under("/"), own},
	}
}

// bootstrap makes the administrator at the first start.
func (s *Server) bootstrap(ctx context.Context, stdout io.Writer) error {
	shown, created, err := s.Identity.Bootstrap(ctx, s.cfg.BootstrapToken)
	if err != nil && !created {
		return err
	}
	unrecorded := err // the token is shown all the same: it is good, and nobody else has it
	switch {
	case !created:
		return nil
	case shown == "":
		_, err = fmt.Fprintln(stdout, "made the administrator; its token is the one given in COUNTERSIGN_BOOTSTRAP_TOKEN")
	default:
		_, err = fmt.Fprintf(stdout, "made the administrator; this is its token, shown once and kept nowhere:\n\n    %s\n\n"+
			"Keep it in a safe place and send it as \"Authorization: Bearer TOKEN\", for example to make accounts, users and\n"+
			"further tokens under /api/v1 (docs/api.md).\n", shown)
	}
	if err != nil {
		return fmt.Errorf("show the administrator's token, which is now lost (empty the data directory and start again): %w", err)
	}
	return unrecorded
}

// Serve answers requests on l until ctx ends or the trail fails, and finishes those under way. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener, stdout io.Writer) error {
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	web := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: s.pace.header,
		IdleTimeout:       s.pace.idle,
		MaxHeaderBytes:    maxHeaderBytes,
		HTTP2:             &http.HTTP2Config{SendPingTimeout: s.pace.idle, WriteByteTimeout: s.pace.write},
		BaseContext:       func(net.Listener) context.Context { return requests },
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	if err := s.recordStart(requests); err != nil {
		return errors.Join(err, l.Close())
	}
	var background sync.WaitGroup // ends with s.stopping, waited for below
	background.Go(s.checks)
	if s.cfg.TuneMemory {
		background.Go(s.tuneMemory)
	}
	served := make(chan error, 1)
	go func() { served <- web.Serve(l) }() // ends with l, waited for below
	if _, err := fmt.Fprintf(stdout, "listening on %s\n", s.URL(l)); err != nil {
		s.log.Warn("the address could not be printed", "error", err)
	}
	var failed error
	select {
	case failed = <-served:
		served <- http.ErrServerClosed
	case <-s.failed:
		failed = errors.New("a sync of the log failed: what memory holds may not be on the disk, so the server stops; start it again to recover")
	case <-ctx.Done():
	}
	s.stop(web, cancel)
	<-served
	background.Wait()
	return failed
}

// URL returns the base URL of what is served on l.
func (s *Server) URL(l net.Listener) string {
	if s.cfg.TLSCert != "" || s.cfg.TLSSelfSigned {
		return "https://" + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}

// stop ends the streams, lets the other requests under way finish, and after a while gives them up: an export to
// a slow reader could take for ever. An event that was accepted is recorded either way, since the store waits for the
// disk and not for the request.
func (s *Server) stop(web *http.Server, cancel context.CancelFunc) {
	s.endStreams()
	patience, done := context.WithTimeout(context.Background(), s.pace.stop)
	defer done()
	if err := web.Shutdown(patience); err != nil {
		s.log.Warn("requests under way were given up", "error", err)
		cancel()
		web.Close()
	}
	s.gate.Lock()
	s.stopped = true
	s.gate.Unlock()
}

// Close records the last of what was done and closes the directory. Serve must have returned.
func (s *Server) Close() error {
	s.closeReports()
	err := s.Identity.Close()
	s.audit.close() // its STOP is the last entry
	return errors.Join(err, s.Trail.Close())
}
