package main

import (
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"countersign/server"
)

func newServe() *cobra.Command {
	cfg := server.Config{Version: versionText()}
	var configFile, logLevel string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server on a data directory, which is made when it is missing or empty.

Every flag has an environment twin (--tls-cert is COUNTERSIGN_TLS_CERT) and a key of the same name in the
config file; the command line wins over the environment, and that over the file. At the first start an
administrator is made and its token shown once; with COUNTERSIGN_BOOTSTRAP_TOKEN set (32 or more printable
ASCII characters) that is the token, and nothing is shown.`,
		Example: `  countersign serve --data /var/lib/countersign
  countersign serve --data /var/lib/countersign --listen 0.0.0.0:8443 --tls-self-signed`,
		Args: noArgs,
	}
	f := cmd.Flags()
	f.StringVar(&configFile, "config", "", "YAML file with the settings below")
	f.StringVar(&cfg.Data, "data", "", "data directory (required)")
	f.StringVar(&cfg.Origin, "origin", "", "name of the trail in its checkpoints, fixed at the first start (made up when none is given)")
	f.StringVar(&cfg.CheckpointFile, "checkpoint-file", "", "file on another volume that gets every published checkpoint, and is compared with the directory at each start")
	f.DurationVar(&cfg.CheckEvery, "check-every", server.DefaultCheckEvery, "how often to compare the directory with its own checkpoints; 0 is never")
	f.BoolVar(&cfg.OpenEntries, "open-entries", false, "let anybody read /tile/entries, and not only monitors")
	f.BoolVar(&cfg.NoPreallocate, "no-preallocate", false, "do not reserve space for the log ahead")
	listenFlags(f, &cfg)
	logFlag(f, &logLevel)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if v, ok := os.LookupEnv(envName("config")); ok && !f.Changed("config") {
			configFile = v
		}
		if err := settle(cmd, configFile); err != nil {
			return err
		}
		if cfg.Data == "" {
			return misused("--data is required: the directory that holds the trail")
		}
		log, err := newLogger(cmd.ErrOrStderr(), logLevel)
		if err != nil {
			return err
		}
		cfg.Logger, cfg.TuneMemory = log, true
		cfg.BootstrapToken = os.Getenv("COUNTERSIGN_BOOTSTRAP_TOKEN")
		return server.Run(cmd.Context(), cfg, cmd.OutOrStdout())
	}
	return cmd
}

// keyfactorPath is where Keyfactor's own clients look.
const keyfactorPath = "/KeyfactorAPI"

func listenFlags(f *pflag.FlagSet, cfg *server.Config) {
	f.StringVar(&cfg.Listen, "listen", server.DefaultListen, "address to listen on")
	f.StringVar(&cfg.TLSCert, "tls-cert", "", "PEM file with the certificate chain")
	f.StringVar(&cfg.TLSKey, "tls-key", "", "PEM file with its key")
	f.BoolVar(&cfg.TLSSelfSigned, "tls-self-signed", false, "make and keep a self-signed certificate in the data directory")
	f.BoolVar(&cfg.InsecureHTTP, "insecure-http", false, "allow plain HTTP on an address that others can reach")
	f.StringVar(&cfg.KeyfactorPath, "keyfactor-path", keyfactorPath, "path of the Keyfactor Command compatible API")
	f.Var(&cfg.RateLimit, "rate-limit", "requests of each token, such as 1000/3m or 1000/3m,100/5s")
	cfg.SignInLimit = server.DefaultSignInLimit()
	f.Var(&cfg.SignInLimit, "sign-in-limit", "failed sign-ins from each address, or off")
}

func logFlag(f *pflag.FlagSet, level *string) {
	f.StringVar(level, "log-level", "info", "debug, info, warn or error")
}

// newLogger writes text for people and JSON for machines.
func newLogger(w io.Writer, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, misused("--log-level is debug, info, warn or error, not %q", level)
	}
	o := &slog.HandlerOptions{Level: l}
	if isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, o)), nil
	}
	return slog.New(slog.NewJSONHandler(w, o)), nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
