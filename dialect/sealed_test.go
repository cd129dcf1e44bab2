// Package dialect_test asks the same of all dialects at once.
package dialect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/dialect/digicertone"
	"countersign/dialect/discovery"
	"countersign/dialect/keyfactor"
	"countersign/dialect/native"
	"countersign/event"
	"countersign/internal/dialecttest"
	"countersign/internal/testkit"
	"countersign/query"
	"countersign/store"
	"countersign/store/storetest"
)

// sealed is a store with what the server adds to it.
type sealed struct{ *store.Store }

func (s sealed) Find(ctx context.Context, q query.Query, pick func(*event.Entry) bool) (found *event.Entry, size uint64, err error) {
	enough := errors.New("found")
	p, err := s.Each(ctx, q, func(e *event.Entry) error {
		if !pick(e) {
			return nil
		}
		found = e
		return enough
	})
	if errors.Is(err, enough) {
		err = nil
	}
	return found, p.TreeSize, err
}

// slice is a trail whose lists and numbers come from a plain slice. The rest is the store's.
type slice struct {
	sealed
	model *storetest.Model
}

func (s *slice) Search(_ context.Context, q query.Query) (store.Page, error) {
	return s.model.Answer(q), nil
}

func (s *slice) SearchPinned(_ context.Context, _ string, q query.Query) (store.Page, error) {
	return s.model.Answer(q), nil
}

