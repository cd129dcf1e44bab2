package event_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"countersign/event"
)

// The law of the mappings, on random events: an event has a derived value exactly when one of the value's
// classes matches it. The oracle compares what is shown with what is asked; it knows no class.

const lawEvents = 100_000

var (
	lawActions = append(event.KnownActions(), "X", "_", "A__B", "_A", "CREATE_USER", "CREATE_SERVICE", "PING_EMAIL_SENT", "_EMAIL_SENT",
		"EMAIL_SENT", "CERTIFICATES_EXPIRING_IN_90_DAYS")
	lawTypes = append(event.KnownTypes(), "X", "_", "_A", "A__B", "CACH", "CACHE", "MY_AGENT", "BOX", "BOXE", "KEY", "STORY", "STATUS", "TEMPLAT")
)

// randomMapped returns a valid event over the whole vocabulary, with values of the vendor's own where the
// source may set them.
func randomMapped(r *rand.Rand) event.Event {
	e := randomEvent(r)
	e.Action, e.Resource.Type = pick(r, lawActions...), pick(r, lawTypes...)
	e.Source = pick(r, "digicert-one/account-manager", "keyfactor/command", "discovery/certcentral", "countersign/server", "my-ca")
	if r.IntN(3) == 0 {
		e.Resource.Type = pick(r, "BASIC_AUTH", "SSO_OIDC_MFA", "CLIENT_AUTH_CERT", "CLIENT_AUTH_CERT_MFA", "AUTHORIZATION_FAILURE")
		e.Action = pick(r, "LOGIN", "LOGOUT", "LOGIN_ERROR", "CREATE", "DENY")
	}
	e.Attributes = nil
	set := func(name string, values ...string) {
		if r.IntN(3) == 0 {
			e.Attributes = append(e.Attributes, event.Attribute{Name: name, Value: pick(r, values...)})
		}
	}
	switch e.Source {
	case "keyfactor/command":
		set(event.AttrKeyfactorOperation, "1", "22", "23", "24", "25")
		set(event.AttrKeyfactorLevel, "0", "1", "2")
		set(event.AttrKeyfactorCategory, "2001", "2007", "2010", "2012", "2036", "20120")
		set(event.AttrKeyfactorEntityType, "Template", "My Agent", "MY_AGENT", "AgentSchedule", "Agent Schedule", "", "Ünï")
		set(event.AttrKeyfactorUser, words...)
		set(event.AttrKeyfactorAuditIdentifier, words...)
		set(event.AttrKeyfactorImmutableIdentifier, "707662", "", "x")
	case "discovery/certcentral":
		set(event.AttrDiscoveryModule, "Sensors", "sensors", "", "Ünï")
		set(event.AttrDiscoveryFunction, "Download sensor", "download SENSOR", "Certificates expiring in 90 days", "", "x")
		set(event.AttrDiscoveryUserID, "-1", "7286246")
		set(event.AttrDiscoveryDivisionID, "677793")
	}
	e.Normalize("account")
	return e
}

// eachMapped calls f for many random events, all valid.
func eachMapped(t *testing.T, f func(r *rand.Rand, e *event.Event)) {
	r := seeded(t)
	for range lawEvents {
		e := randomMapped(r)
		f(r, &e)
		if t.Failed() {
			t.Fatalf("at the event %s", event.AppendJSON(nil, &e))
		}
	}
}

func TestRandomMappedEventsAreValid(t *testing.T) {
	r := seeded(t)
	for range 5000 {
		e := randomMapped(r)
		if err := e.Validate(); err != nil {
			t.Fatal(err)
		}
	}
}

// law checks values whose whole set is known.
func law(t *testing.T, field string, values []string, derived func(*event.Event) string, classes func(string) []event.Class) {
	t.Helper()
	all := make(map[string][]event.Class, len(values))
	for _, v := range values {
		all[v] = classes(v)
	}
	eachMapped(t, func(_ *rand.Rand, e *event.Event) {
		shown := derived(e)
		for _, v := range values {
			if event.MatchesAny(all[v], e) != (v == shown) {
				t.Errorf("%s is %s, and the classes of %s say otherwise", field, shown, v)
			}
		}
		if _, ok := all[shown]; !ok {
			t.Errorf("%s is %s, which is none of its values", field, shown)
		}
	})
}

func numbers(from, to int) []string {
	var out []string
	for n := from; n <= to; n++ {
		out = append(out, fmt.Sprint(n))
	}
	return out
}

func ofNumber(f func(int) []event.Class) func(string) []event.Class {
	return func(s string) []event.Class {
		var n int
		fmt.Sscan(s, &n)
		return f(n)
	}
}

