package server_test

import (
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"countersign/identity"
	"countersign/server"
)

func TestRatesAreReadAndWritten(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"1000/3m", "1000/3m"},
		{"1000/3m,100/5s", "1000/3m,100/5s"},
		{" 1000/3m , 100/5s ", "1000/3m,100/5s"},
		{"1/24h", "1/24h"},
		{"5/1h30m", "5/1h30m"},
		{"5/90s", "5/1m30s"},
		{"7/1ms", "7/1ms"},
		{"off", "off"},
		{"", "off"},
	} {
		rates := server.Rates{{Requests: 1, Per: time.Second}}
		if err := rates.Set(c.text); err != nil || rates.String() != c.want {
			t.Errorf("%q is %s, %v", c.text, rates, err)
		}
		var again server.Rates
		if err := again.Set(rates.String()); err != nil || again.String() != rates.String() {
			t.Errorf("%q reads back as %s, %v", rates, again, err)
		}
	}
	for _, text := range []string{"1000", "1000/", "/3m", "0/3m", "-1/3m", "1.5/3m", "1000/3", "1000/0s", "1000/-1s", "1000/25h", "1/1ns",
		"1000000001/1s", "1/1s,", ",1/1s", "1/1s;2/2s", "off,1/1s", "1/1s,1/2s,1/3s,1/4s,1/5s", "99999999999999999999/1s"} {
		rates := server.Rates{{Requests: 1, Per: time.Second}}
		if err := rates.Set(text); err == nil || rates.String() != "1/1s" {
			t.Errorf("%q gives %s, %v", text, rates, err)
		}
	}
}

// TestWhoKeepsWithinTheRateIsNeverRefused sends at random times, but never more than the rate over any window,
// and holds whoever sends more to twice the rate.
func TestWhoKeepsWithinTheRateIsNeverRefused(t *testing.T) {
	rates := server.Rates{{Requests: 20, Per: 10 * time.Second}, {Requests: 5, Per: time.Second}}
	// during is how many of the times, which are in order, lie within the last per before now.
	during := func(times []time.Time, now time.Time, per time.Duration) (n int) {
		for n < len(times) && now.Sub(times[len(times)-1-n]) < per {
			n++
		}
		return n
	}
	within := func(times []time.Time, now time.Time) bool {
		return !slices.ContainsFunc(rates, func(r server.Rate) bool { return during(times, now, r.Per) >= r.Requests })
	}
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		honest, greedy := server.NewLimits(rates), server.NewLimits(rates)
		now := time.Unix(1_800_000_000, 0)
		var sent, got []time.Time
		for range 2000 {
			now = now.Add(time.Duration(r.ExpFloat64() * float64(150*time.Millisecond)))
			if within(sent, now) {
				sent = append(sent, now)
				if wait := server.Take(honest, "a", now); wait > 0 {
					t.Fatalf("seed %d: refused for %s after %d requests", seed, wait, len(sent))
				}
			}
			wait := server.Take(greedy, "a", now)
			if wait == 0 {
				got = append(got, now)
			} else if server.Take(greedy, "a", now.Add(wait)) != 0 {
				t.Fatalf("seed %d: refused again after the %s that were said", seed, wait)
			} else {
				now = now.Add(wait)
				got = append(got, now)
			}
		}
		for i, end := range got {
			for _, r := range rates {
				n := during(got[:i+1], end, r.Per)
				if n > 2*r.Requests {
					t.Fatalf("seed %d: %d requests within %s", seed, n, r.Per)
				}
			}
		}
	}
}

func TestARefusedRequestCostsNothing(t *testing.T) {
	l := server.NewLimits(server.Rates{{Requests: 100, Per: 100 * time.Second}, {Requests: 1, Per: 10 * time.Second}})
	now := time.Unix(1_800_000_000, 0)
	for range 1000 {
		server.Take(l, "a", now)
	}
	for range 9 { // of 100 a refused one would have taken all
		now = now.Add(10 * time.Second)
		if wait := server.Take(l, "a", now); wait > 0 {
			t.Fatalf("refused for %s", wait)
		}
	}
}

func TestAnyNumberOfKeysTakesBoundedMemory(t *testing.T) {
	l := server.NewLimits(server.Rates{{Requests: 2, Per: time.Hour}})
	now := time.Unix(1_800_000_000, 0)
	refused := 0
	for i := range 3 * server.MaxBuckets {
		now = now.Add(time.Microsecond)
		if server.Take(l, strconv.Itoa(i), now) > 0 {
			refused++
		}
	}
	if n := server.Buckets(l); n > server.MaxBuckets {
		t.Errorf("%d buckets", n)
	}
	if refused == 0 {
		t.Error("keys without a bucket of their own have no limit")
	}
	// What is full again is forgotten.
	server.Take(l, "later", now.Add(2*time.Hour))
	if n := server.Buckets(l); n != 1 {
		t.Errorf("%d buckets after hours of silence", n)
	}
}

func TestAddressesOfOneNetworkCountAsOne(t *testing.T) {
	for a, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "::1": "::/64",
	} {
		if got := server.Origin(netip.MustParseAddr(a)).String(); got != want {
			t.Errorf("%s counts as %s, want %s", a, got, want)
		}
	}
	if server.Origin(netip.Addr{}).IsValid() {
		t.Error("no address counts as one")
	}
}

