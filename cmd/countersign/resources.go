package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"countersign/identity"
)

// resource is one kind of thing under /api/v1 that the command line makes, lists, shows and deletes.
type resource struct {
	name    string // account
	plural  string // accounts, as in the path
	short   string
	columns []column
	// scope, when not empty, is a query parameter that show and delete need beside the id.
	scope string
	// filters are query parameters of list.
	filters []string
	// create adds the flags of a new one and returns what makes the request body of them.
	create  func(cmd *cobra.Command) func() (any, error)
	example string
	purge   bool
}

// column is a member of the answer shown in a table.
type column struct{ title, member string }

func resourceCommands() []*cobra.Command {
	var cmds []*cobra.Command
	for _, r := range []resource{accountResource, divisionResource, userResource, tokenResource} {
		cmds = append(cmds, r.command())
	}
	return cmds
}

func (r resource) command() *cobra.Command {
	cmd := &cobra.Command{Use: r.name, Short: r.short, Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(r.createCommand(), r.listCommand(), r.showCommand(), r.deleteCommand())
	return cmd
}

func (r resource) createCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "create", Short: "Make " + article(r.name), Example: r.example, Args: noArgs}
	connect, output := serverFlags(cmd), outputFlag(cmd)
	body := r.create(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkOutput(*output); err != nil {
			return err
		}
		in, err := body()
		if err != nil {
			return err
		}
		return r.call(cmd, connect, *output, http.MethodPost, "/api/v1/"+r.plural, in)
	}
	return cmd
}

func (r resource) listCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List " + r.plural, Example: "  countersign " + r.name + " list --output json", Args: noArgs}
	connect, output := serverFlags(cmd), outputFlag(cmd)
	values := r.parameters(cmd, r.filters...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkOutput(*output); err != nil {
			return err
		}
		items, err := r.all(cmd, connect, values())
		if err != nil {
			return err
		}
		if *output == "json" {
			return printJSON(cmd.OutOrStdout(), items)
		}
		return r.table(cmd.OutOrStdout(), items)
	}
	return cmd
}

// all reads every page of the list.
func (r resource) all(cmd *cobra.Command, connect connection, q url.Values) ([]json.RawMessage, error) {
	c, err := connect()
	if err != nil {
		return nil, err
	}
	items := []json.RawMessage{}
	for {
		var page struct {
			Total int               `json:"total"`
			Items []json.RawMessage `json:"items"`
		}
		q.Set("offset", fmt.Sprint(len(items)))
		q.Set("limit", "1000")
		if err := c.Call(cmd.Context(), http.MethodGet, "/api/v1/"+r.plural+"?"+q.Encode(), nil, &page); err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		if len(page.Items) == 0 || len(items) >= page.Total {
			return items, nil
		}
	}
}

func (r resource) showCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show ID", Short: "Show one " + r.name, Example: "  countersign " + r.name + " show ID" + r.scopeExample(), Args: exactArgs("an ID")}
	connect, output := serverFlags(cmd), outputFlag(cmd)
	values := r.parameters(cmd, r.scopes()...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkOutput(*output); err != nil {
			return err
		}
		return r.call(cmd, connect, *output, http.MethodGet, r.place(args[0], values()), nil)
	}
	return cmd
}

func (r resource) deleteCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "delete ID", Short: "Delete one " + r.name, Example: "  countersign " + r.name + " delete ID" + r.scopeExample(), Args: exactArgs("an ID")}
	connect := serverFlags(cmd)
	values := r.parameters(cmd, r.scopes()...)
	var purge bool
	if r.purge {
		cmd.Flags().BoolVar(&purge, "purge", false, "remove the "+r.name+"'s personal values too; look-ups then answer 404")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := connect()
		if err != nil {
			return err
		}
		q := values()
		if purge {
			q.Set("purge", "true")
		}
		return c.Call(cmd.Context(), http.MethodDelete, r.place(args[0], q), nil, nil)
	}
	return cmd
}

