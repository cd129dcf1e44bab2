package native_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"countersign/bundle"
	"countersign/event"
	"countersign/identity"
	"countersign/merkle"
	"countersign/store"
)

// keys are what a stranger has been given of the trail.
func (a *api) keys() merkle.Keys {
	a.t.Helper()
	var lines []string
	for _, k := range a.trail.Keys() {
		lines = append(lines, k.VKey)
	}
	keys, err := merkle.ParseKeys([]byte(strings.Join(lines, "\n")))
	if err != nil {
		a.t.Fatal(err)
	}
	return keys
}

func (a *api) publish() merkle.Checkpoint {
	a.t.Helper()
	c, err := a.trail.PublishNow(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// receipt is the answer to events that were sent.
type receipt struct {
	Checkpoint string
	Entries    []struct {
		ID    string
		Seq   uint64
		Proof json.RawMessage
	}
}

// unproven checks all that a receipt proves, and returns it without that.
func (a *api) unproven(w *httptest.ResponseRecorder) string {
	a.t.Helper()
	var r receipt
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
		a.t.Fatal(err)
	}
	c, err := merkle.ParseCheckpoint([]byte(r.Checkpoint))
	if err == nil {
		err = c.Verify(a.keys())
	}
	if err != nil {
		a.t.Fatalf("checkpoint %q: %v", r.Checkpoint, err)
	}
	rest := strings.TrimSuffix(w.Body.String(), "\n")
	for _, e := range r.Entries {
		if e.Seq >= c.Size {
			a.t.Errorf("entry %d is not in the tree of %d", e.Seq, c.Size)
		}
		if e.Proof == nil {
			continue
		}
		p := a.holds(e.Proof)
		if p.Index != e.Seq || string(p.Checkpoint.Note) != r.Checkpoint {
			a.t.Errorf("the proof of entry %d is of %d under %q", e.Seq, p.Index, p.Checkpoint.Note)
		}
		if shown, err := p.Shown(); err != nil || shown.ID != e.ID || shown.RecordedBy.Value == "" {
			a.t.Errorf("the proof of %q shows %+v, %v", e.ID, shown, err)
		}
		rest = strings.Replace(rest, `,"proof":`+string(e.Proof), "", 1)
	}
	quoted, _ := json.Marshal(r.Checkpoint)
	return strings.Replace(rest, `,"checkpoint":`+string(quoted), "", 1)
}

// holds returns a proof, which must hold.
func (a *api) holds(b []byte) bundle.Proof {
	a.t.Helper()
	p, err := bundle.ParseProofJSON(b)
	if err != nil {
		a.t.Fatalf("%v: %s", err, b)
	}
	if err := p.Verify(a.keys()); err != nil {
		a.t.Errorf("%v: %s", err, b)
	}
	return p
}

func TestReceiptThatIsLongProvesEveryEvent(t *testing.T) {
	a := newAPI(t)
	var body bytes.Buffer
	const n = 700
	for i := range n {
		fmt.Fprintln(&body, strings.TrimSuffix(eventJSON(fmt.Sprint(i)), "}")+`,"attributes":{"a":"`+strings.Repeat("x", i)+`"}}`)
	}
	r := request{method: "POST", path: "/api/v1/events?proof=true", body: body.Bytes(), header: map[string]string{"Content-Type": asNDJSON}}
	for range 2 { // duplicates are proven too
		w := a.do(r)
		must(t, w, http.StatusCreated)
		if got := strings.Count(a.unproven(w), `"duplicate":`); got != n {
			t.Errorf("%d entries", got)
		}
		if strings.Contains(w.Body.String(), `"proof":null`) {
			t.Error("an entry without a proof")
		}
	}
}

// Who sends what somebody else has sent learns that it is there, and not who that was.
func TestDuplicateOfAnotherSenderHidesWhoSentIt(t *testing.T) {
	a := newAPI(t)
	a.account("acme")
	grants := []identity.Grant{{Role: identity.EventWriter, Account: "acme"}}
	body := `{"id":"e","account":{"id":"acme"},"occurred_at":"2026-01-15T10:30:00Z","action":"LOGIN","resource":{"type":"USER"},"source":"example/app"}`
	first := a.user("first", "acme", grants, identity.NewToken{})
	for _, send := range []struct {
		token string
		shows bool
	}{{first, true}, {a.admin, false}, {first, true}} {
		w := a.do(request{method: "POST", path: "/api/v1/events", token: send.token, body: []byte(body), header: map[string]string{"Content-Type": asJSON}})
		must(t, w, 201)
		var r receipt
		if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		p := a.holds(r.Entries[0].Proof)
		e, err := p.Shown()
		if err != nil || e.RecordedBy.Present != send.shows || e.ID != "e" {
			t.Errorf("shown %+v, %v", e, err)
		}
		if strings.Contains(string(p.Opening.Append(nil)), "first") != send.shows {
			t.Error("the opening has the sender's name, or has it not")
		}
	}
}

func TestReceiptSaysWhatItCannotProve(t *testing.T) {
	a := faked(t, &fakeTrail{append: func(context.Context, []event.Event) (store.Receipt, error) {
		return store.Receipt{Accepted: 1, Entries: make([]store.Recorded, 1)}, nil
	}}, 0)
	if w := a.post("/api/v1/events", eventJSON("x")); w.Code != 201 || !strings.Contains(w.Body.String(), `"proof":null`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestProofIsThatOfTheFirstPublishedCheckpoint(t *testing.T) {
	a := newAPI(t)
	a.seed(5, func(i int) string { return eventJSON(fmt.Sprint(i)) })
	const path = "/api/v1/events/3/proof"
	w := a.do(request{path: path})
	wantProblem(t, w, 404, "not-found", map[string]any{"field": "seq"})
	if w.Header().Get("Retry-After") != "10" {
		t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
	}
	first := a.publish()
	text := a.do(request{path: path, header: map[string]string{"Accept": "text/plain"}}).Body.String()
	twin := a.do(request{path: path}).Body.String()
	a.seed(7, func(i int) string { return eventJSON(fmt.Sprint(5 + i)) })
	a.publish()
	for _, c := range []struct{ name, query, accept, want, contentType string }{
		{"nothing said", "", "", twin, "application/json"},
		{"anything", "", "*/*", twin, "application/json"},
		{"a browser's script", "", "application/json, text/plain, */*", twin, "application/json"},
		{"text liked better", "", "application/json;q=0.5, text/plain", text, "text/plain; charset=utf-8"},
		{"text", "?format=text", "application/json", text, "text/plain; charset=utf-8"},
		{"JSON", "?format=json", "text/plain", twin, "application/json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := a.in(t).do(request{path: path + c.query, header: map[string]string{"Accept": c.accept}})
			if w.Code != 200 || w.Body.String() != c.want || w.Header().Get("Content-Type") != c.contentType {
				t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
			}
		})
	}
	p := a.holds([]byte(twin))
	if p.Checkpoint.Size != first.Size || p.Index != 3 || p.Opening.Form != event.FullOpening {
		t.Errorf("%+v", p)
	}
	if fromText, err := bundle.ParseProof([]byte(text)); err != nil || string(fromText.JSON()) != string(p.JSON()) {
		t.Errorf("the text is another proof: %v", err)
	}
	if e, err := p.Shown(); err != nil || e.ID != "3" {
		t.Errorf("%+v, %v", e, err)
	}
	for path, field := range map[string]string{"/api/v1/events/3/proof?format=xml": "format", "/api/v1/events/03/proof": "seq", "/api/v1/events/x/proof": "seq", "/api/v1/events/3/proof?size=4": "size"} {
		wantProblem(t, a.do(request{path: path}), 400, "invalid", map[string]any{"field": field})
	}
	for _, seq := range []string{"12", "9223372036854775808", "18446744073709551615"} {
		w := a.do(request{path: "/api/v1/events/" + seq + "/proof"})
		wantProblem(t, w, 404, "not-found", nil)
		if w.Header().Get("Retry-After") != "" {
			t.Errorf("entry %s will be there", seq)
		}
	}
}

// A proof shows what a reader may see, and that to whoever may take it out of the house.
func TestProofIsForThoseWhoMayExportTheEntry(t *testing.T) {
	a := newAPI(t)
	a.account("acme", "other")
	body := func(account, division string) string {
		return fmt.Sprintf(`{"occurred_at":"2026-01-15T10:30:00Z","action":"A","resource":{"type":"B"},"source":"example/app","account":{"id":%q},"division":{"id":%q}}`, account, division)
	}
	must(t, a.post("/api/v1/events", "["+body("acme", "emea")+","+body("acme", "apac")+","+body("other", "emea")+"]"), 201)
	must(t, a.post("/api/v1/divisions", `{"account_id":"acme","id":"emea","name":"EMEA"}`), 201)
	a.publish()
	if _, err := a.trail.RotateKey(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	fact := a.trail.Size() - 1
	late := a.trail.Size()
	must(t, a.post("/api/v1/events", body("other", "emea")), 201)
	for _, c := range []struct {
		name   string
		grant  identity.Grant
		read   [4]int // acme emea, acme apac, other, the fact
		proven [4]int
	}{
		{"auditor", identity.Grant{Role: identity.Auditor, Account: "acme"}, [4]int{200, 200, 404, 404}, [4]int{200, 200, 404, 404}},
		{"auditor of a division", identity.Grant{Role: identity.Auditor, Account: "acme", Divisions: []string{"emea"}}, [4]int{200, 404, 404, 404}, [4]int{200, 404, 404, 404}},
		{"viewer", identity.Grant{Role: identity.ViewOnly, Account: "acme"}, [4]int{200, 200, 404, 404}, [4]int{403, 403, 403, 403}},
		{"viewer of everything", identity.Grant{Role: identity.ViewOnly, Server: true}, [4]int{200, 200, 200, 200}, [4]int{403, 403, 403, 403}},
		{"auditor of everything", identity.Grant{Role: identity.Auditor, Server: true}, [4]int{200, 200, 200, 200}, [4]int{200, 200, 200, 200}},
		{"monitor", identity.Grant{Role: identity.Monitor, Server: true}, [4]int{403, 403, 403, 200}, [4]int{403, 403, 403, 200}},
		{"writer", identity.Grant{Role: identity.EventWriter, Account: "acme"}, [4]int{403, 403, 403, 403}, [4]int{403, 403, 403, 403}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := a.in(t)
			token := a.user(strings.ReplaceAll(c.name, " ", "-"), "acme", []identity.Grant{c.grant}, identity.NewToken{})
			a.publish()
			for i, seq := range []uint64{0, 1, 2, fact} {
				path := fmt.Sprintf("/api/v1/events/%d", seq)
				if w := a.do(request{path: path, token: token}); w.Code != c.read[i] {
					t.Errorf("GET %s: %d, want %d: %s", path, w.Code, c.read[i], w.Body)
				} else if seq == fact && w.Code == 200 && !strings.Contains(w.Body.String(), `"kind":"key","statement":{"key":`) {
					t.Errorf("the fact is %s", w.Body)
				}
				w := a.do(request{path: path + "/proof", token: token})
				if w.Code != c.proven[i] {
					t.Errorf("GET %s/proof: %d, want %d: %s", path, w.Code, c.proven[i], w.Body)
				} else if w.Code == 200 {
					a.holds(w.Body.Bytes())
				}
			}
		})
	}
	// What is hidden is not even promised.
	hidden := a.user("hidden", "acme", []identity.Grant{{Role: identity.Auditor, Account: "acme"}}, identity.NewToken{})
	a.publish()
	w := a.do(request{path: fmt.Sprintf("/api/v1/events/%d/proof", late), token: hidden})
	wantProblem(t, w, 404, "not-found", nil)
}
