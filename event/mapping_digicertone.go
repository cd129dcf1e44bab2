package event

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/google/uuid"
)

// DigiCert ONE's words for an event. resource_type and action are as they are; attributes never override.

// DigiCertOneStatus returns the status of e: success, failure or unknown. A warning is a failure there.
func DigiCertOneStatus(e *Event) string {
	switch e.Outcome {
	case OutcomeSuccess:
		return OutcomeSuccess
	case OutcomeFailure, OutcomeWarning:
		return OutcomeFailure
	}
	return OutcomeUnknown
}

// DigiCertOneStatusClasses returns the classes of the events whose status is the given one in upper case,
// as the vendor's parameter wants it. Any other value matches nothing.
func DigiCertOneStatusClasses(upper string) []Class {
	switch upper {
	case "SUCCESS":
		return []Class{{Outcomes: In(OutcomeSuccess)}}
	case "FAILURE":
		return []Class{{Outcomes: In(OutcomeFailure, OutcomeWarning)}}
	case "UNKNOWN":
		return []Class{{Outcomes: NotIn(OutcomeSuccess, OutcomeFailure, OutcomeWarning)}}
	}
	return nil
}

// DigiCertOneUserName returns the name in the user object of e, which is there when HasActor. An actor
// without a name has the empty one.
func DigiCertOneUserName(e *Event) (string, bool) {
	return e.Actor.Name.Value, HasActor(e)
}

// DigiCertOneUserNameClasses returns the classes of the events with a user whose name stands in relation c.
func DigiCertOneUserNameClasses(c Comparison) []Class {
	if c.Op == Absent {
		return nil
	}
	people := NotIn(ActorSystem)
	classes := []Class{{ActorTypes: people, Conditions: []Condition{{Field: fieldActorName, Comparison: c}}}}
	if c.holds(TextOf(""), false) {
		classes = append(classes, Class{ActorTypes: people, Conditions: []Condition{absent(fieldActorName), present(fieldActorID)}})
	}
	return classes
}

const digicertOneSources = "digicert-one/"

// DigiCertOneID returns the id of e. The vendor's ids are UUIDs, and its own events keep theirs. Every
// other event gets the UUIDv5 (RFC 9562, section 5.5) of "countersign:" and the hash over what names it:
// account, source and id, each after its length as u16.
func DigiCertOneID(e *Event) string {
	if strings.HasPrefix(e.Source, digicertOneSources) && isLowerUUID(e.ID) {
		return e.ID
	}
	name := appendSized(make([]byte, 0, 256), e.Account.ID)
	name = appendSized(name, e.Source)
	name = appendSized(name, e.ID)
	sum := sha256.Sum256(name)
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("countersign:"+hex.EncodeToString(sum[:]))).String()
}

// isLowerUUID reports whether s has the one text form of a UUID (RFC 9562, section 4) in lower case.
func isLowerUUID(s string) bool {
	const shape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(s) != len(shape) {
		return false
	}
	for i := range len(shape) {
		c := s[i]
		if shape[i] == '-' && c != '-' || shape[i] == 'x' && !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}
