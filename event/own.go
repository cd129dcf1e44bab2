package event

import "slices"

// OwnSourcePrefix begins the sources that only the server itself may write.
const OwnSourcePrefix = "countersign/"

// selfOnly lists, per resource type, the actions of our own that vendors' dialects leave out: recording a
// read must not shift the pages that are being read.
var selfOnly = []struct {
	resourceType string
	actions      []string
}{
	{"AUDIT_LOG", []string{
		"READ", "EXPORT", "REPORT", "VERIFY", "ERASE", "DISPOSE", "HOLD", "REVIEW", "EXCEPTION_OPENED", "EXCEPTION_CLOSED",
	}},
	{"SERVER", []string{
		"START", "STOP", "CONFIG_CHANGED", "INGEST_PAUSED", "INGEST_RESUMED", "CHECKPOINT_LAGGING", "CLOCK_CHECKED", "CLOCK_STEPPED",
	}},
	{"SOURCE", []string{"INGEST_CONFLICT", "COLLECT"}},
}

// SelfOnly returns the classes of the entries that stay out of the vendors' dialects unless the caller asks
// for them (include_self).
func SelfOnly() []Class {
	var out []Class
	for _, s := range selfOnly {
		out = append(out, Class{
			Actions: In(s.actions...), Types: In(s.resourceType),
			Conditions: []Condition{{Field: fieldSource, Comparison: Comparison{StartsWith, OwnSourcePrefix}}},
		})
	}
	return out
}

// ownActions are what only this server does; the rest of what it does has a vendor's word.
func ownActions() []string {
	var out []string
	for _, s := range selfOnly {
		out = append(out, s.actions...)
	}
	slices.Sort(out)
	return out
}
