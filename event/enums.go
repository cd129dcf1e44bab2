package event

import "slices"

// The one-byte forms of the enums, as the stored body has them (docs/format/body.md). 0 is the empty text,
// which no event has; -1 is no value at all.

var actorTypes = [...]string{"", ActorStandard, ActorService, ActorSystem}

var outcomes = [...]string{"", OutcomeSuccess, OutcomeFailure, OutcomeWarning, OutcomeUnknown}

func actorTypeCode(s string) int { return slices.Index(actorTypes[:], s) }

func outcomeCode(s string) int { return slices.Index(outcomes[:], s) }