func (s *slice) Each(_ context.Context, q query.Query, fn func(*event.Entry) error) (store.Page, error) {
	q.Offset, q.Limit = 0, len(s.model.Entries)
	p := s.model.Answer(q)
	all := p.Entries
	p.Entries, p.Total = nil, 0
	for _, e := range all {
		p.Total++
		if err := fn(e); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (s *slice) Texts(ctx context.Context, q query.Query, visit func(string)) (store.Page, error) {
	of := q.Sort.CompileText()
	return s.Each(ctx, q, func(e *event.Entry) error {
		if v := of(e); v.Present {
			visit(v.Value)
		}
		return nil
	})
}

// asked is the same API over both trails, and how a random request of it is made.
type asked struct {
	name          string
	sealed, slice http.Handler
	request       func(r *rand.Rand, entries []*event.Entry, caller string) *http.Request
}

// TestDialectsAnswerFromASealedTrailAsFromASlice sends random requests of each API, by people who may see different parts,
// to one over a store that has sealed and merged and to one over a plain slice: the answers are the same bytes.
func TestDialectsAnswerFromASealedTrailAsFromASlice(t *testing.T) {
	seed := storetest.Seed(t)
	r := rand.New(rand.NewPCG(seed, 61))
	estate := dialecttest.NewEstate(t, nil)
	s := sealed{sealedTrail(t, r, estate)}
	all, err := s.Search(t.Context(), query.Query{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	plain := &slice{s, &storetest.Model{Entries: all.Entries, Size: s.Size()}}
	noon := dialecttest.Clock(time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC))
	id := estate.Directory
	apis := []asked{
		{"native", native.New(native.Deps{Trail: s, Identity: id}), native.New(native.Deps{Trail: plain, Identity: id}), nativeRequest},
		{"DigiCert ONE", digicertone.New(digicertone.Deps{Trail: s, Identity: id}), digicertone.New(digicertone.Deps{Trail: plain, Identity: id}), digicertRequest},
		{"Discovery", discovery.New(discovery.Deps{Trail: s, Identity: id}), discovery.New(discovery.Deps{Trail: plain, Identity: id}), discoveryRequest},
		{"Keyfactor", keyfactor.New(keyfactor.Deps{Trail: s, Identity: id, Now: noon}), keyfactor.New(keyfactor.Deps{Trail: plain, Identity: id, Now: noon}), keyfactorRequest},
	}
	end := time.Now().Add(testkit.SoakFor(t))
	callers := []string{"root", "both", "auditor", "emea"}
	good := map[string]int{}
	n := 0
	for ; n < 1500 || time.Now().Before(end); n++ {
		api := apis[n%len(apis)]
		one := api.request(r, all.Entries, estate.Tokens[callers[r.IntN(len(callers))]])
		body, err := io.ReadAll(one.Body)
		if err != nil {
			t.Fatal(err)
		}
		var answers [2]*httptest.ResponseRecorder
		for i, h := range []http.Handler{api.sealed, api.slice} {
			again := one.Clone(t.Context())
			again.Body = io.NopCloser(bytes.NewReader(body))
			answers[i] = httptest.NewRecorder()
			h.ServeHTTP(answers[i], again)
		}
		got, want := answers[0], answers[1]
		if got.Code != want.Code || got.Code < 400 && !bytes.Equal(got.Body.Bytes(), want.Body.Bytes()) {
			t.Fatalf("%s: %s %s %s: %d %.2000s, want %d %.2000s", api.name, one.Method, one.URL, body, got.Code, got.Body, want.Code, want.Body)
		}
		if got.Code == http.StatusOK {
			good[api.name]++
		}
	}
	for _, api := range apis {
		testkit.Counted(t, good[api.name], "random requests of the "+api.name+" API over a sealed trail")
		if good[api.name] < n/20 {
			t.Errorf("%s: only %d of %d requests were answered", api.name, good[api.name], n/len(apis))
		}
	}
}

// sealedTrail opens a trail with sealed and merged entries, and some that are in memory.
func sealedTrail(t *testing.T, r *rand.Rand, estate *dialecttest.Estate) *store.Store {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(dir, store.Options{
		DedupKey: estate.Directory.DedupKey(), NoPreallocate: true, PublishEvery: -1, IndexStep: 256, SealEntries: 256,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for range 12 {
		es := make([]event.Event, 230)
		for i := range es {
			es[i] = testkit.Random(r)
			if r.IntN(3) > 0 {
				es[i].Account.ID = []string{"acme", "other"}[r.IntN(2)]
			}
			if r.IntN(3) == 0 {
				es[i].Division.ID = event.TextOf("emea")
			}
		}
		dialecttest.Record(t, s, es...)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		indexes, _ := filepath.Glob(filepath.Join(dir, "index", "*.index"))
		if now, _ := s.Unsealed(); now < 256 && len(indexes) < 8 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it is not sealed and merged")
		}
	}
	if _, err := s.PublishNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func get(path string, v url.Values) *http.Request {
	return httptest.NewRequest(http.MethodGet, path+"?"+v.Encode(), http.NoBody)
}

func pick(r *rand.Rand, entries []*event.Entry) *event.Entry { return entries[r.IntN(len(entries))] }

func nativeRequest(r *rand.Rand, entries []*event.Entry, token string) *http.Request {
	q := storetest.Query(r, entries)
	v := url.Values{"q": {query.Print(q.Filter)}, "offset": {strconv.FormatUint(q.Offset, 10)}, "limit": {strconv.Itoa(q.Limit)}}
	if len(q.Sort.Classes) == 0 && len(q.Sort.Cases) == 0 && q.Sort.Field != "" {
		v.Set("sort", query.PrintSort(q.Sort))
	}
	if q.AsOf != nil {
		v.Set("as_of", strconv.FormatUint(*q.AsOf, 10))
	}
	req := get("/api/v1/events", v)
	req.Header.Set("Authorization", "Bearer "+token)
	return req
}

func digicertRequest(r *rand.Rand, entries []*event.Entry, token string) *http.Request {
	v := url.Values{"limit": {strconv.Itoa(1 + r.IntN(60))}}
	for name, of := range map[string]func(*event.Entry) string{
		"user_name":     func(e *event.Entry) string { return e.Actor.Name.Value },
		"action":        func(e *event.Entry) string { return e.Action },
		"resource_type": func(e *event.Entry) string { return e.Resource.Type },
		"status":        func(e *event.Entry) string { return strings.ToUpper(e.Outcome) },
		"account_id":    func(e *event.Entry) string { return e.Account.ID },
		"sort": func(*event.Entry) string {
			return []string{"actor.name", "-timestamp", "user_name:desc", "action"}[r.IntN(4)]
		},
		"offset": func(*event.Entry) string { return strconv.Itoa(r.IntN(200)) },
		"from":   func(e *event.Entry) string { return e.OccurredAt.Time().Format(time.DateOnly) },
	} {
		if r.IntN(5) == 0 {
			v.Set(name, of(pick(r, entries)))
		}
	}
	req := get("/account/api/v1/audit-log", v)
	req.Header.Set("x-api-key", token)
	return req
}

func discoveryRequest(r *rand.Rand, entries []*event.Entry, token string) *http.Request {
	body := map[string]any{"divisionIds": []string{}, "searchCriteriaList": []any{}, "startIndex": 1 + r.IntN(200), "pageSize": 1 + r.IntN(60)}
	if r.IntN(4) > 0 {
		body["accountId"] = pick(r, entries).Account.ID
	}
	if r.IntN(2) == 0 {
		body["sortedBy"] = []string{"dateTime", "module", "function", "userName", "message"}[r.IntN(5)]
		body["ascending"] = r.IntN(2) == 0
	}
	var criteria []any
	for key, value := range map[string]string{"userName": pick(r, entries).Actor.Name.Value, "module": "Sensors", "function": "Download sensor", "message": "a"} {
		if r.IntN(6) == 0 {
			criteria = append(criteria, map[string]any{"key": key, "operation": "EQUALS", "value": []string{value}})
		}
	}
	body["searchCriteriaList"] = criteria
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	req := httptest.NewRequest(http.MethodPost, "/apicontroller/v1/auditlog/list", bytes.NewReader(b))
	req.Header.Set("X-DC-DEVKEY", token)
	req.Header.Set("Content-Type", "application/json")
	return req
}

func keyfactorRequest(r *rand.Rand, entries []*event.Entry, token string) *http.Request {
	quoted := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, "") + `"` }
	terms := make([]string, r.IntN(4))
	for i := range terms {
		e := pick(r, entries)
		terms[i] = []string{
			"Level -eq " + strconv.Itoa(r.IntN(3)),
			"Level -ne " + strconv.Itoa(r.IntN(3)),
			"Operation -eq " + strconv.Itoa(1+r.IntN(25)),
			"Category -eq " + strconv.Itoa(2001+r.IntN(40)),
			"User -contains " + quoted(e.Actor.Name.Value),
			"User -eq NULL",
			"AuditIdentifier -startswith " + quoted(e.Resource.Name.Value),
			"EntityType -notcontains " + quoted("Cert"),
			"Id -ge " + strconv.Itoa(r.IntN(len(entries))),
			"Timestamp -lt " + quoted(e.OccurredAt.Time().Format(time.RFC3339)),
		}[r.IntN(10)]
	}
	v := url.Values{"QueryString": {strings.Join(terms, []string{" AND ", " OR "}[r.IntN(2)])}, "ReturnLimit": {fmt.Sprint(1 + r.IntN(60))}, "PageReturned": {fmt.Sprint(1 + r.IntN(20))}}
	if r.IntN(2) == 0 {
		v.Set("SortField", []string{"Id", "Timestamp", "Category", "Level", "Operation", "User", "EntityType", "AuditIdentifier", "ImmutableIdentifier"}[r.IntN(9)])
		v.Set("SortAscending", strconv.Itoa(r.IntN(2)))
	}
	req := get("/KeyfactorAPI/Audit", v)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("x-keyfactor-requested-with", "APIClient")
	return req
}
