package server

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"countersign/event"
	"countersign/identity"
	"countersign/problem"
)

// access is what one request did, for the auditor. It belongs to the request's goroutine.
type access struct {
	request *http.Request
	dialect string
	peer    netip.Addr // of the connection: no forwarded header is believed
	caller  identity.Caller
	known   bool  // caller has signed in
	reads   *read // what is not recorded yet, nil for nothing
	asked   *read // the first that was read
	waited  bool  // for more to read
}

type accessKey struct{}

// newAccess puts an access on the request, and for the records of changes where it comes from.
func newAccess(r *http.Request, dialect string) (*access, *http.Request) {
	a := &access{dialect: dialect}
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		a.peer = peer.Addr().Unmap().WithZone("")
	}
	ctx := identity.WithClient(r.Context(), event.Client{IP: event.TextOrAbsent(a.from())})
	a.request = r.WithContext(context.WithValue(ctx, accessKey{}, a))
	return a, a.request
}

// accessOf returns the access of a caller who has signed in.
func accessOf(ctx context.Context) (*access, error) {
	a, ok := ctx.Value(accessKey{}).(*access)
	if !ok || !a.known {
		return nil, errors.New("the trail is read without a sign-in that could be recorded")
	}
	return a, nil
}

// from is the peer's address as text, "" when it is unknown.
func (a *access) from() string {
	if !a.peer.IsValid() {
		return ""
	}
	return a.peer.String()
}

// signIn is how every dialect finds out who calls: by a token, whose own header field is looked at first, or
// by the certificate of the TLS handshake. What is to be limited and recorded about that is so here.
func (s *Server) signIn(r *http.Request, own string) (identity.Caller, error) {
	a, ok := r.Context().Value(accessKey{}).(*access)
	if !ok {
		return identity.Caller{}, errors.New("a sign-in outside a request")
	}
	now := time.Now()
	cred := identity.CredentialIn(r, own)
	c, err := s.Identity.Authenticate(r.Context(), cred)
	if err != nil {
		return identity.Caller{}, s.refuseSignIn(a, cred, err, now)
	}
	session := sessionKey{c.CredentialID(), a.peer}
	fresh := s.sessions.begin(session, now)
	if fresh {
		// Only for sign-ins that are new here: others who share the address are not shut out by the one who guesses.
		if wait := s.guesses.left(origin(a.peer), now); wait > 0 {
			s.sessions.end(session)
			s.audit.signInFailed(a, cred, errTooManyGuesses, true)
			return identity.Caller{}, throttled("too many sign-ins from this address failed", wait)
		}
		s.audit.signedIn(a, c)
	}
	if wait := s.perToken.take(c.CredentialID(), now); wait > 0 {
		return identity.Caller{}, throttled("too many requests with this credential", wait)
	}
	a.caller, a.known = c, true
	return c, nil
}

var errTooManyGuesses = errors.New("too many sign-ins from this address failed")

// refuseSignIn records a failed sign-in. Beyond the limit for the address the answer no longer tells whether
// the credential was any good. A request without one is no attempt at guessing.
func (s *Server) refuseSignIn(a *access, cred identity.Credential, err error, now time.Time) error {
	if problem.KindOf(err) != problem.Unauthenticated {
		return err
	}
	if cred.Token != "" || len(cred.Certificate) > 0 {
		if wait := s.guesses.take(origin(a.peer), now); wait > 0 {
			s.audit.signInFailed(a, cred, err, true)
			return throttled("too many sign-ins from this address failed", wait)
		}
	}
	s.audit.signInFailed(a, cred, err, false)
	return err
}

func throttled(detail string, wait time.Duration) error {
	return &problem.Error{Kind: problem.Throttled, Detail: detail, RetryAfter: wait}
}

// sessionIdle is after what silence the next call of a credential from an address is a sign-in again.
const sessionIdle = 15 * time.Minute

// maxSessions bounds the memory of sessions.
const maxSessions = 1 << 16

type sessionKey struct {
	credential string // the id of a token or certificate
	peer       netip.Addr
}

// sessions knows which credentials are in use from where, so that a sign-in is recorded once and not with
// every request. Forgetting one too early records a sign-in too many, never one too few.
type sessions struct {
	mu   sync.Mutex // guards seen; held for a look-up, and rarely for a sweep
	seen map[sessionKey]time.Time
}

// begin notes a call and tells whether it is a sign-in.
func (s *sessions) begin(k sessionKey, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, known := s.seen[k]
	if s.seen == nil {
		s.seen = map[sessionKey]time.Time{}
	}
	if !known && len(s.seen) >= maxSessions {
		s.sweep(now)
	}
	s.seen[k] = now
	return !known || now.Sub(last) >= sessionIdle
}

// end forgets a session that was not to be.
func (s *sessions) end(k sessionKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seen, k)
}

// sweep makes room: of the idle ones, and where there are none, of half.
func (s *sessions) sweep(now time.Time) {
	for k, last := range s.seen {
		if now.Sub(last) >= sessionIdle {
			delete(s.seen, k)
		}
	}
	for k := range s.seen {
		if len(s.seen) < maxSessions/2 {
			return
		}
		delete(s.seen, k)
	}
}

// route is the pattern that answered, without the method.
func route(r *http.Request) string {
	if _, path, ok := strings.Cut(r.Pattern, " "); ok {
		return path
	}
	return r.Pattern
}
