package report

// The sections, in the order in which they are shown.
const (
	sectionCoverage      = "coverage"
	sectionFields        = "fields"
	sectionMFA           = "mfa"
	sectionFailed        = "failed-sign-ins"
	sectionPrivileged    = "privileged"
	sectionServices      = "services"
	sectionTokens        = "tokens"
	sectionDormant       = "dormant"
	sectionAfterDeletion = "after-deletion"
	sectionReaders       = "readers"
	sectionReviews       = "reviews"
	sectionDelay         = "delay"
	sectionRetention     = "retention"
	sectionIntegrity     = "integrity"
)

// SectionIDs returns the ids of the sections that a requirement may name.
func SectionIDs() []string {
	return []string{
		sectionCoverage, sectionFields, sectionMFA, sectionFailed, sectionPrivileged, sectionServices, sectionTokens,
		sectionDormant, sectionAfterDeletion, sectionReaders, sectionReviews, sectionDelay, sectionRetention, sectionIntegrity,
	}
}
