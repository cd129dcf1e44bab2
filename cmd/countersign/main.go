// Command countersign is the audit-trail server for certificate estates and everything around it: the
// server, its command line, and the offline verifier. Each subcommand has a file: parse, call,
// print; what it does is in the packages it calls.
//
// Exit codes: 0 done, 1 failed, 2 misused, 3 evidence of tampering or damage (verify, fsck, backup, restore).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

const (
	exitFailed   = 1
	exitMisused  = 2
	exitTampered = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with its surroundings handed in.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "countersign: %v\n", err)
	if _, misused := errors.AsType[usageError](err); misused {
		fmt.Fprintf(stderr, "see '%s --help'\n", cmd.CommandPath())
		return exitMisused
	}
	if _, tampered := errors.AsType[evidenceError](err); tampered {
		return exitTampered
	}
	if _, damaged := errors.AsType[damageError](err); damaged {
		return exitTampered
	}
	if _, tampered := errors.AsType[tamperError](err); tampered {
		return exitTampered
	}
	if next := advice(err); next != "" {
		fmt.Fprintln(stderr, next)
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "countersign",
		Short: "The audit trail for PKI: records, answers in each vendor's API, proves",
		Long: `Countersign holds the audit events of a certificate estate and answers in the API of the vendor that your
scripts already speak: DigiCert ONE Account Manager and its own /api/v1.`,
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newServe(), newDemo(), newImport(), newHealth(), newKey(), newVerify(), newFsck(), newBackup(), newVersion())
	root.AddCommand(newSearch(), newTail(), newExport(), newCompletion())
	root.AddCommand(newReport(), newRestore())
	root.AddCommand(resourceCommands()...)
	return root
}

// usageError marks a mistake in how a command was called: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func misused(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 && cmd.HasSubCommands() {
		return misused("unknown command %q", args[0])
	}
	if len(args) > 0 {
		return misused("%s takes no arguments, got %q", cmd.CommandPath(), strings.Join(args, " "))
	}
	return nil
}

func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return misused("%s needs %s", cmd.CommandPath(), strings.Join(names, " and "))
		}
		return nil
	}
}