func TestKeyfactorOperationLaw(t *testing.T) {
	law(t, "Operation", numbers(1, 25), func(e *event.Event) string { return fmt.Sprint(event.KeyfactorOperation(e)) }, ofNumber(event.KeyfactorOperationClasses))
}

func TestKeyfactorLevelLaw(t *testing.T) {
	law(t, "Level", numbers(0, 2), func(e *event.Event) string { return fmt.Sprint(event.KeyfactorLevel(e)) }, ofNumber(event.KeyfactorLevelClasses))
}

func TestKeyfactorCategoryLaw(t *testing.T) {
	var known []string
	for _, n := range event.KeyfactorCategories() {
		known = append(known, fmt.Sprint(n))
	}
	if strings.Join(known, " ") != strings.Join(numbers(2001, 2035), " ") {
		t.Fatalf("categories %s", known)
	}
	values := append(known, "2036", "20120", "2147483647")
	law(t, "Category", values, func(e *event.Event) string { n, _ := event.KeyfactorCategory(e); return fmt.Sprint(n) }, ofNumber(event.KeyfactorCategoryClasses))
}

func TestDigiCertOneStatusLaw(t *testing.T) {
	law(t, "status", []string{"SUCCESS", "FAILURE", "UNKNOWN"},
		func(e *event.Event) string { return strings.ToUpper(event.DigiCertOneStatus(e)) }, event.DigiCertOneStatusClasses)
	for _, v := range []string{"success", "Success", "WARNING", ""} {
		if event.DigiCertOneStatusClasses(v) != nil {
			t.Errorf("%q is found", v)
		}
	}
}

// textLaw checks texts, which may be anything, with every comparison.
func textLaw(t *testing.T, field string, others []string, ignoreBlanks bool, derived func(*event.Event) event.Text, classes func(event.Comparison) []event.Class) {
	t.Helper()
	eachMapped(t, func(r *rand.Rand, e *event.Event) {
		shown := derived(e)
		c := event.Comparison{Op: event.Op(r.IntN(5)), Value: pick(r, append(others, words...)...)}
		if r.IntN(2) == 0 {
			c.Value = disguise(r, shown.Value)
		}
		if got, want := event.MatchesAny(classes(c), e), stands(shown, c, ignoreBlanks); got != want {
			t.Errorf("%s is %q, asked with op %d for %q: classes say %v", field, shown.Value, c.Op, c.Value, got)
		}
	})
}

// disguise returns s, or a piece of it, or s in another case.
func disguise(r *rand.Rand, s string) string {
	runes := []rune(s)
	if len(runes) > 0 && r.IntN(2) == 0 {
		from := r.IntN(len(runes))
		runes = runes[from : from+1+r.IntN(len(runes)-from)]
	}
	switch r.IntN(3) {
	case 0:
		return strings.ToUpper(string(runes))
	case 1:
		return strings.ToLower(string(runes))
	}
	return string(runes)
}

// stands is the oracle of comparisons: slow, and without folding anything itself.
func stands(t event.Text, c event.Comparison, ignoreBlanks bool) bool {
	if c.Op == event.Absent || !t.Present {
		return c.Op == event.Absent && !t.Present
	}
	have, want := t.Value, c.Value
	if ignoreBlanks {
		have, want = strings.ReplaceAll(have, " ", ""), strings.ReplaceAll(want, " ", "")
	}
	n := utf8.RuneCountInString(want)
	runes := []rune(have)
	at := func(i int) bool { return i >= 0 && i+n <= len(runes) && strings.EqualFold(string(runes[i:i+n]), want) }
	switch c.Op {
	case event.Contains:
		for i := range len(runes) + 1 {
			if at(i) {
				return true
			}
		}
		return false
	case event.StartsWith:
		return at(0)
	case event.EndsWith:
		return at(len(runes) - n)
	}
	return len(runes) == n && at(0)
}

func always(f func(*event.Event) string) func(*event.Event) event.Text {
	return func(e *event.Event) event.Text { return event.TextOf(f(e)) }
}

func TestKeyfactorUserLaw(t *testing.T) {
	textLaw(t, "User", []string{"timer service", "service"}, false, always(event.KeyfactorUser), event.KeyfactorUserClasses)
}

func TestKeyfactorEntityTypeLaw(t *testing.T) {
	shown := func(e *event.Event) string { _, s := event.KeyfactorCategory(e); return s }
	others := []string{"Agent", "agent schedule", "AgentSchedule", "Certificate", "AuditingCertificateRequest", "model", "MY_AGENT", "myagent", "AD Identity Model"}
	textLaw(t, "EntityType", others, true, always(shown), event.KeyfactorEntityTypeClasses)
}

