package testkit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"countersign/event"
)

// The pools of Random are small, so that values repeat and orders have ties.
var (
	// oddTexts have gone wrong somewhere before: empty, blanks, quotes, line ends, controls, letters that
	// fold to ASCII, two spellings of one letter, characters outside the first plane.
	oddTexts = []string{
		"", " ", "a", "A", "ab", "jane@example.com", "Jane@Example.com", "JANE@EXAMPLE.COM", "jane", `EXAMPLE\jane`, "Zoë", "ZOË", "Zoe\u0308", "Åsa", "\u212bsa",
		"\u212a", "k", "\u017f", "ß", "世界", "\U0001f600", "line\r\nline", "\t", "a\x00b", "\x7f", "\u2028", `"quoted"`, `back\slash`, "a,b", "null", "AND", "-x", "(x)",
		"System", "Timer Service", "-1", "677793", "<ModelState/>",
	}
	ids       = []string{"1", "2", "677793", "2147483647", "2147483648", "0", "01", "-1", "6792e182-4b96-4a2e-9061-14741be4234e", "6792E182-4B96-4A2E-9061-14741BE4234E", "Zoë 1"}
	accounts  = []string{"ad65390a-0380-4522-bab6-f007c447757a", "d6a3938c-f044-4092-b7f8-1804ae8e4efc", "5153184", "Example Ltd"}
	anyAction = []string{"CREATE", "UPDATE", "DELETE", "LOGIN", "LOGIN_ERROR", "LOGOUT", "REVOKE", "DOWNLOAD", "ABORT", "ACCOUNT_EXPIRY_EMAIL_SENT", "CREATE_USER", "X", "_"}
	anyType   = []string{"USER", "SERVICE_USER", "APIKEY", "BASIC_AUTH", "CLIENT_AUTH_CERT", "SSO_SAML_MFA", "ROLE", "CERTIFICATE", "SENSOR", "SSH_KEY", "AUTHORIZATION_FAILURE", "SOMETHING_NEW", "_"}
	outcomes  = []string{event.OutcomeSuccess, event.OutcomeFailure, event.OutcomeWarning, event.OutcomeUnknown}
	anySource = []string{SourceAccountManager, SourceTrustLifecycle, SourceIoT, SourceDiscovery, SourceKeyfactor, "example/other", "x"}
	moments   = []event.Micros{event.MinMicros, event.MaxMicros, -1, 0, 1767225599_999_999, 1767225600_000_000, 1767225600_000_001, 1774915200_000_000}
)

// Random returns a valid event for property tests: any field may be absent, empty or odd, values come from
// small pools, and the event need make no sense. Its id is never met twice.
func Random(r *rand.Rand) event.Event {
	e := event.Event{
		ID:         randomID(r),
		OccurredAt: randomMoment(r),
		Account:    event.Account{ID: pick(r, accounts), Name: randomText(r)},
		Division:   event.Division{ID: maybe(r, pick(r, ids)), Name: randomText(r)},
		Actor: event.Actor{
			ID: maybe(r, pick(r, ids)), Name: randomText(r), Type: pick(r, []string{event.ActorStandard, event.ActorService, event.ActorSystem}),
		},
		Action:      pick(r, anyAction),
		Resource:    event.Resource{Type: pick(r, anyType), ID: maybe(r, pick(r, ids)), Name: randomText(r)},
		Outcome:     pick(r, outcomes),
		Description: randomText(r),
		Detail:      randomText(r),
		Client:      event.Client{IP: maybe(r, pick(r, []string{"192.0.2.1", "192.0.2.2", "2001:db8::1", ""})), Country: maybe(r, pick(r, []string{"US", "us", "DE", ""}))},
		Source:      pick(r, anySource),
		Attributes:  randomAttributes(r),
	}
	if r.IntN(8) == 0 {
		e.Raw = event.TextOf(pick(r, oddTexts))
	}
	e.Attributes = append(e.Attributes, randomOverrides(r, &e)...)
	sortAttributes(e.Attributes)
	return e
}

// randomID has 128 random bits, in one of the forms that senders use.
func randomID(r *rand.Rand) string {
	switch r.IntN(4) {
	case 0:
		return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
	case 1:
		return fmt.Sprintf("Ävent %d/%d", r.Uint64(), r.Uint64())
	}
	return uuid(r)
}

func randomMoment(r *rand.Rand) event.Micros {
	if r.IntN(2) == 0 {
		return pick(r, moments)
	}
	const quarter = 90 * 24 * int64(time.Hour/time.Microsecond)
	return 1767225600_000_000 + event.Micros(r.Int64N(quarter))
}

func randomText(r *rand.Rand) event.Text { return maybe(r, pick(r, oddTexts)) }

// maybe returns an absent text every third time.
func maybe(r *rand.Rand, s string) event.Text {
	if r.IntN(3) == 0 {
		return event.Text{}
	}
	return event.TextOf(s)
}

func randomAttributes(r *rand.Rand) []event.Attribute {
	if r.IntN(2) == 0 {
		return nil
	}
	var out []event.Attribute
	for _, name := range []string{"ticket", "before.role", "after.role", "Zoë", "a b", `"`, "digicert_one.status"} {
		if r.IntN(3) == 0 {
			out = append(out, event.Attribute{Name: name, Value: pick(r, oddTexts)})
		}
	}
	return out
}

// randomOverrides returns some of the attributes by which a vendor's own words win in its dialect. Only
// that vendor's sources may have them.
func randomOverrides(r *rand.Rand, e *event.Event) []event.Attribute {
	var all []event.Attribute
	switch e.Source {
	case SourceKeyfactor:
		all = []event.Attribute{
			{Name: "keyfactor.Id", Value: strconv.Itoa(r.IntN(100))},
			{Name: "keyfactor.Timestamp", Value: e.OccurredAt.String()},
			{Name: "keyfactor.Message", Value: "<AuditAction>\r\n</AuditAction>"},
			{Name: "keyfactor.Signature", Value: pick(r, oddTexts)},
			{Name: "keyfactor.Category", Value: strconv.Itoa(2001 + r.IntN(40))},
			{Name: "keyfactor.Operation", Value: strconv.Itoa(1 + r.IntN(25))},
			{Name: "keyfactor.Level", Value: strconv.Itoa(r.IntN(3))},
			{Name: "keyfactor.User", Value: pick(r, oddTexts)},
			{Name: "keyfactor.EntityType", Value: pick(r, []string{"Template", "Certificate", "Api Application", ""})},
			{Name: "keyfactor.AuditIdentifier", Value: pick(r, oddTexts)},
			{Name: "keyfactor.ImmutableIdentifier", Value: pick(r, ids)},
		}
	case SourceDiscovery:
		all = []event.Attribute{
			{Name: "discovery.id", Value: strconv.Itoa(r.IntN(100))},
			{Name: "discovery.userId", Value: pick(r, []string{"-1", "7286246"})},
			{Name: "discovery.divisionId", Value: pick(r, []string{"677793", "1"})},
			{Name: "discovery.module", Value: pick(r, []string{"Sensors", "Certificates", ""})},
			{Name: "discovery.function", Value: pick(r, []string{"Download sensor", "Certificates expiring in 90 days", ""})},
		}
	}
	return slices.DeleteFunc(all, func(event.Attribute) bool { return r.IntN(2) == 0 })
}
