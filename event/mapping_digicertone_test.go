package event_test

import (
	"testing"

	"countersign/event"
)

func TestDigiCertOneIDs(t *testing.T) {
	const vendors = "8d1c3b6e-0c1b-4b7e-9d8a-2f0f6f1f5a11"
	// python3 -c "import uuid,hashlib,struct; p=lambda s: struct.pack('>H',len(s.encode()))+s.encode();
	//   print(uuid.uuid5(uuid.NAMESPACE_URL, 'countersign:'+hashlib.sha256(p('a1')+p('my-ca')+p('42')).hexdigest()))"
	for _, tt := range []struct{ name, account, source, id, want string }{
		{"the vendor's own", "a1", "digicert-one/account-manager", vendors, vendors},
		{"the same id of another", "a1", "my-ca", vendors, "e4d06691-0dad-5bba-9c62-519c783e2b9d"},
		{"in upper case", "a1", "digicert-one/account-manager", "8D1C3B6E-0C1B-4B7E-9D8A-2F0F6F1F5A11", "bf1b1f7b-3742-5157-9a1e-28125611134c"},
		{"a bare source", "a1", "digicert-one", vendors, "a0b2fa1c-1616-5a03-8031-98510049e583"},
		{"another form", "a1", "digicert-one/iot", "8d1c3b6e0c1b4b7e9d8a2f0f6f1f5a11", "35c74d56-5b62-516f-80c3-5f85a8a25867"},
		{"any id", "a1", "my-ca", "42", "76ae2d1f-c2eb-5835-87cc-7b8980fa410c"},
		{"outside ASCII", "Zürich", "my-ca", "日本", "b3b9dd70-ff48-58e7-98ce-4ebda53b909e"},
	} {
		e := event.Event{ID: tt.id, Source: tt.source, Account: event.Account{ID: tt.account}}
		if got := event.DigiCertOneID(&e); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestHasActor(t *testing.T) {
	for name, tt := range map[string]struct {
		actor event.Actor
		want  bool
	}{
		"a name":            {event.Actor{Name: text("jane"), Type: "standard"}, true},
		"an id":             {event.Actor{ID: text("1"), Type: "service"}, true},
		"an empty name":     {event.Actor{Name: text(""), Type: "standard"}, true},
		"nothing":           {event.Actor{Type: "standard"}, false},
		"a system's name":   {event.Actor{Name: text("cron"), Type: "system"}, false},
		"a nameless system": {event.Actor{Type: "system"}, false},
	} {
		if got := event.HasActor(&event.Event{Actor: tt.actor}); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
