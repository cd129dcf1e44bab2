package main_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptCommands are what the stories need beside testscript's own.
var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"await": await,
	"exits": exits,
	"tty":   tty,
}

// await FILE PATTERN waits until a file that somebody writes matches.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE PATTERN")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	var got []byte
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got, err = os.ReadFile(ts.MkAbs(args[0])); err == nil && pattern.Match(got) {
			return
		}
	}
	ts.Fatalf("%s has no %s: %s", args[0], args[1], got)
}

// exits CODE COMMAND... runs a command that must end with this code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if want, err := strconv.Atoi(args[0]); err != nil || code != want {
		ts.Fatalf("%v: exit code %d, want %s", args[1:], code, args[0])
	}
}

// tty WIDTH FILE COMMAND... runs a command on a terminal of so many columns and keeps what it shows.
func tty(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: tty WIDTH FILE COMMAND...")
	}
	width, err := strconv.Atoi(args[0])
	ts.Check(err)
	shown, err := onTerminal(width, ts.MkAbs("."), ts.Getenv, args[2:])
	if neg != (err != nil) {
		ts.Fatalf("%v: %v\n%s", args[2:], err, shown)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), bytes.ReplaceAll(shown, []byte("\r\n"), []byte("\n")), 0o600))
}
