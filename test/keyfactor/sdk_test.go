// Package keyfactor_test runs Keyfactor's own published Go SDK against the built server, as its users do: with
// TLS, which the SDK insists on, and a token as the password.
package keyfactor_test

import (
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Keyfactor/keyfactor-auth-client-go/auth_providers"
	"github.com/Keyfactor/keyfactor-go-client-sdk/v25"
	v1 "github.com/Keyfactor/keyfactor-go-client-sdk/v25/api/keyfactor/v1"
)

// connect makes a client of the SDK, which signs in at once.
func (s *server) connect(t *testing.T, change func(*auth_providers.Server)) (*keyfactor.APIClient, error) {
	t.Helper()
	t.Setenv("HOME", t.TempDir()) // where the SDK would look for settings of its own
	c := &auth_providers.Server{
		Host: s.host, Domain: "EXAMPLE", Username: "alice", Password: token, APIPath: "KeyfactorAPI", CACertPath: filepath.Join(s.dir, "tls", "cert.pem"),
	}
	if change != nil {
		change(c)
	}
	return keyfactor.NewAPIClient(c)
}

func (s *server) client(t *testing.T) *v1.APIClient {
	t.Helper()
	c, err := s.connect(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.V1
}

// entries are what the tests read: templates, agents and certificates in turn, of which every seventh failed.
const entries = 120

func ndjson() string {
	var b strings.Builder
	for n := range entries {
		outcome := "success"
		if n%7 == 0 {
			outcome = "failure"
		}
		fmt.Fprintf(&b, `{"id":"%d","occurred_at":"2026-01-%02dT10:%02d:00.123Z","actor":{"name":"EXAMPLE\\user%d"},"action":"%s","resource":{"type":"%s","id":"%d","name":"object %d"},"outcome":"%s","source":"example/ca","attributes":{"before.days":"%d","after.days":"%d"}}`+"\n",
			n, 28-n%28, n%60, n%5, []string{"UPDATE", "CREATE", "REVOKE"}[n%3], []string{"TEMPLATE", "AGENT", "CERTIFICATE"}[n%3], n%10, n, outcome, n, n+1)
	}
	return b.String()
}

func TestTheSDKSignsIn(t *testing.T) {
	s := serve(t, nil)
	if _, err := s.connect(t, nil); err != nil {
		t.Error("with user and password:", err)
	}
	if _, err := s.connect(t, func(c *auth_providers.Server) { c.Username, c.Domain = `EXAMPLE\alice`, "" }); err != nil {
		t.Error("with the domain before the user:", err)
	}
	if _, err := s.connect(t, func(c *auth_providers.Server) { c.APIPath = "keyfactorapi" }); err != nil {
		t.Error("with the path in small letters:", err)
	}
	if _, err := s.connect(t, func(c *auth_providers.Server) { c.Username, c.Password, c.AccessToken = "", "", token }); err != nil {
		t.Error("with an access token:", err)
	}
	if _, err := s.connect(t, func(c *auth_providers.Server) { c.Password = "wrong" }); err == nil || !strings.Contains(err.Error(), "401") {
		t.Error("with a wrong password:", err)
	}
	if _, err := s.client(t).StatusApi.NewGetStatusHealthCheckRequest(t.Context()).Execute(); err != nil {
		t.Error("health:", err)
	}
}

func TestTheSDKFollowsThePath(t *testing.T) {
	s := serve(t, nil, "--keyfactor-path", "/Command/API")
	c, err := s.connect(t, func(c *auth_providers.Server) { c.APIPath = "/command/api" })
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.V1.AuditLogApi.NewGetAuditRequest(t.Context()).Execute(); err != nil {
		t.Error(err)
	}
}

func TestTheSDKReadsTheAuditLog(t *testing.T) {
	s := serve(t, nil)
	s.send(t, ndjson())
	s.restart(t) // a clean stop publishes a checkpoint over everything
	api := s.client(t).AuditLogApi
	get := func(r v1.ApiGetAuditRequest) ([]v1.KeyfactorAuditingQueryingAuditLogEntry, *http.Response) {
		t.Helper()
		rows, resp, err := r.Execute()
		if err != nil {
			t.Fatal(failure(err))
		}
		return rows, resp
	}
	request := func() v1.ApiGetAuditRequest { return api.NewGetAuditRequest(t.Context()) }

	t.Run("lists and pages", func(t *testing.T) {
		var ids []int32
		for page := int32(1); ; page++ {
			rows, resp := get(request().QueryString("User -startswith EXAMPLE").PageReturned(page).ReturnLimit(50))
			if resp.Header.Get("x-total-count") != fmt.Sprint(entries) {
				t.Errorf("page %d: total %s", page, resp.Header.Get("x-total-count"))
			}
			for i := range rows {
				ids = append(ids, rows[i].GetId())
			}
			if len(rows) < 50 {
				break
			}
		}
		if len(ids) != entries || !slices.IsSorted(ids) || len(slices.Compact(ids)) != entries {
			t.Errorf("%d ids: %v", len(ids), ids)
		}
		if rows, _ := get(request()); len(rows) != 50 {
			t.Errorf("%d rows without a limit", len(rows))
		}
	})
	t.Run("filters", func(t *testing.T) {
		for query, want := range map[string]int{
			`Category -contains "Template" AND Level -eq 2`:                            6,
			`category -contains "Agent"`:                                               40,
			`ImmutableIdentifier -eq 7`:                                                12,
			`Operation -eq Revoked AND User -eq "EXAMPLE\user1"`:                       8,
			`Timestamp -ge "2026-01-28" AND Timestamp -lt "2026-01-29"`:                5,
			`NOT (Level -eq Information) AND (Name -endswith "0" OR Name -endswith 1)`: 4,
			`User -eq "%ME%" AND User -startswith EXAMPLE`:                             0,
		} {
			rows, resp := get(request().QueryString(query).ReturnLimit(1000))
			if len(rows) != want || resp.Header.Get("x-total-count") != fmt.Sprint(want) {
				t.Errorf("%s: %d rows, want %d", query, len(rows), want)
			}
		}
	})
	t.Run("sorts", func(t *testing.T) {
		rows, _ := get(request().QueryString("User -startswith EXAMPLE").SortField("Timestamp").SortAscending(1).ReturnLimit(entries))
		for i := 1; i < len(rows); i++ {
			if rows[i].GetTimestamp().After(rows[i-1].GetTimestamp()) {
				t.Fatalf("%v stands before %v", rows[i-1].GetTimestamp(), rows[i].GetTimestamp())
			}
		}
		rows, _ = get(request().QueryString("User -startswith EXAMPLE").SortField("Category").ReturnLimit(entries))
		for i := 1; i < len(rows); i++ {
			if rows[i].GetCategory() < rows[i-1].GetCategory() {
				t.Fatalf("%d stands before %d", rows[i-1].GetCategory(), rows[i].GetCategory())
			}
		}
	})
	t.Run("shows all of a row", func(t *testing.T) {
		rows, _ := get(request().QueryString(`Name -eq "object 7"`))
		if len(rows) != 1 {
			t.Fatalf("%d rows", len(rows))
		}
		r := rows[0]
		if r.GetCategory() != 2026 || r.GetOperation() != 1 || r.GetLevel() != 2 || r.GetUser() != `EXAMPLE\user2` || r.GetEntityType() != "Agent" || r.GetImmutableIdentifier() != "7" ||
			r.GetMessage() != "<AuditAction><ModelState><Agent><days>8</days></Agent></ModelState><PreviousModelState><Agent><days>7</days></Agent></PreviousModelState></AuditAction>" {
			b, _ := json.Marshal(r)
			t.Errorf("%s", b)
		}
	})
	t.Run("gets one and validates it", func(t *testing.T) {
		rows, _ := get(request().QueryString(`Name -eq "object 7"`))
		resp, err := api.NewGetAuditByIdRequest(t.Context(), rows[0].GetId()).Execute()
		if err != nil {
			t.Fatal(failure(err))
		}
		var one v1.KeyfactorAuditingQueryingAuditLogEntry
		if err := json.NewDecoder(resp.Body).Decode(&one); err != nil || one.GetSignature() != rows[0].GetSignature() || one.GetMessage() != rows[0].GetMessage() {
			t.Errorf("%+v, %v", one, err)
		}
		if valid, _, err := api.NewGetAuditByIdValidateRequest(t.Context(), one.GetId()).Execute(); err != nil || !valid {
			t.Errorf("valid %t, %v", valid, failure(err))
		}
	})
	t.Run("signatures prove the entries", func(t *testing.T) {
		rows, _ := get(request().QueryString("User -startswith EXAMPLE").ReturnLimit(entries))
		again, _ := get(request().QueryString("User -startswith EXAMPLE").ReturnLimit(entries).SortField("Level"))
		signatures := map[int32]string{}
		for i := range again {
			signatures[again[i].GetId()] = again[i].GetSignature()
		}
		keys, proof := filepath.Join(t.TempDir(), "keys"), filepath.Join(t.TempDir(), "proof")
		if err := os.WriteFile(keys, []byte(s.vkey(t)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			text, err := base64.StdEncoding.DecodeString(rows[i].GetSignature())
			if err != nil || rows[i].GetSignature() != signatures[rows[i].GetId()] || !strings.HasPrefix(string(text), "c2sp.org/tlog-proof@v1\n") {
				t.Fatalf("entry %d: %v, another signature, or no proof: %s", rows[i].GetId(), err, text)
			}
			if i%40 != 0 {
				continue // the script takes its time
			}
			if err := os.WriteFile(proof, text, 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("python3", "../../docs/verify.py", keys, proof).CombinedOutput()
			if want := fmt.Sprintf("OK: entry %d ", rows[i].GetId()-1); err != nil || !strings.HasPrefix(string(out), want) {
				t.Errorf("entry %d: %v: %s", rows[i].GetId(), err, out)
			}
			if out, err := exec.Command(binary, "verify", proof, "--key", keys).CombinedOutput(); err != nil {
				t.Errorf("entry %d: countersign verify: %v: %s", rows[i].GetId(), err, out)
			}
		}
	})
	t.Run("downloads", func(t *testing.T) {
		// The SDK asks for JSON and hands the body on as it is.
		text, _, err := api.NewGetAuditDownloadRequest(t.Context()).QueryString("User -startswith EXAMPLE").Execute()
		if err != nil {
			t.Fatal(failure(err))
		}
		var table string
		if err := json.Unmarshal([]byte(text), &table); err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(strings.NewReader(table)).ReadAll()
		if err != nil || len(records) != entries+1 || !slices.Equal(records[0], strings.Split("Id,Timestamp,Message,Operation,Level,User,Category,Name,XMLMessage", ",")) {
			t.Errorf("%d records, %v", len(records), err)
		}
		text, _, err = api.NewGetAuditDownloadRequest(t.Context()).ReturnLimit(3).Execute()
		if err != nil || strings.Count(text, `\r\n`) != 4 {
			t.Errorf("a page: %s, %v", text, err)
		}
	})
	t.Run("finds what is related", func(t *testing.T) {
		rows, _, err := api.NewGetAuditRelatedEntitiesRequest(t.Context()).QueryString(`ImmutableIdentifier -eq "7" AND Level -eq 2`).Execute()
		if err != nil || len(rows) != 12 {
			t.Errorf("%d rows, %v", len(rows), failure(err))
		}
	})
	t.Run("reads refusals", func(t *testing.T) {
		for query, want := range map[string]string{
			"Level -eq":   `{"ErrorCode":"0xA0110002","Message":"Invalid QueryString: at character 10, expected a value, found the end of the query."}`,
			"Foo -eq bar": `{"ErrorCode":"0xA0110002","Message":"Invalid QueryString: at character 1, there is no field \"Foo\":`,
		} {
			_, resp, err := request().QueryString(query).Execute()
			if got := failure(err); err == nil || resp.StatusCode != 400 || !strings.Contains(got, want) {
				t.Errorf("%s: %s", query, got)
			}
		}
		if _, err := api.NewGetAuditByIdRequest(t.Context(), 2147483647).Execute(); err == nil || !strings.HasPrefix(err.Error(), "404") {
			t.Errorf("an unknown id: %v", err)
		}
	})
	t.Run("sees a changed byte", func(t *testing.T) {
		// What is recorded by one request lies together on the disk; this is by another.
		s.send(t, `{"occurred_at":"2026-01-01T10:00:00Z","action":"UPDATE","resource":{"type":"TEMPLATE","name":"object 42, later"},"source":"example/ca"}`)
		rows, _ := get(request().QueryString(`Name -eq "object 42" OR Name -eq "object 42, later"`))
		flip(t, s.dir, "object 42, later")
		for i, want := range []bool{true, false} {
			if valid, resp, err := api.NewGetAuditByIdValidateRequest(t.Context(), rows[i].GetId()).Execute(); err != nil || valid != want || resp.StatusCode != 200 {
				t.Errorf("entry %d: valid %t, %v", rows[i].GetId(), valid, failure(err))
			}
		}
		if after, _ := get(request().QueryString("User -startswith EXAMPLE").ReturnLimit(1000)); len(after) != entries {
			t.Errorf("the list has %d rows", len(after))
		}
	})
}

// failure says what the server said.
func failure(err error) string {
	switch err := err.(type) {
	case nil:
		return ""
	case *v1.GenericOpenAPIError:
		return err.Error() + ": " + string(err.Body())
	default:
		return err.Error()
	}
}

// A caller without the right reads it in the vendor's body, and the trail has it.
func TestACallWithoutTheRightIsRefusedAndRecorded(t *testing.T) {
	s := serve(t, nil)
	s.post(t, "/api/v1/users", `{"id":"sender","user_type":"service","friendly_name":"Sender","primary_account_id":"countersign","grants":[{"role":"EVENT_WRITER","account_id":"countersign"}]}`)
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(s.post(t, "/api/v1/tokens", `{"user_id":"sender","name":"sender"}`)), &made); err != nil || made.Token == "" {
		t.Fatal(err)
	}
	c, err := s.connect(t, func(c *auth_providers.Server) { c.Password = made.Token })
	if err != nil {
		t.Fatal(err) // who may read nothing may still sign in
	}
	_, resp, err := c.V1.AuditLogApi.NewGetAuditRequest(t.Context()).Execute()
	if got := failure(err); err == nil || resp.StatusCode != 403 || !strings.Contains(got, `{"ErrorCode":"0xA0140002","Message":"User Sender does not have the required permissions: /auditing/read/."}`) {
		t.Errorf("%s", got)
	}
	var rows []v1.KeyfactorAuditingQueryingAuditLogEntry
	for range 50 { // it is recorded after the answer
		rows, _, err = s.client(t).AuditLogApi.NewGetAuditRequest(t.Context()).QueryString(`Category -eq AuthorizationFailure AND Name -contains "/KeyfactorAPI/Audit"`).Execute()
		if err != nil || len(rows) > 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil || len(rows) != 1 || rows[0].GetUser() != "Sender" || rows[0].GetLevel() != 1 || rows[0].GetOperation() != 5 {
		t.Errorf("%d rows, %v", len(rows), failure(err))
	}
}

// What old clients send goes through the same connection.
func TestRequestsOfOlderClients(t *testing.T) {
	s := serve(t, nil)
	s.send(t, ndjson())
	for target, rows := range map[string]int{
		"/KeyfactorAPI//Audit?pq.queryString=Category%20-contains%20%22Agent%22&pq.returnLimit=7": 7,
		"/KeyfactorApi/Audit?returnlimit=3":                              3,
		"/keyfactorapi/audit?queryString=category+-contains+%22Agent%22": 40,
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+s.host+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(`EXAMPLE\alice`, token)
		r.Header.Set("x-keyfactor-requested-with", "XMLHttpRequest")
		resp, err := s.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		var got []any
		if err := cmpErr(err, json.Unmarshal(b, &got)); err != nil || len(got) != rows {
			t.Errorf("%s: %d rows, %v", target, len(got), err)
		}
	}
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func TestMain(m *testing.M) { os.Exit(build(m)) }
