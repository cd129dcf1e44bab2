package bundle_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/bundle"
	"countersign/event"
)

// verifyScript runs docs/verify.py, which shares no code with the server.
type verifyScript struct {
	t      *testing.T
	python string
	keys   string
}

func newVerifyScript(t *testing.T) *verifyScript {
	python, err := exec.LookPath("python3")
	if err == nil {
		_, err = exec.LookPath("openssl")
	}
	if err != nil {
		t.Skip("NOT TESTED: python3 or openssl is missing, so no proof was checked by docs/verify.py")
	}
	return &verifyScript{t, python, proofKeysFile}
}

// run returns what the script prints of a proof, "" when it is refused.
func (s *verifyScript) run(proof []byte) string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "x.tlog-proof")
	if err := os.WriteFile(file, proof, 0o600); err != nil {
		s.t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(s.t.Context(), s.python, filepath.Join("..", "docs", "verify.py"), s.keys, file)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch exit, _ := err.(*exec.ExitError); {
	case err == nil && strings.HasPrefix(stdout.String(), "OK: "):
		return stdout.String()
	case exit == nil || exit.ExitCode() != 1 || !strings.HasPrefix(stderr.String(), "WRONG: ") || stdout.Len() > 0:
		s.t.Fatalf("%v\n%s%s\nof %q", err, stdout.String(), stderr.String(), proof)
	}
	return ""
}

// scriptFields are the fields of an entry as the script names them.
func scriptFields(o *event.Opening, e *event.Entry) map[string]any {
	fields := map[string]any{}
	set := func(name string, t event.Text) {
		if t.Present {
			fields[name] = t.Value
		}
	}
	if e.Kind != event.KindEvent {
		fields["kind"], fields["statement"] = json.Number(fmt.Sprint(e.Kind)), e.Statement
	}
	if o.Items[event.FieldScope].Shown {
		fields["account.id"] = e.Account.ID
		set("division.id", e.Division.ID)
	}
	if o.Items[event.FieldFrame].Shown {
		for name, n := range map[string]any{
			"seq": e.Seq, "received_us": int64(e.ReceivedAt), "occurred_us": int64(e.OccurredAt), "account_seq": e.AccountSeq, "account_prev": e.AccountPrev,
		} {
			fields[name] = json.Number(fmt.Sprint(n))
		}
		for name, s := range map[string]string{"action": e.Action, "resource.type": e.Resource.Type, "outcome": e.Outcome, "source": e.Source} {
			fields[name] = s
		}
	}
	for name, t := range map[string]event.Text{
		"id": event.TextOrAbsent(e.ID), "account.name": e.Account.Name, "division.name": e.Division.Name, "actor.id": e.Actor.ID, "actor.name": e.Actor.Name,
		"actor.type": event.TextOrAbsent(e.Actor.Type), "resource.id": e.Resource.ID, "resource.name": e.Resource.Name, "description": e.Description,
		"detail": e.Detail, "client.ip": e.Client.IP, "client.country": e.Client.Country, "recorded_by": e.RecordedBy,
	} {
		set(name, t)
	}
	if hash, shown := o.RawHash(); shown {
		fields["sha256_of_raw"] = hex.EncodeToString(hash[:])
	}
	for _, a := range e.Attributes {
		fields["attributes."+a.Name] = a.Value
	}
	return fields
}

func TestPythonVerifiesProofsAndShowsTheSame(t *testing.T) {
	script := newVerifyScript(t)
	for name, p := range proofVectors(t) {
		out := script.run(p.Text())
		if out == "" {
			t.Errorf("%s: refused", name)
			continue
		}
		e, err := p.Shown()
		if err != nil {
			t.Fatal(err)
		}
		head, body, _ := strings.Cut(out, "\n")
		if want := fmt.Sprintf("OK: entry %d of the %d that %s had", p.Index, p.Checkpoint.Size, proofOrigin); head != want {
			t.Errorf("%s: %q, want %q", name, head, want)
		}
		d := json.NewDecoder(strings.NewReader(body))
		d.UseNumber()
		var got map[string]any
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(scriptFields(&p.Opening, &e), got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// The script is laxer in spelling than the server; what it says must be true all the same.
func TestPythonSaysNothingElseOfAChangedProof(t *testing.T) {
	script := newVerifyScript(t)
	l := newProofTrail(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for name, p := range map[string]bundle.Proof{"part": l.proof(6, proofSize, noActor), "full": l.proof(12, proofSize, event.Open)} {
		want := script.run(p.Text())
		var all [][]byte
		mutations(p.Text(), func(_ string, changed []byte) { all = append(all, changed) })
		for range 25 {
			changed := all[r.IntN(len(all))]
			if got := script.run(changed); got != "" && got != want {
				t.Errorf("%s: changed to %q: the script says\n%s", name, changed, got)
			}
		}
	}
}

func TestPythonRefusesForgeries(t *testing.T) {
	script := newVerifyScript(t)
	l := newProofTrail(t)
	moved := newProofTrail(t)
	moved.entries, moved.leaves = moved.entries[:7], moved.leaves[:7]
	moved.add(l.entries[6])
	other := newProofTrail(t)
	other.signer = fixedSigner(t, proofOrigin, 9)
	falseValue := event.OpeningItem{Field: event.FieldDescription, Shown: true, Value: []byte("all is well")}
	of := func(p bundle.Proof, change func(*bundle.Proof)) bundle.Proof {
		change(&p)
		return p
	}
	part, frame, full := l.proof(6, proofSize, noActor), l.proof(6, proofSize, event.OpenFrame), l.proof(6, proofSize, event.Open)
	for name, p := range map[string]bundle.Proof{
		"another key":         other.proof(6, proofSize, event.Open),
		"an entry moved":      moved.movedProof(),
		"another index":       of(full, func(p *bundle.Proof) { p.Index++ }),
		"an index below zero": of(full, func(p *bundle.Proof) { p.Index = 1<<64 - 1 }),
		"another value":       of(full, func(p *bundle.Proof) { p.Opening = l.proof(7, proofSize, event.Open).Opening }),
		"a path too long":     of(full, func(p *bundle.Proof) { p.Path = append(slices.Clone(p.Path), p.Path[0]) }),
		"a path too short":    of(full, func(p *bundle.Proof) { p.Path = p.Path[1:] }),
		"no path":             of(full, func(p *bundle.Proof) { p.Path = nil }),
		"a false value before the hidden one": of(part, func(p *bundle.Proof) {
			i := slices.IndexFunc(p.Opening.Items, func(item event.OpeningItem) bool { return item.Field == event.FieldDescription })
			c := event.Commitment(p.Opening.Items[i].Salt, event.FieldDescription, p.Opening.Items[i].Value)
			p.Opening.Items = slices.Concat(p.Opening.Items[:i], []event.OpeningItem{falseValue, {Field: event.FieldDescription, Commitment: c}}, p.Opening.Items[i+1:])
		}),
		"a false value that no hash covers": of(frame, func(p *bundle.Proof) { p.Opening.Items = append(slices.Clone(p.Opening.Items), falseValue) }),
	} {
		if out := script.run(p.Text()); out != "" {
			t.Errorf("%s: the script says\n%s", name, out)
		}
		if p.Verify(l.keys) == nil {
			t.Errorf("%s: verified", name)
		}
	}
	script.keys = filepath.Join(t.TempDir(), "none")
	if err := os.WriteFile(script.keys, []byte("# none\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := script.run(full.Text()); out != "" {
		t.Errorf("without a key the script says\n%s", out)
	}
}