func (r resource) scopes() []string {
	if r.scope == "" {
		return nil
	}
	return []string{r.scope}
}

func (r resource) scopeExample() string {
	if r.scope == "" {
		return ""
	}
	return " --" + flagOf(r.scope) + " ACCOUNT"
}

func (r resource) place(id string, q url.Values) string {
	p := "/api/v1/" + r.plural + "/" + url.PathEscape(id)
	if len(q) > 0 {
		p += "?" + q.Encode()
	}
	return p
}

// flagOf is the flag of a query parameter: account_id is --account.
func flagOf(parameter string) string {
	return strings.ReplaceAll(strings.TrimSuffix(parameter, "_id"), "_", "-")
}

// parameters adds a flag for each query parameter and returns what reads those that were given.
func (r resource) parameters(cmd *cobra.Command, names ...string) func() url.Values {
	values := map[string]*string{}
	for _, name := range names {
		values[name] = cmd.Flags().String(flagOf(name), "", strings.ReplaceAll(strings.TrimSuffix(name, "_id"), "_", " "))
	}
	return func() url.Values {
		q := url.Values{}
		for name, v := range values {
			if *v != "" {
				q.Set(name, *v)
			}
		}
		return q
	}
}

// call sends a request and prints the answer.
func (r resource) call(cmd *cobra.Command, connect connection, output, method, path string, in any) error {
	c, err := connect()
	if err != nil {
		return err
	}
	var out json.RawMessage
	if err := c.Call(cmd.Context(), method, path, in, &out); err != nil {
		return err
	}
	if output == "json" {
		return printJSON(cmd.OutOrStdout(), out)
	}
	return printObject(cmd.OutOrStdout(), out)
}

