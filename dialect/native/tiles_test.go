package native_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"countersign/bundle"
	"countersign/dialect/native"
	"countersign/identity"
	"countersign/internal/apicheck"
	"countersign/merkle"
)

func TestNothingIsPublishedOfAnEmptyTrail(t *testing.T) {
	a := newAPI(t)
	for _, path := range []string{"/checkpoint", "/api/v1/consistency?from=0"} {
		w := a.do(request{path: path, token: "-"})
		wantProblem(t, w, 404, "not-found", nil)
		if w.Header().Get("Retry-After") == "" {
			t.Errorf("%s will not be there", path)
		}
	}
	wantProblem(t, a.do(request{path: "/tile/0/000.p/1", token: "-"}), 404, "not-found", nil)
	wantProblem(t, a.do(request{path: "/tile/entries/000.p/1"}), 404, "not-found", nil)
	if w := a.do(request{path: "/api/v1/events"}); w.Header().Get("X-Countersign-Checkpoint") != "" {
		t.Errorf("checkpoint %q", w.Header().Get("X-Countersign-Checkpoint"))
	}
}

func TestCheckpointIsTheNewestPublishedOne(t *testing.T) {
	a := newAPI(t)
	for i := range 3 {
		a.seed(2, func(n int) string { return eventJSON(fmt.Sprint(i, n)) })
		c := a.publish()
		w := a.do(request{path: "/checkpoint", token: "-"})
		if w.Code != 200 || w.Body.String() != string(c.Note) {
			t.Errorf("%d %q", w.Code, w.Body)
		}
		for name, want := range map[string]string{"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "public, max-age=5"} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s %q, want %q", name, got, want)
			}
		}
		want := fmt.Sprintf("tree_size=%d, root=:%s:, erasure_mark=0", c.Size, strings.Split(string(c.Note), "\n")[2])
		for _, path := range []string{"/api/v1/events", "/api/v1/events/0", "/api/v1/events/99", "/api/v1/events/export", "/api/v1/users/me"} {
			if got := a.do(request{path: path}).Header().Get("X-Countersign-Checkpoint"); got != want {
				t.Errorf("%s has the checkpoint %q, want %q", path, got, want)
			}
		}
		if got := a.do(request{path: "/api/v1/events", token: "-"}).Header().Get("X-Countersign-Checkpoint"); got != "" {
			t.Errorf("nobody is told %q", got)
		}
	}
	wantProblem(t, a.do(request{path: "/checkpoint?size=1"}), 400, "invalid", map[string]any{"field": "size"})
}

