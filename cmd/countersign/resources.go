package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"countersign/identity"
)

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
	updateExample: `  countersign account update ACCOUNT --name 'Example account 1' --to 2027-12-31
  countersign account update ACCOUNT --active=false`,
	update: func(m *members) {
		m.text("name", "name", "name")
		m.flag("active", "active", "whether the account is active: --active=false when it is not")
		m.text("friendly_identifier", "friendly-identifier", "the number people know it by")
		m.text("service_period.from", "from", "first day of service, YYYY-MM-DD")
		m.text("service_period.to", "to", "last day of service, YYYY-MM-DD")
		m.text("locale", "locale", "locale such as en_US")
		m.file("auth_config", "auth-config", "file with a JSON object")
		m.file("sign_in_methods", "sign-in-methods", "file with a JSON array")
		m.file("oauth_clients", "oauth-clients", "file with a JSON array")
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
	updateExample: "  countersign division update 677793 --account ACCOUNT --name Europe",
	update:        func(m *members) { m.text("name", "name", "name") },
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
	updateExample: `  countersign user update USER --status LOCKED
  countersign user update USER --email jane@example.com --also-in OTHER`,
	update: func(m *members) {
		m.text("status", "status", "ACTIVE, PENDING or LOCKED, in force with the user's next call")
		m.text("user_name", "user-name", "sign-in name of a standard user")
		m.text("friendly_name", "friendly-name", "name of a service user")
		m.text("first_name", "first-name", "first name")
		m.text("last_name", "last-name", "last name")
		m.text("email", "email", "email address")
		m.text("phone", "phone", "phone number")
		m.text("description", "description", "description")
		m.text("locale", "locale", "locale such as en_US")
		m.text("access_scope", "access-scope", "scope such as account")
		m.text("primary_account_id", "account", "primary account")
		m.list("accounts", "also-in", "accounts the user belongs to beside the primary one, all of them; may be repeated, '' for none")
		m.file("applications", "applications", "file with a JSON array of applications and their permissions")
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
	updateExample: `  countersign token update TOKEN --end-date 2027-06-30
  countersign token update TOKEN --name siem-poller-2`,
	update: func(m *members) {
		m.text("name", "name", "name: letters, digits, blanks, - and _")
		m.text("end_date", "end-date", "last day, YYYY-MM-DD; '' for none")
		m.flag("enabled", "enabled", "whether it signs in: --enabled=false when not")
	},
	switches: true,
}

var certificateResource = resource{
	name: "certificate", plural: "certificates", short: "Client certificates: what programs sign in with by mTLS",
	columns: []column{{"ID", "id"}, {"USER", "user_id"}, {"NAME", "name"}, {"STATUS", "status"}, {"SUBJECT", "subject"}, {"NOT AFTER", "not_after"}, {"LAST USED", "last_used_at"}},
	filters: []string{"user_id"},
	example: "  countersign certificate create --user USER --name 'rack 7' --cert client.pem",
	create: func(cmd *cobra.Command) func() (any, error) {
		var n identity.NewCertificate
		var file string
		f := cmd.Flags()
		f.StringVar(&n.UserID, "user", "me", "user whom it signs in")
		f.StringVar(&n.Name, "name", "", "name: letters, digits, blanks, - and _ (required)")
		f.StringVar(&file, "cert", "", "PEM file with the certificate alone, without chain or key (required)")
		f.StringArrayVar(&n.Accounts, "bound-account", nil, "let it reach only this account; may be repeated")
		f.StringArrayVar(&n.Sources, "source", nil, "let it write only this source; may be repeated")
		return func() (any, error) {
			if file == "" {
				return nil, misused("no certificate: give --cert client.pem")
			}
			b, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("read --cert: %w", err)
			}
			// The server would refuse it too, but by then the key has travelled.
			if strings.Contains(string(b), "PRIVATE KEY-----") {
				return nil, fmt.Errorf("read --cert: %s holds a private key: give a file with the certificate alone", file)
			}
			n.PEM = string(b)
			return given(n)
		}
	},
	updateExample: "  countersign certificate update CERTIFICATE --name 'rack 8'",
	update: func(m *members) {
		m.text("name", "name", "name: letters, digits, blanks, - and _")
		m.flag("enabled", "enabled", "whether it signs in: --enabled=false when not")
	},
	switches: true,
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
