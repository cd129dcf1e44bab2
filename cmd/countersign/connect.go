package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"countersign/client"
)

// connection makes a client of the flags, once they are parsed.
type connection func() (*client.Client, error)

// serverFlags adds the flags that every command talking to a server has.
func serverFlags(cmd *cobra.Command) connection {
	var o client.Options
	var caFile string
	f := cmd.Flags()
	f.StringVar(&o.Server, "server", "", "base URL of the server (COUNTERSIGN_SERVER)")
	f.StringVar(&o.Token, "token", "", "API token (COUNTERSIGN_TOKEN; better there than in a command line that others can see)")
	f.StringVar(&caFile, "ca", "", "PEM file with the certificate to trust, for a self-signed server (COUNTERSIGN_CA)")
	return func() (*client.Client, error) {
		for _, name := range []string{"server", "token", "ca"} {
			if v := os.Getenv(envName(name)); v != "" && !f.Changed(name) {
				if err := f.Set(name, v); err != nil {
					return nil, misused("%s: %w", envName(name), err)
				}
			}
		}
		if o.Server == "" {
			return nil, misused("no server: set COUNTERSIGN_SERVER or give --server https://audit.example.com:8443")
		}
		if o.Token == "" {
			return nil, misused("no token: set COUNTERSIGN_TOKEN; the server showed one at its first start, 'countersign token create' makes more")
		}
		if caFile != "" {
			var err error
			if o.CA, err = os.ReadFile(caFile); err != nil {
				return nil, fmt.Errorf("read --ca: %w", err)
			}
		}
		c, err := client.New(o)
		if err != nil {
			return nil, usageError{err}
		}
		return c, nil
	}
}
