package event

import "github.com/google/uuid"

// Normalize fills what a sender may leave out: the outcome, the actor's type, the account (the sender's
// primary one) and the id, and puts the attributes in order. It changes nothing that was given.
func (e *Event) Normalize(defaultAccount string) {
	if e.Outcome == "" {
		e.Outcome = OutcomeUnknown
	}
	if e.Actor.Type == "" {
		e.Actor.Type = ActorStandard
	}
	if e.Account.ID == "" {
		e.Account.ID = defaultAccount
	}
	if e.ID == "" {
		// Version 7 ids grow with time, which the sorted runs of ids like. Must: reading randomness does not
		// fail on any system that Go supports.
		e.ID = uuid.Must(uuid.NewV7()).String()
	}
	if len(e.Attributes) == 0 {
		e.Attributes = nil
	}
	sortAttributes(e.Attributes)
}
