package event

import (
	"math"
	"strconv"
	"strings"
)

// What a vendor's own event brought is kept in these attributes and wins over the derived value in that
// vendor's dialect, but for AttrKeyfactorID, AttrKeyfactorSignature and AttrDiscoveryID, which are ours
// there.
//
// Only sources under "keyfactor/" and "discovery/" may set names with the vendor's prefix, so that no one
// else can put words in the vendor's mouth; the values of these names must be of the vendor's type. Other
// names under the prefixes are allowed from the same sources, as plain attributes: a newer release of the
// vendor's product may bring members that nobody here knows, and refusing them would lose the event.
const (
	AttrKeyfactorID                  = "keyfactor.Id"
	AttrKeyfactorTimestamp           = "keyfactor.Timestamp"
	AttrKeyfactorMessage             = "keyfactor.Message"
	AttrKeyfactorSignature           = "keyfactor.Signature"
	AttrKeyfactorCategory            = "keyfactor.Category"
	AttrKeyfactorOperation           = "keyfactor.Operation"
	AttrKeyfactorLevel               = "keyfactor.Level"
	AttrKeyfactorUser                = "keyfactor.User"
	AttrKeyfactorEntityType          = "keyfactor.EntityType"
	AttrKeyfactorAuditIdentifier     = "keyfactor.AuditIdentifier"
	AttrKeyfactorImmutableIdentifier = "keyfactor.ImmutableIdentifier"

	AttrDiscoveryID         = "discovery.id"
	AttrDiscoveryUserID     = "discovery.userId"
	AttrDiscoveryDivisionID = "discovery.divisionId"
	AttrDiscoveryModule     = "discovery.module"
	AttrDiscoveryFunction   = "discovery.function"
)

// maxJSONInteger is the largest integer that every JSON reader takes exactly (RFC 8259, section 6).
const maxJSONInteger = 1<<53 - 1

// validateOverride checks the attributes that speak for a vendor.
func (e *Event) validateOverride(a *Attribute) error {
	vendor, _, ok := strings.Cut(a.Name, ".")
	if !ok || vendor != "keyfactor" && vendor != "discovery" {
		return nil
	}
	refuse := func(reason string) error { return invalid("attributes."+a.Name, a.Value, reason) }
	if !strings.HasPrefix(e.Source, vendor+"/") {
		return refuse("may be set only by sources that begin with " + vendor + "/")
	}
	switch a.Name {
	case AttrKeyfactorID:
		if !isInteger(a.Value, 0, math.MaxInt32) {
			return refuse("must be an integer from 0 to 2147483647")
		}
	case AttrKeyfactorCategory:
		// Not only the numbers known today: the vendor adds categories with its releases.
		if !isInteger(a.Value, 1, math.MaxInt32) {
			return refuse("must be an integer from 1 to 2147483647")
		}
	case AttrKeyfactorOperation:
		if !isInteger(a.Value, 1, int64(maxKeyfactorOperation)) {
			return refuse("must be an integer from 1 to 25")
		}
	case AttrKeyfactorLevel:
		if !isInteger(a.Value, 0, 2) {
			return refuse("must be 0, 1 or 2")
		}
	case AttrKeyfactorTimestamp:
		// The vendor's own spelling of the moment, with its finer fraction. It cannot name another moment:
		// ranges and orders over time go by occurred_at and would lie about what is shown.
		m, err := parseFineTime(a.Value)
		if err != nil {
			return refuse(err.Error())
		}
		if m != e.OccurredAt {
			return refuse("must be the moment of occurred_at, cut to a microsecond")
		}
	case AttrDiscoveryID, AttrDiscoveryUserID, AttrDiscoveryDivisionID:
		if !isInteger(a.Value, -maxJSONInteger, maxJSONInteger) {
			return refuse("must be an integer from -9007199254740991 to 9007199254740991")
		}
	}
	return nil
}

// isInteger reports whether s is the one decimal spelling of an integer from lo to hi. Only one spelling
// is taken, so that a filter on the number finds it by comparing texts.
func isInteger(s string, lo, hi int64) bool {
	n, err := strconv.ParseInt(s, 10, 64)
	return err == nil && n >= lo && n <= hi && strconv.FormatInt(n, 10) == s
}

// parseFineTime is ParseTime for vendors with a finer clock, cut to microseconds.
func parseFineTime(s string) (Micros, error) {
	const seconds, kept = len("0000-00-00T00:00:00"), len("0000-00-00T00:00:00.000000")
	if len(s) > kept && s[seconds] == '.' {
		end := kept
		for end < len(s) && s[end] >= '0' && s[end] <= '9' {
			end++
		}
		s = s[:kept] + s[end:]
	}
	return ParseTime(s)
}
