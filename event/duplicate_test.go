package event_test

import (
	"encoding/hex"
	"testing"

	"countersign/event"
)

func TestDedupKeyIsTheDocumentedMAC(t *testing.T) {
	// python3 -c "import hmac,hashlib,struct; p=lambda s: struct.pack('>H',len(s))+s;
	//   print(hmac.new(bytes(range(32)), p(b'a1')+p(b'my-ca')+b'42', hashlib.sha256).hexdigest()[:32])"
	const want = "97b377e15aaa7d7ca601e50ecb882877"
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i)
	}
	got := event.DedupKey(key, "a1", "my-ca", "42")
	if hex.EncodeToString(got[:]) != want {
		t.Errorf("%x, want %s", got, want)
	}
}

func TestDedupKeyKeepsFieldsApart(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcdef")
	seen := map[[16]byte][3]string{}
	for _, f := range [][3]string{{"a", "b", "c"}, {"ab", "", "c"}, {"a", "bc", ""}, {"", "ab", "c"}, {"a", "", "bc"}} {
		k := event.DedupKey(key, f[0], f[1], f[2])
		if other, ok := seen[k]; ok {
			t.Errorf("%q and %q have one key", f, other)
		}
		seen[k] = f
	}
	if event.DedupKey(key, "a", "b", "c") == event.DedupKey(key[1:], "a", "b", "c") {
		t.Error("two keys give one value")
	}
}

func TestSameContentSeesEveryField(t *testing.T) {
	base := func() event.Event {
		e, err := event.Decode([]byte(example))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	a, b := base(), base()
	if !event.SameContent(&a, &b) {
		t.Fatal("an event differs from itself")
	}
	for name, change := range map[string]func(*event.Event){
		"id":               func(e *event.Event) { e.ID += "x" },
		"occurred_at":      func(e *event.Event) { e.OccurredAt++ },
		"account.id":       func(e *event.Event) { e.Account.ID = "x" },
		"account.name":     func(e *event.Event) { e.Account.Name = event.Text{} },
		"division.id":      func(e *event.Event) { e.Division.ID = text("") },
		"division.name":    func(e *event.Event) { e.Division.Name = text("emea") },
		"actor.id":         func(e *event.Event) { e.Actor.ID = text("x") },
		"actor.name":       func(e *event.Event) { e.Actor.Name = text("x") },
		"actor.type":       func(e *event.Event) { e.Actor.Type = event.ActorService },
		"action":           func(e *event.Event) { e.Action = "LOGIN" },
		"resource.type":    func(e *event.Event) { e.Resource.Type = "USER" },
		"resource.id":      func(e *event.Event) { e.Resource.ID = text("x") },
		"resource.name":    func(e *event.Event) { e.Resource.Name = text("x") },
		"outcome":          func(e *event.Event) { e.Outcome = event.OutcomeUnknown },
		"description":      func(e *event.Event) { e.Description = text("x") },
		"detail":           func(e *event.Event) { e.Detail = event.Text{} },
		"client.ip":        func(e *event.Event) { e.Client.IP = text("x") },
		"client.country":   func(e *event.Event) { e.Client.Country = text("x") },
		"source":           func(e *event.Event) { e.Source = "x" },
		"attribute value":  func(e *event.Event) { e.Attributes[0].Value = "x" },
		"attribute name":   func(e *event.Event) { e.Attributes[0].Name = "x" },
		"attribute absent": func(e *event.Event) { e.Attributes = nil },
		"raw":              func(e *event.Event) { e.Raw = text("") },
	} {
		b := base()
		change(&b)
		if event.SameContent(&a, &b) {
			t.Errorf("a change of %s is not seen", name)
		}
	}
}

func BenchmarkDedupKey(b *testing.B) {
	key := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		event.DedupKey(key, "ad65390a-0380-4522-bab6-f007c447757a", "digicert-one/account-manager", "8d1c3b6e-0c1b-4b7e-9d8a-2f0f6f1f5a11")
	}
	perSecond(b, 1, "events/s")
}

func BenchmarkDeduper(b *testing.B) {
	d := event.NewDeduper(make([]byte, 32))
	b.ReportAllocs()
	for b.Loop() {
		d.Key("ad65390a-0380-4522-bab6-f007c447757a", "digicert-one/account-manager", "8d1c3b6e-0c1b-4b7e-9d8a-2f0f6f1f5a11")
	}
	perSecond(b, 1, "events/s")
}
