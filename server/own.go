package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"countersign/event"
	"countersign/identity"
	"countersign/problem"
)

// ownSource is the source of what this package records.
const ownSource = identity.OwnAccount + "/server"

// The words of what this package records.
const (
	actionRead       = "READ"
	actionExport     = "EXPORT"
	actionVerify     = "VERIFY"
	actionDeny       = "DENY"
	actionLogin      = "LOGIN"
	actionLoginError = "LOGIN_ERROR"
	actionStart      = "START"
	actionStop       = "STOP"
	actionConfig     = "CONFIG_CHANGED"
	actionPaused     = "INGEST_PAUSED"
	actionResumed    = "INGEST_RESUMED"

	typeLog         = "AUDIT_LOG"
	typeServer      = "SERVER"
	typeDenied      = "AUTHORIZATION_FAILURE"
	typeToken       = "APIKEY"
	typeCertificate = "CLIENT_AUTH_CERT"

	attrCredential = "credential_id"
)

// nameKeyfactor is what the trail calls the API whose paths an operator chooses.
const nameKeyfactor = "keyfactor"

// actOf says what a request for a route does: hand out whole results to be kept is more than to read, and to
// have an entry checked is neither.
func actOf(dialect, route string) (action, description string) {
	switch {
	case route == "/api/v1/events/export", route == "/api/v1/reports/{id}/evidence.zip", dialect == nameKeyfactor && strings.HasSuffix(route, "/Download"):
		return actionExport, "Exported the audit log"
	case dialect == nameKeyfactor && strings.HasSuffix(route, "/Validate"):
		return actionVerify, "Verified an entry of the audit log"
	}
	return actionRead, "Read the audit log"
}

// maxQueryBytes bounds what is recorded of a question. A longer one keeps its hash.
const maxQueryBytes = 8 << 10

// serverEvent is something that the server does by itself.
func serverEvent(action, outcome, description string) event.Event {
	return event.Event{
		OccurredAt:  event.MicrosOf(time.Now()),
		Account:     event.Account{ID: identity.OwnAccount},
		Actor:       event.Actor{Type: event.ActorSystem},
		Action:      action,
		Resource:    resource(typeServer, identity.OwnAccount, identity.OwnAccount),
		Outcome:     outcome,
		Description: event.TextOf(description),
		Source:      ownSource,
	}
}

func resource(kind, id, name string) event.Resource {
	return event.Resource{Type: kind, ID: event.TextOf(id), Name: event.TextOf(name)}
}

// events are the two ends of a trouble, as told when it is over.
func (t *trouble) events(now time.Time) []event.Event {
	paused := serverEvent(actionPaused, event.OutcomeWarning, "Recording stopped: "+t.reason)
	paused.OccurredAt = event.MicrosOf(t.since)
	paused.Attributes = []event.Attribute{{Name: "reason", Value: t.reason}}
	resumed := serverEvent(actionResumed, event.OutcomeSuccess, "Recording goes on")
	resumed.OccurredAt = event.MicrosOf(now)
	resumed.Attributes = []event.Attribute{
		{Name: "paused_at", Value: event.MicrosOf(t.since).String()},
		{Name: "refused_requests", Value: strconv.FormatUint(t.refused, 10)},
	}
	for _, action := range slices.Sorted(maps.Keys(t.unrecorded)) {
		resumed.Outcome = event.OutcomeWarning
		resumed.Attributes = append(resumed.Attributes, event.Attribute{Name: "unrecorded." + action, Value: strconv.FormatUint(t.unrecorded[action], 10)})
	}
	paused.Normalize(identity.OwnAccount)
	resumed.Normalize(identity.OwnAccount)
	return []event.Event{paused, resumed}
}

// by is something that a caller does, who is c.
func (a *auditor) by(x *access, c identity.Caller, action string, on event.Resource, outcome, description string) event.Event {
	return event.Event{
		Account:     event.Account{ID: c.PrimaryAccount, Name: event.TextOrAbsent(a.who.accountName(c))},
		Actor:       event.Actor{ID: event.TextOf(c.UserID), Name: event.TextOf(c.Name), Type: string(c.UserType)},
		Action:      action,
		Resource:    on,
		Outcome:     outcome,
		Description: event.TextOf(description),
		Client:      event.Client{IP: event.TextOrAbsent(x.from())},
		Source:      ownSource,
		Attributes:  []event.Attribute{{Name: "dialect", Value: x.dialect}, {Name: attrCredential, Value: c.CredentialID()}},
	}
}

// signedIn records that a credential is used from an address for the first time in a while.
func (a *auditor) signedIn(x *access, c identity.Caller) {
	k := tallyKey{action: actionLogin, who: c.CredentialID(), from: x.from()}
	a.note(k, sighting{at: time.Now()}, func() event.Event {
		on := a.who.credential(c)
		return a.by(x, c, actionLogin, on, event.OutcomeSuccess, "Signed in with "+kindOf(c)+" "+on.Name.Value)
	})
}

// signInFailed records that nobody, or nobody who may, signed in. unchecked: it was refused without being
// looked at.
func (a *auditor) signInFailed(x *access, cred identity.Credential, err error, unchecked bool) {
	reason := signInReason(err)
	// The reason names the credential when that is known.
	k := tallyKey{action: actionLoginError, who: reason, from: x.from()}
	a.note(k, sighting{at: time.Now(), unchecked: unchecked}, func() event.Event {
		if known, ok := errors.AsType[*identity.Refusal](err); ok {
			c := known.Caller
			e := a.by(x, c, actionLoginError, a.who.credential(c), event.OutcomeFailure, "A sign-in failed: "+reason)
			e.Attributes = append(e.Attributes, event.Attribute{Name: "reason", Value: reason})
			return e
		}
		kind := typeToken
		if cred.Token == "" && cred.Certificate != nil {
			kind = typeCertificate
		}
		e := serverEvent(actionLoginError, event.OutcomeFailure, "A sign-in failed: "+reason)
		e.Actor = event.Actor{Type: event.ActorStandard} // somebody, who is not known
		e.Resource = resource(kind, "unknown", "unknown")
		e.Client.IP = event.TextOrAbsent(x.from())
		e.Attributes = []event.Attribute{{Name: "dialect", Value: x.dialect}, {Name: "reason", Value: reason}}
		return e
	})
}

