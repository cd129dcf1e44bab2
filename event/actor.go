package event

import "strconv"

// HasActor reports whether the event has somebody to name. The system is nobody, also when a source gave
// it a name: every dialect shows its own word for it.
func HasActor(e *Event) bool {
	return e.Actor.Type != ActorSystem && (e.Actor.ID.Present || e.Actor.Name.Present)
}

// actorName returns what to call the actor: the name as recorded, without one the id, and nobody for no
// actor.
func actorName(e *Event, nobody string) string {
	switch {
	case !HasActor(e):
		return nobody
	case e.Actor.Name.Present:
		return e.Actor.Name.Value
	}
	return e.Actor.ID.Value
}

// actorClasses returns the classes of the events whose actorName, which none lacks, stands in relation c.
func actorClasses(c Comparison, nobody string) []Class {
	if c.Op == Absent {
		return nil
	}
	people := NotIn(ActorSystem)
	classes := []Class{
		{ActorTypes: people, Conditions: []Condition{{Field: fieldActorName, Comparison: c}}},
		{ActorTypes: people, Conditions: []Condition{{Field: fieldActorID, Comparison: c}, absent(fieldActorName)}},
	}
	if c.holds(TextOf(nobody), false) {
		classes = append(classes,
			Class{ActorTypes: In(ActorSystem)},
			Class{ActorTypes: people, Conditions: []Condition{absent(fieldActorName), absent(fieldActorID)}})
	}
	return classes
}

// IntegerID returns the number that an account, division or user id is in dialects where ids are numbers:
// itself, when it is a canonical decimal from 1 to 2147483647. Other ids get a number elsewhere.
func IntegerID(id string) (int64, bool) {
	if !isInteger(id, 1, 1<<31-1) {
		return 0, false
	}
	n, err := strconv.ParseInt(id, 10, 64)
	return n, err == nil
}