func TestKeyfactorIdentifierLaws(t *testing.T) {
	textLaw(t, "AuditIdentifier", nil, false, event.KeyfactorAuditIdentifier, event.KeyfactorAuditIdentifierClasses)
	textLaw(t, "ImmutableIdentifier", []string{"707662"}, false, event.KeyfactorImmutableIdentifier, event.KeyfactorImmutableIdentifierClasses)
}

func TestDiscoveryUserNameLaw(t *testing.T) {
	textLaw(t, "userName", []string{"SYSTEM", "syst"}, false, always(event.DiscoveryUserName), event.DiscoveryUserNameClasses)
}

func TestDiscoveryTextLaws(t *testing.T) {
	textLaw(t, "divisionName", nil, false, always(func(e *event.Event) string { return e.Division.Name.Value }), event.DiscoveryDivisionNameClasses)
	textLaw(t, "ipAddress", nil, false, always(func(e *event.Event) string { return e.Client.IP.Value }), event.DiscoveryIPAddressClasses)
}

func TestDigiCertOneUserNameLaw(t *testing.T) {
	shown := func(e *event.Event) event.Text {
		name, ok := event.DigiCertOneUserName(e)
		return event.Text{Value: name, Present: ok}
	}
	asked := func(c event.Comparison) []event.Class {
		if c.Op != event.Absent {
			return event.DigiCertOneUserNameClasses(c)
		}
		if event.DigiCertOneUserNameClasses(c) != nil {
			t.Error("a user without a name object is found")
		}
		return []event.Class{{ActorTypes: event.In(event.ActorSystem)}, {
			ActorTypes: event.NotIn(event.ActorSystem),
			Conditions: []event.Condition{{Field: "actor.id", Comparison: c}, {Field: "actor.name", Comparison: c}},
		}}
	}
	textLaw(t, "user.name", nil, false, shown, asked)
}

func TestDiscoveryFunctionAndModuleLaws(t *testing.T) {
	type derivedText struct {
		name    string
		derived func(*event.Event) string
		classes func(string) []event.Class
		others  []string
	}
	for _, d := range []derivedText{
		{"function", event.DiscoveryFunction, event.DiscoveryFunctionClasses, []string{
			"Download sensor", "create service user", "Create_service user", "  ", " a", "Create ", "certificates expiring in 90 days", "ıx", "Create user",
		}},
		{"module", event.DiscoveryModule, event.DiscoveryModuleClasses, []string{"Sensors", "SENSORS", "caches", "Business units", "business_units", "s", "es", "ies", ""}},
	} {
		eachMapped(t, func(r *rand.Rand, e *event.Event) {
			shown := d.derived(e)
			asked := pick(r, append(d.others, words...)...)
			if r.IntN(3) > 0 {
				asked = pick(r, shown, strings.ToUpper(shown), strings.ToLower(shown), strings.ReplaceAll(shown, "s", "ſ"), shown+"s")
			}
			if got, want := event.MatchesAny(d.classes(asked), e), strings.EqualFold(shown, asked); got != want {
				t.Errorf("%s is %q, asked for %q: classes say %v", d.name, shown, asked, got)
			}
		})
	}
}

func TestSelfOnlyIsOurOwnAndNothingElse(t *testing.T) {
	own := map[string]string{
		"AUDIT_LOG": " READ EXPORT REPORT VERIFY ERASE DISPOSE HOLD REVIEW EXCEPTION_OPENED EXCEPTION_CLOSED ",
		"SERVER":    " START STOP CONFIG_CHANGED INGEST_PAUSED INGEST_RESUMED CHECKPOINT_LAGGING CLOCK_CHECKED CLOCK_STEPPED ",
		"SOURCE":    " INGEST_CONFLICT COLLECT ",
	}
	classes := event.SelfOnly()
	for _, source := range []string{"countersign/server", "countersign/x/y", "countersign", "countersigned/x", "my-ca"} {
		for _, resourceType := range lawTypes {
			for _, action := range lawActions {
				e := event.Event{Source: source, Action: action, Resource: event.Resource{Type: resourceType}}
				want := strings.HasPrefix(source, "countersign/") && strings.Contains(own[resourceType], " "+action+" ")
				if event.MatchesAny(classes, &e) != want {
					t.Fatalf("%s %s of %s: want %v", action, resourceType, source, want)
				}
			}
		}
	}
}
