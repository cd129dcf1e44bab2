package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// resource is one kind of thing under /api/v1 that the command line makes, lists, shows, changes and deletes.
type resource struct {
	name    string // account
	under   string // the commands above it, with a blank behind: "" or "report "
	plural  string // accounts, as in the path
	short   string
	columns []column
	// scope, when not empty, is a query parameter that show, update and delete need beside the id.
	scope string
	// filters are query parameters of list.
	filters []string
	// create adds the flags of a new one and returns what makes the request body of them.
	create func(cmd *cobra.Command) func() (any, error)
	// update adds the flags of what may change.
	update        func(m *members)
	example       string // of create
	updateExample string
	purge         bool
	// switches adds enable and disable.
	switches bool
}

// column is a member of the answer shown in a table.
type column struct{ title, member string }

func resourceCommands() []*cobra.Command {
	var cmds []*cobra.Command
	for _, r := range []resource{accountResource, divisionResource, userResource, tokenResource, certificateResource} {
		cmds = append(cmds, r.command())
	}
	return append(cmds, newRole())
}

func (r resource) command() *cobra.Command {
	cmd := &cobra.Command{Use: r.name, Short: r.short, Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(r.createCommand(), r.listCommand(), r.showCommand(), r.updateCommand(), r.deleteCommand())
	if r.switches {
		cmd.AddCommand(r.switchCommand("enable", true), r.switchCommand("disable", false))
	}
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
	cmd := &cobra.Command{Use: "list", Short: "List " + r.plural, Example: "  countersign " + r.under + r.name + " list --output json", Args: noArgs}
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
	cmd := &cobra.Command{Use: "show ID", Short: "Show one " + r.name, Example: "  countersign " + r.under + r.name + " show ID" + r.scopeExample(), Args: exactArgs("an ID")}
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

func (r resource) updateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update ID", Short: "Change one " + r.name, Long: "Changes what is given and leaves the rest. An empty value empties what may be empty.",
		Example: r.updateExample, Args: exactArgs("an ID"),
	}
	connect, output := serverFlags(cmd), outputFlag(cmd)
	values := r.parameters(cmd, r.scopes()...)
	m := &members{flags: cmd.Flags()}
	r.update(m)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkOutput(*output); err != nil {
			return err
		}
		in, err := m.given()
		if err != nil {
			return err
		}
		return r.call(cmd, connect, *output, http.MethodPatch, r.place(args[0], values()), in)
	}
	return cmd
}

func (r resource) switchCommand(verb string, on bool) *cobra.Command {
	cmd := &cobra.Command{
		Use: verb + " ID", Short: strings.ToUpper(verb[:1]) + verb[1:] + " one " + r.name + ", in force with the next call",
		Example: "  countersign " + r.under + r.name + " " + verb + " ID", Args: exactArgs("an ID"),
	}
	connect, output := serverFlags(cmd), outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkOutput(*output); err != nil {
			return err
		}
		return r.call(cmd, connect, *output, http.MethodPatch, r.place(args[0], nil), map[string]bool{"enabled": on})
	}
	return cmd
}

func (r resource) deleteCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "delete ID", Short: "Delete one " + r.name, Example: "  countersign " + r.under + r.name + " delete ID" + r.scopeExample(), Args: exactArgs("an ID")}
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
