package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"countersign/event"
	"countersign/identity"
	"countersign/internal/testkit"
	"countersign/server"
	"countersign/store"
)

const (
	demoSeed = 1
	demoDays = 90
)

func newDemo() *cobra.Command {
	cfg := server.Config{Version: versionText()}
	var events int
	var logLevel string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a throwaway server with a made-up estate",
		Long: `Demo fills a temporary directory with a made-up estate of 90 days, serves it, and prints lines to paste.
The directory is removed when it stops. The estate is the same each time, moved so that it ends now.`,
		Example: "  countersign demo --listen 127.0.0.1:8080 --events 100000",
		Args:    noArgs,
	}
	f := cmd.Flags()
	f.IntVar(&events, "events", 20000, "how many events to make up")
	listenFlags(f, &cfg)
	logFlag(f, &logLevel)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := settle(cmd, ""); err != nil {
			return err
		}
		if events < 100 || events > 5_000_000 {
			return misused("--events must be between 100 and 5000000")
		}
		log, err := newLogger(cmd.ErrOrStderr(), logLevel)
		if err != nil {
			return err
		}
		cfg.Logger = log
		return runDemo(cmd.Context(), cfg, events, cmd.OutOrStdout())
	}
	return cmd
}

func runDemo(ctx context.Context, cfg server.Config, events int, stdout io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "countersign-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	now := time.Now()
	d := demo{estate: testkit.NewEstate(demoSeed, now), events: events, now: now, dir: dir, keyfactorPath: cfg.KeyfactorPath}
	if err := d.fill(ctx, dir); err != nil {
		return fmt.Errorf("fill the demo: %w", err)
	}
	cfg.Data = dir
	s, err := server.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	l, err := s.Listen()
	if err != nil {
		return err
	}
	if err := d.explain(stdout, s.URL(l), filepath.Join(dir, "tls", "cert.pem")); err != nil {
		return errors.Join(err, l.Close())
	}
	return s.Serve(ctx, l, stdout)
}

// demo is a made-up estate on its way into a data directory.
type demo struct {
	estate *testkit.Estate
	events int
	now    time.Time
	token  string
	dir    string
	// keyfactorPath is where the server will have that API.
	keyfactorPath string
}

// fill makes the directory as years of use would have left it.
func (d *demo) fill(ctx context.Context, dir string) error {
	claimed, err := store.Claim(dir)
	if err != nil {
		return err
	}
	key, recorder, err := d.fillIdentity(ctx, filepath.Join(dir, store.ControlName))
	if err != nil {
		return errors.Join(err, claimed.Release())
	}
	s, err := claimed.Open(store.Options{DedupKey: key, Origin: "demo.example.com/trail"})
	if err != nil {
		return errors.Join(err, claimed.Release())
	}
	return errors.Join(d.fillTrail(ctx, s, recorder), s.Close())
}

func (d *demo) fillTrail(ctx context.Context, s *store.Store, recorder string) error {
	from := d.now.Add(-demoDays * 24 * time.Hour)
	var batch []event.Event
	for e := range d.estate.Events(demoSeed, d.events, from, d.now) {
		if batch = append(batch, e); len(batch) < 1000 {
			continue
		}
		if _, err := s.Append(ctx, batch, recorder); err != nil {
			return err
		}
		batch = nil
	}
	_, err := s.Append(ctx, batch, recorder)
	return err
}

