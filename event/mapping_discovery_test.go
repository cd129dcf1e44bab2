package event_test

import (
	"strings"
	"testing"

	"countersign/event"
)

func TestDiscoveryWords(t *testing.T) {
	for _, tt := range []struct{ action, resourceType, function, module string }{
		{"DOWNLOAD", "SENSOR", "Download sensor", "Sensors"},
		{"ABORT", "SCAN", "Abort scan", "Scans"},
		{"CREATE", "USER", "Create user", "Users"},
		{"CREATE", "CERTIFICATE", "Create certificate", "Certificates"},
		{"UPDATE_PASSWORD", "SERVICE_USER", "Update password service user", "Service Users"},
		{"CREATE", "API_KEY", "Create api key", "Api Keys"},
		{"DELETE", "POLICY", "Delete policy", "Policies"},
		{"DELETE", "BOX", "Delete box", "Boxes"},
		{"DELETE", "BATCH", "Delete batch", "Batches"},
		{"DELETE", "CRASH", "Delete crash", "Crashes"},
		{"DELETE", "STATUS", "Delete status", "Statuses"},
	} {
		e := event.Event{Action: tt.action, Resource: event.Resource{Type: tt.resourceType}}
		if got := event.DiscoveryFunction(&e); got != tt.function {
			t.Errorf("%s %s has the function %q, want %q", tt.action, tt.resourceType, got, tt.function)
		}
		if got := event.DiscoveryModule(&e); got != tt.module {
			t.Errorf("%s has the module %q, want %q", tt.resourceType, got, tt.module)
		}
	}
}

func TestDiscoveryActionReadsTheVendorsWords(t *testing.T) {
	for _, tt := range []struct{ module, function, action, resourceType string }{
		{"Sensors", "Download sensor", "DOWNLOAD", "SENSOR"},
		{"Scans", "Abort scan", "ABORT", "SCAN"},
		{"", "Abort scan", "ABORT", "SCAN"},
		{"Certificates", "Certificates expiring in 90 days", "CERTIFICATES_EXPIRING_IN_90_DAYS", "CERTIFICATE"},
		{"Users", "Create service user", "CREATE", "SERVICE_USER"},
		{"Sensors", "Paint sensor", "PAINT_SENSOR", "SENSOR"},
		{"Licenses", "Buy", "BUY", "LICENSE"},
		{"Policies", "Add/remove IP's", "ADD_REMOVE_IP_S", "POLICY"},
		{"Sensor", "Ping", "PING", "SENSOR"},
		{"日本", "日本", "UNKNOWN", "UNKNOWN"},
		{"", "", "UNKNOWN", "UNKNOWN"},
		{"Scans", strings.Repeat("very long ", 20), "VERY_LONG_VERY_LONG_VERY_LONG_VERY_LONG_VERY_LONG_VERY_LONG_VERY", "SCAN"},
	} {
		action, resourceType := event.DiscoveryAction(tt.module, tt.function)
		if action != tt.action || resourceType != tt.resourceType {
			t.Errorf("%q %q is read as %s %s, want %s %s", tt.module, tt.function, action, resourceType, tt.action, tt.resourceType)
		}
		e := validEvent()
		e.Action, e.Resource.Type = action, resourceType
		if err := e.Validate(); err != nil {
			t.Errorf("%q %q: %v", tt.module, tt.function, err)
		}
	}
}

// Every known action on every known type is read back as itself from the words it is shown with.
func TestDiscoveryWordsRoundTrip(t *testing.T) {
	for _, action := range event.KnownActions() {
		for _, resourceType := range event.KnownTypes() {
			e := event.Event{Action: action, Resource: event.Resource{Type: resourceType}}
			function, module := event.DiscoveryFunction(&e), event.DiscoveryModule(&e)
			if a, r := event.DiscoveryAction(module, function); a != action || r != resourceType {
				t.Errorf("%s %s is shown as %q %q, which is read as %s %s", action, resourceType, module, function, a, r)
			}
		}
	}
}

func TestDiscoveryNumbers(t *testing.T) {
	for name, tt := range map[string]struct {
		e      event.Event
		user   int64
		userOK bool
		div    int64
		divOK  bool
	}{
		"numbers":     {event.Event{Actor: event.Actor{ID: text("7286246")}, Division: event.Division{ID: text("677793")}}, 7286246, true, 677793, true},
		"nobody":      {event.Event{}, -1, true, 0, false},
		"system":      {event.Event{Actor: event.Actor{ID: text("5"), Type: "system"}}, -1, true, 0, false},
		"other ids":   {event.Event{Actor: event.Actor{ID: text("jane")}, Division: event.Division{ID: text("007")}}, 0, false, 0, false},
		"only a name": {event.Event{Actor: event.Actor{Name: text("7")}}, 0, false, 0, false},
		"too large":   {event.Event{Actor: event.Actor{ID: text("2147483648")}, Division: event.Division{ID: text("2147483647")}}, 0, false, 2147483647, true},
		"zero":        {event.Event{Actor: event.Actor{ID: text("0")}}, 0, false, 0, false},
		"its own": {event.Event{Actor: event.Actor{ID: text("5")}, Attributes: []event.Attribute{
			{Name: "discovery.divisionId", Value: "9007199254740991"}, {Name: "discovery.userId", Value: "-1"},
		}}, -1, true, 9007199254740991, true},
	} {
		user, userOK := event.DiscoveryUserID(&tt.e)
		div, divOK := event.DiscoveryDivisionID(&tt.e)
		if user != tt.user || userOK != tt.userOK || div != tt.div || divOK != tt.divOK {
			t.Errorf("%s: user %d %v, division %d %v", name, user, userOK, div, divOK)
		}
	}
}

// A filter may hold any text: what no event's codes can spell costs no classes.
func TestDiscoveryFunctionClassesAreBounded(t *testing.T) {
	long := strings.Repeat("A", event.MaxCodeBytes)
	for _, tt := range []struct {
		name, function string
		want           int // without the one for the vendor's own word
	}{
		{"one blank", "Abort scan", 1},
		{"three words", "Create service user", 2},
		{"the longest codes", long + " " + long, 1},
		{"too long an action", long + "A " + long, 0},
		{"too long a type", long + " A" + long, 0},
		{"blanks without end", strings.Repeat("a ", 1<<19), 0},
	} {
		if got := len(event.DiscoveryFunctionClasses(tt.function)) - 1; got != tt.want {
			t.Errorf("%s: %d classes, want %d", tt.name, got, tt.want)
		}
	}
}
