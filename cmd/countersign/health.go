package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"countersign/server"
)

const healthTimeout = 5 * time.Second

func newHealth() *cobra.Command {
	base := "http://" + server.DefaultListen
	var ready bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a server whether it lives",
		Long: `Ask a server whether it lives, for the health check of a container: nothing but this binary is needed there.
It exits with 0 when the server answers well, and with 1 otherwise. A server that lives may be unable to record, with a full
disk for example; --ready asks for that. No token is sent, so the certificate of a server on this machine is not verified.`,
		Example: "  countersign health --server https://127.0.0.1:8443",
		Args:    noArgs,
	}
	f := cmd.Flags()
	f.StringVar(&base, "server", base, "base URL of the server (COUNTERSIGN_SERVER)")
	f.BoolVar(&ready, "ready", false, "ask whether events can be recorded")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if v := os.Getenv(envName("server")); v != "" && !f.Changed("server") {
			base = v
		}
		u, err := url.Parse(base)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return misused("--server must be a URL such as https://127.0.0.1:8443, not %q", base)
		}
		path := "/healthz"
		if ready {
			path = "/readyz"
		}
		return checkHealth(cmd, u.JoinPath(path))
	}
	return cmd
}

func checkHealth(cmd *cobra.Command, u *url.URL) error {
	ip, err := netip.ParseAddr(u.Hostname())
	local := err == nil && ip.IsLoopback()
	c := &http.Client{Timeout: healthTimeout, Transport: &http.Transport{
		DialContext:       (&net.Dialer{}).DialContext,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: local, MinVersion: tls.VersionTLS12}, // nothing secret is sent or read
		DisableKeepAlives: true,
	}}
	r, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(r)
	if err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	defer resp.Body.Close()
	const most = 4 << 10
	b, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return fmt.Errorf("the server broke off its answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %s: %s", resp.Status, strings.TrimSpace(string(b)))
	}
	_, err = cmd.OutOrStdout().Write(b)
	return err
}