// fillIdentity makes the accounts and users of the estate, each at its own time: identity takes that from its
// clock, so the clock is moved.
func (d *demo) fillIdentity(ctx context.Context, path string) (key []byte, recorder string, err error) {
	clock := d.now
	dir, err := identity.Open(ctx, path, identity.Options{
		Now: func() time.Time { return clock }, Unrecorded: true, // the trail is made up too, and tells of them
	})
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	if d.token, _, err = dir.Bootstrap(ctx, ""); err != nil {
		return nil, "", err
	}
	admin, err := dir.Authenticate(ctx, identity.Credential{Token: d.token})
	if err != nil {
		return nil, "", err
	}
	for _, a := range d.estate.Accounts {
		clock = a.ServiceFrom
		if _, err := dir.CreateAccount(ctx, admin, identity.NewAccount{
			ID: a.ID, Name: a.Name, Active: &a.Active, FriendlyIdentifier: a.FriendlyIdentifier, Locale: a.Locale,
			ServicePeriod: identity.ServicePeriod{From: a.ServiceFrom.Format(time.DateOnly), To: a.ServiceTo.Format(time.DateOnly)},
		}); err != nil {
			return nil, "", err
		}
	}
	for _, v := range d.estate.Divisions {
		if _, err := dir.CreateDivision(ctx, admin, identity.NewDivision{ID: v.ID, Account: v.AccountID, Name: v.Name}); err != nil {
			return nil, "", err
		}
	}
	for _, u := range append(append([]testkit.User{}, d.estate.People...), d.estate.ServiceUsers...) {
		clock = u.CreatedAt
		if err := makeUser(ctx, dir, admin, &u); err != nil {
			return nil, "", fmt.Errorf("user %s: %w", u.Name(), err)
		}
	}
	return dir.DedupKey(), admin.UserID, nil
}

func makeUser(ctx context.Context, dir *identity.Directory, admin identity.Caller, u *testkit.User) error {
	n := identity.NewUser{
		ID: u.ID, Type: identity.Standard, Status: identity.UserStatus(u.Status), UserName: u.UserName, FirstName: u.FirstName, LastName: u.LastName,
		Email: u.Email, Phone: u.Phone, FriendlyName: u.FriendlyName, Description: u.Description, Locale: u.Locale,
		PrimaryAccountID: u.PrimaryAccount, Accounts: u.Accounts[1:],
	}
	if u.Service {
		n.Type = identity.Service
	}
	gone := !u.DeletedAt.IsZero()
	if gone {
		n.Status = ""
	}
	if u.Role != "" {
		n.Grants = []identity.Grant{{Role: identity.Role(u.Role), Account: u.PrimaryAccount}}
	}
	for _, a := range u.Applications {
		n.Applications = append(n.Applications, identity.Application{ID: a.ID, Name: a.Name, Permissions: a.Permissions})
	}
	if _, err := dir.CreateUser(ctx, admin, n); err != nil || !gone {
		return err
	}
	return dir.DeleteUser(ctx, admin, u.ID, u.Purged)
}

