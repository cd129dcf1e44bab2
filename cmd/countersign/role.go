package main

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"countersign/identity"
)

// roleResource is how grants are listed. They have no id: the user, the role and the place name one.
var roleResource = resource{
	name: "role", plural: "roles",
	columns: []column{{"USER", "user_id"}, {"ROLE", "role"}, {"ACCOUNT", "account_id"}, {"WHOLE SERVER", "server"}, {"DIVISIONS", "divisions"}, {"GIVEN AT", "created_at"}, {"GIVEN BY", "created_by"}},
	filters: []string{"user_id", "account_id", "role"},
}

func newRole() *cobra.Command {
	cmd := &cobra.Command{
		Use: "role", Short: "Roles: what users may do, and where", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(roleResource.listCommand(), newGrant(), newRevoke())
	return cmd
}

// roleFlags adds the flags that name a grant.
func roleFlags(cmd *cobra.Command) func() (user string, g identity.Grant, err error) {
	var text, user string
	cmd.Flags().StringVar(&user, "user", "", "user (required)")
	cmd.Flags().StringVar(&text, "role", "", "ROLE@ACCOUNT, ROLE@ACCOUNT/DIVISION,..., or ROLE@* for the whole server (required)")
	return func() (string, identity.Grant, error) {
		if user == "" || text == "" {
			return "", identity.Grant{}, misused("%s needs --user and --role", cmd.CommandPath())
		}
		g, err := parseGrant(text, "")
		if err == nil && !g.Server && g.Account == "" {
			err = misused("--role %q: say where, as ROLE@ACCOUNT or ROLE@*", text)
		}
		return user, g, err
	}
}

func newGrant() *cobra.Command {
	cmd := &cobra.Command{
		Use: "grant", Short: "Give a user a role", Args: noArgs,
		Example: `  countersign role grant --user USER --role AUDITOR@ACCOUNT
  countersign role grant --user USER --role AM_VIEW_ONLY@ACCOUNT/677793,677794
  countersign role grant --user USER --role 'SERVER_OPERATOR@*'`,
	}
	connect, output := serverFlags(cmd), outputFlag(cmd)
	grant := roleFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkOutput(*output); err != nil {
			return err
		}
		user, g, err := grant()
		if err != nil {
			return err
		}
		in := struct {
			UserID string `json:"user_id"`
			identity.Grant
		}{user, g}
		return roleResource.call(cmd, connect, *output, http.MethodPost, "/api/v1/roles", in)
	}
	return cmd
}

func newRevoke() *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke", Short: "Take a role from a user, whatever divisions it is limited to", Args: noArgs,
		Example: "  countersign role revoke --user USER --role AUDITOR@ACCOUNT",
	}
	connect := serverFlags(cmd)
	grant := roleFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		user, g, err := grant()
		if err != nil {
			return err
		}
		if len(g.Divisions) > 0 {
			return misused("--role: leave %s out: a role is taken back as a whole", strings.Join(g.Divisions, ","))
		}
		q := url.Values{"user_id": {user}, "role": {string(g.Role)}}
		if g.Server {
			q.Set("server", "true")
		} else {
			q.Set("account_id", g.Account)
		}
		c, err := connect()
		if err != nil {
			return err
		}
		return c.Call(cmd.Context(), http.MethodDelete, "/api/v1/roles?"+q.Encode(), nil, nil)
	}
	return cmd
}