func TestTilesAreThoseOfThePublishedTree(t *testing.T) {
	a := newAPI(t)
	const n = 600
	a.seed(n, func(i int) string { return eventJSON(fmt.Sprint(i)) })
	a.publish()
	a.seed(10, func(i int) string { return eventJSON(fmt.Sprint("later", i)) })
	monitor := a.user("monitor", identity.OwnAccount, []identity.Grant{{Role: identity.Monitor, Server: true}}, identity.NewToken{})
	bound := a.user("bound", identity.OwnAccount, []identity.Grant{{Role: identity.Monitor, Server: true}}, identity.NewToken{Accounts: []string{identity.OwnAccount}})
	viewer := a.user("viewer", identity.OwnAccount, []identity.Grant{{Role: identity.Auditor, Server: true}}, identity.NewToken{})

	const full, part = "max-age=31536000, immutable", "max-age=3600"
	for _, c := range []struct {
		path  string
		cache string
		bytes int
	}{
		{"/tile/0/000", full, 256 * 32}, {"/tile/0/001", full, 256 * 32}, {"/tile/0/002.p/88", part, 88 * 32}, {"/tile/0/002.p/1", part, 32},
		{"/tile/0/000.p/255", part, 255 * 32}, {"/tile/1/000.p/2", part, 2 * 32}, {"/tile/1/000.p/1", part, 32},
		{"/tile/entries/000", full, 256 * 56}, {"/tile/entries/002.p/88", part, 88 * 56},
	} {
		who, token := "public, ", "-"
		if strings.Contains(c.path, "entries") {
			who, token = "private, ", monitor
		}
		w := a.do(request{path: c.path, token: token})
		if w.Code != 200 || w.Body.Len() != c.bytes || w.Header().Get("Cache-Control") != who+c.cache || w.Header().Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%s: %d, %d bytes, %v", c.path, w.Code, w.Body.Len(), w.Header())
		}
	}
	// The entries hash to the leaves, and a full tile to a hash above.
	entries := a.do(request{path: "/tile/entries/001", token: monitor}).Body.Bytes()
	leaves := a.do(request{path: "/tile/0/001"}).Body.Bytes()
	var edge merkle.Edge
	for i := range 256 {
		size := binary.BigEndian.Uint16(entries)
		leaf := sha256.Sum256(append([]byte{0}, entries[2:2+size]...))
		if string(leaf[:]) != string(leaves[32*i:][:32]) {
			t.Fatalf("leaf %d is not the hash of its entry", i)
		}
		edge.Append(leaf)
		entries = entries[2+size:]
	}
	if root := edge.Root(); string(root[:]) != string(a.do(request{path: "/tile/1/000.p/2"}).Body.Bytes()[32:]) {
		t.Error("the hash above is not that of the tile")
	}

	for _, path := range []string{"/tile/0/002.p/89", "/tile/0/002", "/tile/0/003.p/1", "/tile/1/000.p/3", "/tile/1/000", "/tile/2/000.p/1", "/tile/8/000.p/1", "/tile/63/000.p/1",
		"/tile/entries/002.p/89", "/tile/entries/003.p/1", "/tile/0/x999/x999/x999/x999/x999/999", "/tile/0/x009/x223/x372/x036/x854/x775/807"} {
		w := a.do(request{path: path, token: monitor})
		wantProblem(t, w, 404, "not-found", nil)
		if w.Header().Get("Cache-Control") != "" {
			t.Errorf("%s: that it is not there yet may be kept: %v", path, w.Header())
		}
	}
	for token, want := range map[string]int{"-": 401, "wrong": 401, bound: 403, viewer: 403, monitor: 200, a.admin: 200} {
		if w := a.do(request{path: "/tile/entries/000", token: token}); w.Code != want {
			t.Errorf("entries: %d, want %d", w.Code, want)
		}
	}
}