// explain prints lines to paste; each of them answers with rows.
func (d *demo) explain(w io.Writer, base, cert string) error {
	ca := ""
	if u, err := url.Parse(base); err == nil && u.Scheme == "https" {
		ca = " --cacert " + cert
	}
	user := d.estate.People[0]
	from, to := d.now.AddDate(0, 0, -demoDays).UTC().Format(time.DateOnly), d.now.UTC().Format(time.DateOnly)
	p := printer{w: w}
	p.line("A made-up estate: %d events of the last %d days in %d accounts. It is gone when this stops (Ctrl-C).", d.events, demoDays, len(d.estate.Accounts))
	p.line("")
	p.line("URL=%s", base)
	p.line("KEY=%s", d.token)
	p.line("# every endpoint, to read about and to try in a browser: %s/docs", base)
	p.line("")
	get := func(title, path string) {
		p.line("# %s", title)
		p.line("curl -sS%s -H \"x-api-key: $KEY\" \"$URL%s\"", ca, path)
	}
	p.line("# -- DigiCert ONE Account Manager: the audit-log tutorial, step by step")
	get("1 the newest entries", "/account/api/v1/audit-log?sort=timestamp:desc")
	filter := fmt.Sprintf("/account/api/v1/audit-log?from=%s&to=%s&resource_types=USER,APIKEY&sort=timestamp:desc", from, to)
	get("2 a reporting period, two kinds of resource", filter)
	get("3 the same, the second page of 100", filter+"&offset=100&limit=100")
	get("4 who is that user", "/account/api/v1/user/"+user.ID)
	get("5 and that account", "/account/api/v1/account/"+user.PrimaryAccount)
	get("failed sign-ins", "/account/api/v1/audit-log?action=LOGIN_ERROR&status=FAILURE&sort=timestamp:desc")
	p.line("")
	p.line("# -- CertCentral Discovery: the audit log of one account, and what was done in it")
	post := func(title, call, more string) {
		p.line("# %s", title)
		p.line(`curl -sS%s -H "X-DC-DEVKEY: $KEY" -H "Content-Type: application/json" "$URL/apicontroller/v1/auditlog/%s" -d '{"accountId":%s,"searchCriteriaList":[{"key":"dateRange","operation":"EQUALS","value":["%s","%s"]}],"divisionIds":[],%s}'`,
			ca, call, d.estate.Accounts[0].FriendlyIdentifier, from, to, more)
	}
	post("the newest entries", "list", `"startIndex":1,"pageSize":50,"sortedColumnId":"createdDate","sortOrder":"DESC"`)
	post("which functions there are", "filter", `"filterSelected":"function"`)
	p.line("")
	p.line("# -- Keyfactor Command: the audit log in its query language; the user name is not looked at")
	command := func(title, path string) {
		p.line("# %s", title)
		p.line(`curl -sS%s -u "EXAMPLE\jane:$KEY" -H "x-keyfactor-requested-with: APIClient" "$URL%s%s"`, ca, d.keyfactorPath, path)
	}
	command("the newest entries", "/Audit?SortField=Timestamp&SortAscending=1&ReturnLimit=5")
	asked := func(q string) string { return "?QueryString=" + url.QueryEscape(q) }
	command("what went wrong in the last week", "/Audit"+asked("Level -ge Warning AND Timestamp -ge %TODAY-7%")+"&ReturnLimit=5")
	command("what was done to orchestrators and their jobs", "/Audit"+asked(`Category -contains "Agent"`)+"&ReturnLimit=5")
	command("is the first entry stored as it was recorded", "/Audit/1/Validate")
	command("everything about certificates as CSV", "/Audit/Download"+asked(`Category -eq "Certificate"`))
	p.line("")
	p.line("# -- Countersign's own API: stories that an auditor should find")
	for _, s := range d.estate.Stories() {
		get(s.Name, "/api/v1/events?sort=occurred_at:asc&q="+url.QueryEscape(s.Search))
	}
	get("Discovery's events", "/api/v1/events?limit=5&q="+url.QueryEscape("source:^discovery/"))
	get("Keyfactor's events", "/api/v1/events?limit=5&q="+url.QueryEscape("source:^keyfactor/"))
	p.line("# record one of your own, then read everything that happened to it")
	p.line(`curl -sS%s -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" "$URL/api/v1/events" -d '{"id":"demo-1","occurred_at":"%s","action":"LOGIN","source":"example/portal","actor":{"id":"u-17","name":"jane@example.com"},"resource":{"type":"BASIC_AUTH","id":"portal"},"outcome":"success"}'`,
		ca, event.MicrosOf(d.now.Truncate(time.Second)))
	get("and find it", "/api/v1/events?q="+url.QueryEscape("source:=example/portal"))
	get("export a filtered trail as NDJSON", "/api/v1/events/export?q="+url.QueryEscape("resource.type:ROLE"))
	p.line("")
	p.line("# -- Proof: that an entry is in the trail, with these values, checked without the server")
	p.line("# the key, from whom you trust: here from the directory itself")
	program, err := os.Executable()
	if err != nil {
		program = "countersign"
	}
	p.line("%q key show --data %q > countersign.vkey", program, d.dir)
	p.line("# the proof of the first entry")
	p.line(`curl -sS%s -H "x-api-key: $KEY" "$URL/api/v1/events/0/proof" > proof.json`, ca)
	p.line("%q verify --key countersign.vkey proof.json", program)
	p.line("# a checkpoint to keep: no token is needed, and nothing up to it can be changed unseen")
	p.line(`curl -sS%s "$URL/checkpoint"`, ca)
	p.line("")
	p.line("# -- Compliance: a report over these days as an evidence pack, and what an auditor does with it")
	p.line(`%q report run --server "$URL" --token "$KEY"%s --framework pci-dss --from %s --to %s --out pci-dss`, program, strings.Replace(ca, "--cacert", "--ca", 1), from, to)
	p.line("%q verify --key countersign.vkey pci-dss/evidence.zip", program)
	p.line("")
	return p.err
}

// printer keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}