func article(noun string) string {
	if strings.ContainsRune("aeio", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

var accountResource = resource{
	name: "account", plural: "accounts", short: "Accounts: the customers whose trails are kept apart",
	columns: []column{{"ID", "id"}, {"NAME", "name"}, {"ACTIVE", "active"}, {"IDENTIFIER", "friendly_identifier"}},
	example: "  countersign account create --name 'Example account 1' --friendly-identifier 7092363",
	create: func(cmd *cobra.Command) func() (any, error) {
		var n identity.NewAccount
		f := cmd.Flags()
		f.StringVar(&n.ID, "id", "", "id, a new UUID if left out")
		f.StringVar(&n.Name, "name", "", "name (required)")
		f.StringVar(&n.FriendlyIdentifier, "friendly-identifier", "", "the number people know it by")
		f.StringVar(&n.ServicePeriod.From, "from", "", "first day of service, YYYY-MM-DD")
		f.StringVar(&n.ServicePeriod.To, "to", "", "last day of service, YYYY-MM-DD")
		f.StringVar(&n.Locale, "locale", "", "locale such as en_US")
		return func() (any, error) { return given(n) }
	},
}

var divisionResource = resource{
	name: "division", plural: "divisions", short: "Divisions: parts of an account",
	columns: []column{{"ID", "id"}, {"ACCOUNT", "account_id"}, {"NAME", "name"}},
	scope:   "account_id", filters: []string{"account_id"},
	example: "  countersign division create --account ACCOUNT --id 677793 --name EMEA",
	create: func(cmd *cobra.Command) func() (any, error) {
		var n identity.NewDivision
		f := cmd.Flags()
		f.StringVar(&n.Account, "account", "", "account it belongs to (required)")
		f.StringVar(&n.ID, "id", "", "id, a new UUID if left out")
		f.StringVar(&n.Name, "name", "", "name (required)")
		return func() (any, error) { return given(n) }
	},
}

var userResource = resource{
	name: "user", plural: "users", short: "Users: people and service users",
	columns: []column{{"ID", "id"}, {"TYPE", "user_type"}, {"STATUS", "status"}, {"USER NAME", "user_name"}, {"FRIENDLY NAME", "friendly_name"}, {"EMAIL", "email"}},
	filters: []string{"account_id", "user_type"},
	purge:   true,
	example: `  countersign user create --type standard --user-name jane --email jane@example.com --account ACCOUNT --role AM_VIEW_ONLY
  countersign user create --type service --friendly-name 'SIEM poller' --account ACCOUNT --role AUDITOR@*`,
	create: func(cmd *cobra.Command) func() (any, error) {
		var n identity.NewUser
		var roles []string
		f := cmd.Flags()
		f.StringVar((*string)(&n.Type), "type", "standard", "standard (a person) or service (a program)")
		f.StringVar(&n.ID, "id", "", "id, a new UUID if left out")
		f.StringVar(&n.UserName, "user-name", "", "sign-in name of a standard user")
		f.StringVar(&n.FriendlyName, "friendly-name", "", "name of a service user")
		f.StringVar(&n.FirstName, "first-name", "", "first name")
		f.StringVar(&n.LastName, "last-name", "", "last name")
		f.StringVar(&n.Email, "email", "", "email address")
		f.StringVar(&n.Phone, "phone", "", "phone number")
		f.StringVar(&n.Description, "description", "", "description")
		f.StringVar(&n.PrimaryAccountID, "account", "", "primary account (required)")
		f.StringArrayVar(&n.Accounts, "also-in", nil, "another account the user belongs to; may be repeated")
		f.StringArrayVar(&roles, "role", nil, "ROLE in the primary account, ROLE@ACCOUNT, ROLE@ACCOUNT/DIVISION,..., or ROLE@* for the whole server; may be repeated")
		return func() (any, error) {
			for _, text := range roles {
				g, err := parseGrant(text, n.PrimaryAccountID)
				if err != nil {
					return nil, err
				}
				n.Grants = append(n.Grants, g)
			}
			return given(n)
		}
	},
}

// parseGrant reads ROLE[@ACCOUNT[/DIVISION,...]].
func parseGrant(text, primary string) (identity.Grant, error) {
	role, place, placed := strings.Cut(text, "@")
	g := identity.Grant{Role: identity.Role(role), Account: primary}
	if !placed {
		return g, nil
	}
	account, divisions, limited := strings.Cut(place, "/")
	g.Account = account
	switch {
	case account == "" || limited && divisions == "":
		return g, misused("--role %q: want ROLE, ROLE@ACCOUNT, ROLE@ACCOUNT/DIVISION,... or ROLE@*", text)
	case account == "*":
		g.Server, g.Account = true, ""
	}
	if limited {
		g.Divisions = strings.Split(divisions, ",")
	}
	return g, nil
}

var tokenResource = resource{
	name: "token", plural: "tokens", short: "API tokens: what programs sign in with",
	columns: []column{{"ID", "id"}, {"USER", "user_id"}, {"NAME", "name"}, {"STATUS", "status"}, {"END DATE", "end_date"}, {"LAST USED", "last_used_at"}},
	filters: []string{"user_id"},
	example: `  countersign token create --user USER --name siem-poller --end-date 2027-03-31
  countersign token create --user USER --name writer --bound-account ACCOUNT --source example/portal`,
	create: func(cmd *cobra.Command) func() (any, error) {
		var n identity.NewToken
		f := cmd.Flags()
		f.StringVar(&n.UserID, "user", "me", "user whose token it is")
		f.StringVar(&n.Name, "name", "", "name: letters, digits, blanks, - and _ (required)")
		f.StringVar(&n.EndDate, "end-date", "", "last day, YYYY-MM-DD; it expires at 23:59:59 UTC")
		f.StringArrayVar(&n.Accounts, "bound-account", nil, "let the token reach only this account; may be repeated")
		f.StringArrayVar(&n.Sources, "source", nil, "let the token write only this source; may be repeated")
		return func() (any, error) { return given(n) }
	},
}

// given returns v as a JSON object without the members that say nothing, so that the server's defaults and
// its messages about what is missing apply.
func given(v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, err
	}
	for k, raw := range all {
		switch string(raw) {
		case `""`, `null`, `[]`, `{"from":"","to":""}`:
			delete(all, k)
		}
	}
	return all, nil
}