// What is escaped, padded or has another number of groups is another path.
func TestTilePathsHaveOneRendering(t *testing.T) {
	a := newAPI(t)
	a.seed(300, func(i int) string { return eventJSON(fmt.Sprint(i)) })
	a.publish()
	must := func(path string) {
		t.Helper()
		if w := a.do(request{path: path}); w.Code != 200 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	must("/tile/0/000")
	must("/tile/entries/000")
	for _, path := range []string{
		"/tile/0/0", "/tile/0/00", "/tile/0/0000", "/tile/0/x000/000", "/tile/0/x000", "/tile/0/000/", "/tile/0/", "/tile/", "/tile/00/000", "/tile/+0/000",
		"/tile/64/000", "/tile/-1/000", "/tile/0/000.p/0", "/tile/0/000.p/00", "/tile/0/000.p/256", "/tile/0/000.p/01", "/tile/0/000.p/", "/tile/0/000.p", "/tile/0/000.P/1",
		"/tile/%30/000", "/tile/0/%30%30%30", "/tile/0/000%2ep/1", "/tile/0/000.p%2f1", "/tile/0/%78001/000", "/tile/entries/", "/tile/entries/0", "/tile/entries/%30%30%30",
		"/tile/Entries/000", "/tile/leaf/000", "/tile/0/x009/x223/x372/x036/x854/x775/808", "/tile/0/" + strings.Repeat("x001/", 40) + "000",
	} {
		wantProblem(t, a.do(request{path: path}), 404, "not-found", nil)
	}
	for _, path := range []string{"/tile/0/000?x=1", "/tile/entries/000?token=1"} {
		wantProblem(t, a.do(request{path: path}), 400, "invalid", map[string]any{"field": strings.TrimSuffix(path[strings.Index(path, "?")+1:], "=1")})
	}
}

func TestEntriesCanBeOpenToAll(t *testing.T) {
	a := newAPI(t)
	a.seed(3, func(i int) string { return eventJSON(fmt.Sprint(i)) })
	a.publish()
	a.handler = apicheck.Handler(t, native.New(native.Deps{Trail: a.trail, Identity: a.dir, OpenEntries: true}))
	w := a.do(request{path: "/tile/entries/000.p/3", token: "-"})
	if w.Code != 200 || w.Header().Get("Cache-Control") != "public, max-age=3600" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if b := w.Body.Bytes(); len(b) != 3*56 || b[1] != 54 || string(b[2:23]) != "countersign/entry/v1\n" {
		t.Errorf("%q", b)
	}
}

func TestConsistencyConnectsAnyTwoSizes(t *testing.T) {
	a := newAPI(t)
	held := []merkle.Checkpoint{} // of acknowledgements
	var published merkle.Checkpoint
	for i := range 20 {
		w := a.post("/api/v1/events", "["+eventJSON(fmt.Sprint("a", i))+","+eventJSON(fmt.Sprint("b", i))+"]")
		c, err := merkle.ParseCheckpoint([]byte(must(t, w, 201)["checkpoint"].(string)))
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
		if i%7 == 3 {
			published = a.publish()
		}
	}
	newest := a.publish()
	for i, from := range held {
		for _, to := range append(held[i:], newest) {
			w := a.do(request{path: fmt.Sprintf("/api/v1/consistency?from=%d&to=%d", from.Size, to.Size), token: "-"})
			c, err := bundle.ParseConsistency(w.Body.Bytes())
			if err != nil || c.From != from.Size || c.To != to.Size {
				t.Fatalf("%v: %d %s", err, w.Code, w.Body)
			}
			if err := merkle.CheckConsistency(c.Path, from.Size, from.Root, to.Size, to.Root); err != nil {
				t.Errorf("from %d to %d: %v", from.Size, to.Size, err)
			}
		}
	}
	for query, want := range map[string]map[string]any{
		"from=0":                   {"from": 0.0, "to": float64(newest.Size)},
		"from=40&checkpoints=true": {"from": 40.0, "to": 40.0, "from_checkpoint": string(newest.Note), "to_checkpoint": string(newest.Note)},
		fmt.Sprintf("from=%d&to=39&checkpoints=true", published.Size): {"to": 39.0, "from_checkpoint": string(published.Note), "to_checkpoint": nil},
		"from=0&to=0&checkpoints=true":                                {"from_checkpoint": nil, "to_checkpoint": nil},
	} {
		m := must(t, a.do(request{path: "/api/v1/consistency?" + query, token: "-"}), 200)
		for name, v := range want {
			if got, there := m[name]; !there || got != v {
				t.Errorf("%s: %s is %v, want %v", query, name, got, v)
			}
		}
	}
	a.seed(5, func(i int) string { return eventJSON(fmt.Sprint("unpublished", i)) })
	for query, want := range map[string]struct {
		status int
		field  string
	}{
		"":                              {400, "from"},
		"to=3":                          {400, "from"},
		"from=":                         {400, "from"},
		"from=-1":                       {400, "from"},
		"from=01":                       {400, "from"},
		"from=5&to=4":                   {400, "from"},
		"from=1&to=x":                   {400, "to"},
		"from=1&size=2":                 {400, "size"},
		"from=1&from=2":                 {400, "from"},
		"from=1&checkpoints=1":          {400, "checkpoints"},
		"from=9223372036854775808":      {400, "from"},
		"from=1&to=41":                  {404, "to"},
		"from=42":                       {404, "from"},
		"from=9223372036854775807":      {404, "from"},
		"from=1&to=9223372036854775807": {404, "to"},
	} {
		w := a.do(request{path: "/api/v1/consistency?" + query, token: "-"})
		if want.status == 400 {
			wantProblem(t, w, 400, "invalid", map[string]any{"field": want.field})
			continue
		}
		wantProblem(t, w, 404, "not-found", map[string]any{"field": want.field})
		if w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", query)
		}
	}
}