func TestASessionBeginsOnceAndAgainAfterSilence(t *testing.T) {
	var s server.Sessions
	here, there := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	now := time.Unix(1_800_000_000, 0)
	for i, c := range []struct {
		after time.Duration
		token string
		peer  netip.Addr
		want  bool
	}{
		{0, "a", here, true},
		{0, "a", here, false},
		{0, "b", here, true},
		{0, "a", there, true},
		{14 * time.Minute, "a", here, false},
		{14 * time.Minute, "a", here, false},
		{0, "a", there, true},
		{15 * time.Minute, "a", here, true},
	} {
		now = now.Add(c.after)
		if got := s.Begin(c.token, c.peer, now); got != c.want {
			t.Errorf("call %d: %v", i, got)
		}
	}
	for i := range 2 * server.MaxSessions {
		s.Begin(strconv.Itoa(i), here, now)
	}
	if s.Len() > server.MaxSessions {
		t.Errorf("%d sessions are remembered", s.Len())
	}
}

// limited runs a server with limits.
func limited(t *testing.T, perToken, signIns string) *running {
	return startWith(t, func(c *server.Config) {
		if err := c.RateLimit.Set(perToken); err != nil {
			t.Fatal(err)
		}
		if err := c.SignInLimit.Set(signIns); err != nil {
			t.Fatal(err)
		}
	}, nil)
}

func TestATokenBeyondItsRateIsRefusedInEachShape(t *testing.T) {
	r := limited(t, "3/1h,100/1s", "off")
	for path, shape := range map[string]string{
		"/api/v1/events":                  `"type":"urn:countersign:problem:throttled"`,
		"/account/api/v1/audit-log":       `{"errors":[{"code":"request_limit_exceeded","message":"Service unavailable, please limit request volume"}]}`,
		"/apicontroller/v1/auditlog/list": `{"error":{"code":"request_limit_exceeded","message":"Service unavailable, please limit request volume"},"data":null}`,
	} {
		method, sent := "GET", io.Reader(nil)
		token := r.newToken(identity.NewToken{UserID: identity.Me, Name: strings.Trim(strings.ReplaceAll(path, "/", " "), " ")})
		for i := range 4 {
			if strings.HasPrefix(path, "/apicontroller/") {
				method, sent = "POST", strings.NewReader(`{"accountId":1,"divisionIds":[]}`)
			}
			resp, body := r.do(r.request(method, path, sent, "Authorization", "Bearer "+token))
			switch {
			case i < 3 && resp.StatusCode != http.StatusOK:
				t.Errorf("%s, call %d: %d %s", path, i, resp.StatusCode, body)
			case i == 3 && (resp.StatusCode != http.StatusTooManyRequests || !strings.Contains(body, shape)):
				t.Errorf("%s, call %d: %d %s", path, i, resp.StatusCode, body)
			case i == 3:
				if after, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || after < 1190 || after > 1200 {
					t.Errorf("%s: Retry-After %q, want a third of an hour", path, resp.Header.Get("Retry-After"))
				}
			}
		}
	}
	for range 10 { // nobody's token
		for _, path := range []string{"/healthz", "/readyz"} {
			if resp, _ := r.do(r.request("GET", path, nil)); resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %d", path, resp.StatusCode)
			}
		}
	}
}

func TestGuessingIsSlowAndShutsNobodyOut(t *testing.T) {
	r := limited(t, "off", "5/1h")
	late := r.newToken(identity.NewToken{UserID: identity.Me, Name: "late"})
	get := func(token string) int {
		t.Helper()
		resp, body := r.do(r.request("GET", "/api/v1/events?limit=0", nil, "Authorization", "Bearer "+token))
		if resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") == "" {
			t.Errorf("no Retry-After: %s", body)
		}
		return resp.StatusCode
	}
	if got := get(bootstrapToken); got != http.StatusOK {
		t.Fatal(got)
	}
	for range 20 { // no guesses
		if got := get(""); got != http.StatusUnauthorized {
			t.Fatalf("no token: %d", got)
		}
	}
	for i := range 10 {
		want := http.StatusUnauthorized
		if i >= 5 {
			want = http.StatusTooManyRequests
		}
		if got := get("guess-" + strconv.Itoa(i)); got != want {
			t.Errorf("guess %d: %d, want %d", i, got, want)
		}
	}
	// A good one that was not used from here looks like the bad ones now; one that was goes on.
	if got := get(late); got != http.StatusTooManyRequests {
		t.Errorf("a right guess: %d", got)
	}
	if got := get(bootstrapToken); got != http.StatusOK {
		t.Errorf("who shares the address: %d", got)
	}
	entries := r.own("action:=LOGIN_ERROR")
	tried, unchecked := 0, 0
	for _, e := range entries {
		tried += number(t, &e.Event, "count")
		unchecked += number(t, &e.Event, "unchecked")
	}
	if tried != 20+10+1 || unchecked != 5+1 {
		t.Errorf("%d failed sign-ins are recorded, %d unchecked: %+v", tried, unchecked, entries)
	}
}
