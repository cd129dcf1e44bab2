package main_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTheDemosProofIsVerified pastes the lines of the demo that fetch a proof and a report and check them, and then checks
// a proof that somebody has laid hands on.
func TestTheDemosProofIsVerified(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	settings, lines := demoLines(ctx, t, "")
	var pasted []string
	dir := t.TempDir()
	shell := func(line string) (string, error) {
		cmd := exec.CommandContext(ctx, "sh", "-c", strings.Join(settings, "\n")+"\n"+line)
		cmd.Dir = dir
		b, err := cmd.CombinedOutput()
		return string(b), err
	}
	for _, line := range lines {
		if !strings.Contains(line, "countersign.vkey") && !strings.Contains(line, "proof.json") && !strings.Contains(line, "/checkpoint") && !strings.Contains(line, " report run ") {
			continue
		}
		out, err := shell(line)
		if err != nil {
			t.Fatalf("%s: %v: %s", line, err, out)
		}
		pasted = append(pasted, line+"\n"+out)
	}
	all := strings.Join(pasted, "\n")
	if len(pasted) != 6 || !strings.Contains(all, "demo.example.com/trail") || !strings.Contains(all, "\nC  The population is complete") {
		t.Fatalf("pasted %d: %s", len(pasted), all)
	}
	name := filepath.Join(dir, "proof.json")
	proof, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(strings.Replace(string(proof), `"index":0`, `"index":1`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(ctx, binary, "verify", "--key", filepath.Join(dir, "countersign.vkey"), name).CombinedOutput()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 3 {
		t.Errorf("a changed proof: %v: %s", err, out)
	}
}