// ended records what a request did, once it is answered with status or was broken off.
func (a *auditor) ended(x *access, r *http.Request, status int, aborted bool) {
	if !x.known {
		return
	}
	if status == http.StatusForbidden {
		a.denied(x, r)
	}
	if x.toRecord() {
		a.read(x, r, aborted || status >= http.StatusInternalServerError)
	}
}

func (a *auditor) denied(x *access, r *http.Request) {
	c, path := x.caller, route(r)
	k := tallyKey{action: actionDeny, who: c.CredentialID(), from: x.from(), what: r.Method + " " + path}
	a.note(k, sighting{at: time.Now()}, func() event.Event {
		call := r.Method + " " + path
		e := a.by(x, c, actionDeny, resource(typeDenied, call, call), event.OutcomeFailure, "A call was refused: the caller may not do this")
		e.Attributes = append(e.Attributes, event.Attribute{Name: "method", Value: r.Method}, event.Attribute{Name: "route", Value: path},
			event.Attribute{Name: "roles", Value: a.who.roles(c)})
		return e
	})
}

func (a *auditor) read(x *access, r *http.Request, failed bool) {
	c, path := x.caller, route(r)
	action, description := actOf(x.dialect, path)
	outcome := event.OutcomeSuccess
	if failed {
		outcome, description = event.OutcomeFailure, description+", and it broke off"
	}
	own := "left out"
	if x.reads.own {
		own = "as the caller may see them"
	}
	// The hash keeps a long question from being held twice.
	what := sha256.Sum256([]byte(strings.Join([]string{x.dialect, path, own, x.reads.sort, x.reads.field, x.reads.filter}, "\n")))
	k := tallyKey{action: action, who: c.CredentialID(), from: x.from(), what: string(what[:]), failed: failed}
	a.note(k, sighting{at: time.Now(), reads: &x.reads.seen}, func() event.Event {
		e := a.by(x, c, action, resource(typeLog, identity.OwnAccount, "Audit log"), outcome, description)
		e.Attributes = append(e.Attributes, event.Attribute{Name: "route", Value: path}, event.Attribute{Name: "sort", Value: x.reads.sort},
			event.Attribute{Name: "own_records", Value: own})
		if x.reads.field != "" {
			e.Attributes = append(e.Attributes, event.Attribute{Name: "field", Value: x.reads.field})
		}
		e.Attributes = append(e.Attributes, questionOf(x.reads.filter)...)
		return e
	})
}

// questionOf is a filter's text, whole or cut with the hash of the whole.
func questionOf(filter string) []event.Attribute {
	if len(filter) <= maxQueryBytes {
		return []event.Attribute{{Name: "query", Value: filter}}
	}
	sum := sha256.Sum256([]byte(filter))
	return []event.Attribute{
		{Name: "query", Value: strings.ToValidUTF8(filter[:maxQueryBytes], "")},
		{Name: "query_bytes", Value: strconv.Itoa(len(filter))},
		{Name: "query_sha256", Value: hex.EncodeToString(sum[:])},
	}
}

// signInReason is why a sign-in failed, without anything of the credential.
func signInReason(err error) string {
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Cause != nil {
		return p.Cause.Error()
	}
	return err.Error()
}

// people looks up what a caller is called by, for the records of what they do.
type people struct{ *identity.Directory }

// accountName is the name of the caller's primary account, "" when it is not known.
func (p people) accountName(c identity.Caller) string {
	u, err := p.User(context.Background(), c, identity.Me)
	if err != nil {
		return ""
	}
	for _, a := range u.Accounts {
		if a.ID == c.PrimaryAccount {
			return a.Name
		}
	}
	return ""
}

// credential is what the caller signed in with, by its name where it has one.
func (p people) credential(c identity.Caller) event.Resource {
	if c.CertificateID != "" {
		name := c.CertificateID
		if v, err := p.Certificate(context.Background(), c, c.CertificateID); err == nil {
			name = v.Name
		}
		return resource(typeCertificate, c.CertificateID, name)
	}
	name := c.TokenID
	if t, err := p.Token(context.Background(), c, c.TokenID); err == nil {
		name = t.Name
	}
	return resource(typeToken, c.TokenID, name)
}

// kindOf says what the caller signed in with.
func kindOf(c identity.Caller) string {
	if c.CertificateID != "" {
		return "the client certificate"
	}
	return "the API token"
}

// roles are what the caller's user holds, written as the command line does: ROLE@ACCOUNT/DIVISION,...
func (p people) roles(c identity.Caller) string {
	u, err := p.User(context.Background(), c, identity.Me)
	if err != nil {
		return ""
	}
	texts := make([]string, len(u.Grants))
	for i, g := range u.Grants {
		place := g.Account
		if g.Server {
			place = "*"
		}
		if len(g.Divisions) > 0 {
			place += "/" + strings.Join(g.Divisions, ",")
		}
		texts[i] = string(g.Role) + "@" + place
	}
	return strings.Join(texts, " ")
}
