// Command tutorial makes a compliance report from the DigiCert ONE Account Manager audit log in five steps,
// with nothing but the standard library.
//
//	COUNTERSIGN_URL=http://127.0.0.1:8080 COUNTERSIGN_TOKEN=... FROM=2026-01-01 TO=2026-03-31 go run ./examples/go/tutorial > report.tsv
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

type page struct {
	Total int    `json:"total"`
	Items []item `json:"items"`
}

type ref struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type item struct {
	Timestamp    string `json:"timestamp"`
	Action       string `json:"action"`
	Status       string `json:"status"`
	ResourceType string `json:"resource_type"`
	ResourceName string `json:"resource_name"`
	User         *ref   `json:"user"` // nil when no user did it
	Account      ref    `json:"account"`
}

type user struct {
	Email  string `json:"email"`
	Type   string `json:"user_type"`
	Status string `json:"status"`
}

type account struct {
	Number string `json:"friendly_identifier"`
}

var errNotFound = errors.New("not found")

// server is where the audit log is.
type server struct{ url, token string }

// get decodes the answer into v.
func (s server) get(path string, parameters url.Values, v any) error {
	req, err := http.NewRequest(http.MethodGet, s.url+path, nil)
	if err != nil {
		return err
	}
	req.URL.RawQuery = parameters.Encode()
	req.Header.Set("x-api-key", s.token)
	client := http.Client{Timeout: time.Minute}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode == http.StatusNotFound:
		return errNotFound
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("GET %s: %s %s", path, resp.Status, body)
	}
	return json.Unmarshal(body, v)
}

// lookUp returns what is known of each id. Who is not known any more is left out.
func lookUp[T any](s server, kind string, ids map[string]bool) (map[string]T, error) {
	known := map[string]T{}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		var v T
		err := s.get("/account/api/v1/"+kind+"/"+url.PathEscape(id), nil, &v)
		if errors.Is(err, errNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		known[id] = v
	}
	return known, nil
}

func main() {
	log.SetFlags(0)
	s := server{os.Getenv("COUNTERSIGN_URL"), os.Getenv("COUNTERSIGN_TOKEN")}
	if s.url == "" || s.token == "" {
		log.Fatal("set COUNTERSIGN_URL and COUNTERSIGN_TOKEN")
	}
	today := time.Now().UTC()
	from := cmp.Or(os.Getenv("FROM"), today.AddDate(0, 0, -90).Format(time.DateOnly))
	to := cmp.Or(os.Getenv("TO"), today.Format(time.DateOnly))
	if err := report(s, from, to); err != nil {
		log.Fatal(err)
	}
}

func report(s server, from, to string) error {
	const list = "/account/api/v1/audit-log"

	// 1. What is there: the newest entries.
	var newest page
	if err := s.get(list, url.Values{"sort": {"timestamp:desc"}}, &newest); err != nil {
		return err
	}
	if len(newest.Items) == 0 {
		return errors.New("there are no entries")
	}
	first := newest.Items[0]
	log.Printf("step 1: %d entries, the newest is %s %s at %s", newest.Total, first.Action, first.ResourceType, first.Timestamp)

	// 2. What is wanted: a period, and two types of resource.
	wanted := url.Values{"from": {from}, "to": {to}, "resource_types": {"USER,APIKEY"}, "sort": {"timestamp:desc"}}
	var some page
	if err := s.get(list, wanted, &some); err != nil {
		return err
	}
	log.Printf("step 2: %d of them from %s to %s", some.Total, from, to)

	// 3. All of it, in pages of 1000.
	var items []item
	for offset, total := 0, 1; offset < total; offset += 1000 {
		wanted.Set("offset", strconv.Itoa(offset))
		wanted.Set("limit", "1000")
		var p page
		if err := s.get(list, wanted, &p); err != nil {
			return err
		}
		items, total = append(items, p.Items...), p.Total
	}
	log.Printf("step 3: %d entries read", len(items))

	userIDs, accountIDs := map[string]bool{}, map[string]bool{}
	for _, i := range items {
		accountIDs[i.Account.ID] = true
		if i.User != nil {
			userIDs[i.User.ID] = true
		}
	}

	// 4. Who that was.
	users, err := lookUp[user](s, "user", userIDs)
	if err != nil {
		return err
	}
	log.Printf("step 4: %d of %d users are known", len(users), len(userIDs))

	// 5. And in which account.
	accounts, err := lookUp[account](s, "account", accountIDs)
	if err != nil {
		return err
	}
	log.Printf("step 5: %d of %d accounts are known", len(accounts), len(accountIDs))
	return write(os.Stdout, items, users, accounts)
}

func write(w io.Writer, items []item, users map[string]user, accounts map[string]account) error {
	escape := strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)
	out := bufio.NewWriter(w)
	line := func(cells ...string) {
		for i := range cells {
			cells[i] = escape.Replace(cells[i])
		}
		fmt.Fprintln(out, strings.Join(cells, "\t"))
	}
	line("timestamp", "action", "status", "resource_type", "resource_name", "user", "user_email", "user_type", "user_status", "account", "account_number")
	for _, i := range items {
		var actor ref
		var u user
		if i.User != nil {
			known := false
			actor = *i.User
			if u, known = users[actor.ID]; !known {
				u.Status = "unknown"
			}
		}
		line(i.Timestamp, i.Action, i.Status, i.ResourceType, i.ResourceName, actor.Name, u.Email, u.Type, u.Status,
			i.Account.Name, accounts[i.Account.ID].Number)
	}
	return out.Flush()
}
