// Package event holds the audit event, its validation, its bytes (JSON, stored body, entry v1) and the
// law that ties one event to each vendor's words.
//
// Terms. An event is what happened: who did what to which resource, when, from where, with what outcome.
// An entry is an event once recorded: it has a Seq and a leaf in the tree. A source is where an event
// comes from; (account, source, ID) names an event for ever.
//
// Promises. Text is kept byte for byte: nothing here trims, folds or normalises a value. Absent and empty
// are different values and stay so through every encoding. Decoding what was encoded gives the same event.
//
// Trust. Decode, Decoder and DecodeBody read foreign bytes in memory bounded by the bytes they were given or
// by the limits here; what they refuse is named by field or byte and never repaired. An event that a Go
// caller built is trusted only after Validate.
//
// It imports nothing of the project and knows no store, no HTTP and no vendor's wire format.
package event

// Text is a text that may be absent. The zero value is absent; Value is empty when Present is false, so
// two Texts are equal with == exactly when they mean the same.
type Text struct {
	Value   string
	Present bool
}

// TextOf returns a present text, empty or not.
func TextOf(s string) Text { return Text{Value: s, Present: true} }

// TextOrAbsent returns an absent text for "" and a present one otherwise, for sources that write "" where
// they mean nothing.
func TextOrAbsent(s string) Text { return Text{Value: s, Present: s != ""} }

// Actor types.
const (
	ActorStandard = "standard"
	ActorService  = "service"
	ActorSystem   = "system"
)

// Outcomes.
const (
	OutcomeSuccess = "success"
	OutcomeFailure = "failure"
	OutcomeWarning = "warning"
	OutcomeUnknown = "unknown"
)

// Account is the customer whose trail an event belongs to. ID is required in a valid event.
type Account struct {
	ID   string
	Name Text
}

// Division is the part of an account an event belongs to. Both fields may be absent.
type Division struct {
	ID   Text
	Name Text
}

// Actor is who did it. An actor without ID and Name is no actor: the event has nobody to name.
type Actor struct {
	ID   Text
	Name Text
	Type string // ActorStandard, ActorService or ActorSystem
}

// Resource is what it was done to.
type Resource struct {
	Type string // [A-Z0-9_]{1,64}
	ID   Text
	Name Text
}

// Client is where it was done from, as the source tells it.
type Client struct {
	IP      Text
	Country Text
}

// Attribute is one named value that a vendor has and nobody else.
type Attribute struct {
	Name  string
	Value string
}

// Event is what a sender says happened. Attributes are sorted by the bytes of their names, without
// repeats. Raw is the vendor's record as received.
type Event struct {
	ID          string
	OccurredAt  Micros
	Account     Account
	Division    Division
	Actor       Actor
	Action      string // [A-Z0-9_]{1,64}
	Resource    Resource
	Outcome     string
	Description Text
	Detail      Text
	Client      Client
	Source      string // [a-z0-9./_-]{1,64}
	Attributes  []Attribute
	Raw         Text
}

// Attribute returns the value of the named attribute, absent when there is none.
func (e *Event) Attribute(name string) Text {
	for i := range e.Attributes {
		if e.Attributes[i].Name == name {
			return TextOf(e.Attributes[i].Value)
		}
	}
	return Text{}
}

// NoPrev is the AccountPrev of the first entry of an account.
const NoPrev = 1<<64 - 1

// Entry is an event once recorded. Seq is its place in the trail, counted from 0 without gaps. AccountSeq
// counts the entries of its account from 0 and AccountPrev is the Seq of the one before, so that the chain
// of an account shows a gap. ReceivedAt is the server's clock, which never goes backwards along Seq.
// RecordedBy is the authenticated sender, never the same thing as Actor.
//
// A system fact has a Kind other than KindEvent and a Statement; of an event's parts it has only the times,
// which are the same. Its AccountSeq and AccountPrev are NoPrev.
type Entry struct {
	Event
	Kind        byte
	Statement   string
	Seq         uint64
	ReceivedAt  Micros
	RecordedBy  Text
	AccountSeq  uint64
	AccountPrev uint64
}
