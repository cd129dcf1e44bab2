// Package examples_test runs the examples as a reader would, against the demo.
package examples_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/client"
	"countersign/internal/apicheck"
)

// example is a folder whose programs are run.
type example struct {
	language string
	tools    map[string]string // command to Debian package
	tutorial []string
	send     []string
}

func examples(t *testing.T, dir string) []example {
	return []example{
		{"curl", map[string]string{"curl": "curl", "jq": "jq"}, []string{"curl/tutorial.sh"}, []string{"curl/send.sh"}},
		{"python", map[string]string{"python3": "python3"}, []string{"python3", "python/tutorial.py"}, []string{"python3", "python/send.py"}},
		{"java", map[string]string{"java": "default-jdk-headless"}, []string{"java", "java/Tutorial.java"}, []string{"java", "java/Send.java"}},
		{"go", nil, []string{build(t, dir, "./go/tutorial")}, []string{build(t, dir, "./go/send")}},
	}
}

func build(t *testing.T, dir, pkg string) string {
	t.Helper()
	out := filepath.Join(dir, filepath.Base(pkg))
	if b, err := exec.Command("go", "build", "-o", out, pkg).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, b)
	}
	return out
}

// demo starts the demo and returns what it prints to be pasted.
func demo(t *testing.T, binary string) (url, key string) {
	t.Helper()
	cmd := exec.Command(binary, "demo", "--listen", "127.0.0.1:0", "--events", "6000")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("the demo ends with %v: %s", err, &stderr)
		}
	})
	listening := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if v, ok := strings.CutPrefix(lines.Text(), "URL="); ok {
				url = v
			}
			if v, ok := strings.CutPrefix(lines.Text(), "KEY="); ok {
				key = v
			}
			if strings.HasPrefix(lines.Text(), "listening on ") {
				close(listening)
			}
		}
	}()
	select {
	case <-listening:
	case <-time.After(60 * time.Second):
		t.Fatal("the demo does not start")
	}
	return url, key
}

// run runs a program and returns what it prints.
func run(t *testing.T, env, command []string) (stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s%s", command, err, &o, &e)
	}
	return o.String(), e.String()
}

// TestExamplesMakeTheSameReport runs each language's tutorial over the demo's estate, and lets each send
// events.
func TestExamplesMakeTheSameReport(t *testing.T) {
	dir := t.TempDir()
	url, key := demo(t, build(t, dir, "../cmd/countersign"))
	url = apicheck.Proxy(t, url) // what the examples send and get is held to the OpenAPI document
	c, err := client.New(client.Options{Server: url, Token: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	// Until yesterday: what the examples themselves do is recorded today.
	now := time.Now().UTC()
	from, to := now.AddDate(0, 0, -80).Format(time.DateOnly), now.AddDate(0, 0, -1).Format(time.DateOnly)
	env := []string{"COUNTERSIGN_URL=" + url, "COUNTERSIGN_TOKEN=" + key, "FROM=" + from, "TO=" + to}
	wanted, err := c.Search(t.Context(), client.Query{Text: "resource.type:=(USER,APIKEY)", From: from, To: to}, 0, 0)
	if err != nil || wanted.Total < 100 {
		t.Fatalf("%d entries to report, %v", wanted.Total, err)
	}
	reports := map[string]string{}
	for _, x := range examples(t, dir) {
		t.Run(x.language, func(t *testing.T) {
			for tool, pkg := range x.tools {
				if _, err := exec.LookPath(tool); err != nil {
					t.Skipf("SKIPPED: %s is missing; install the package %s (scripts/deps.sh does) to run this example", tool, pkg)
				}
			}
			report, steps := run(t, env, x.tutorial)
			reports[x.language] = report
			if got := strings.Count(report, "\n") - 1; got != int(wanted.Total) {
				t.Errorf("the report has %d rows, want %d", got, wanted.Total)
			}
			for _, step := range []string{"step 1: ", fmt.Sprintf("step 2: %d of them from %s to %s", wanted.Total, from, to),
				fmt.Sprintf("step 3: %d entries read", wanted.Total), "step 4: ", "step 5: 8 of 8 accounts are known"} {
				if !strings.Contains(steps, step) {
					t.Errorf("no %q in:\n%s", step, steps)
				}
			}

			answer, _ := run(t, env, append(x.send, "order-4711"))
			plain := strings.NewReplacer(`"`, "", ":", " ", ",", ", ").Replace(answer)
			if lines := strings.Split(plain, "\n"); len(lines) != 3 || !strings.Contains(lines[0], "accepted 2") || !strings.Contains(lines[1], "duplicates 2") {
				t.Errorf("sending says:\n%s", answer)
			}
			sent, err := c.Search(t.Context(), client.Query{Text: "source:=example/" + x.language, Sort: "id:asc"}, 0, 10)
			if err != nil || len(sent.Items) != 2 || sent.Items[0].ID != "order-4711-approved" || sent.Items[1].ID != "order-4711-requested" {
				t.Fatalf("sent %+v, %v", sent.Items, err)
			}
			if a := sent.Items[0]; a.Actor.Name.Value != "raj@example.com" || a.Attribute("ticket").Value != "CHG-1042" || a.Resource.Name.Value != "www.example.com" {
				t.Errorf("sent %s", a.JSON)
			}
		})
	}
	for language, report := range reports {
		if report != reports["go"] {
			t.Errorf("the report of %s differs from Go's:\n%s", language, firstDifference(reports["go"], report))
		}
	}
	// People are joined to the rows, also those who are gone.
	for _, text := range []string{"\tstandard\tACTIVE\t", "\tservice\tACTIVE\t", "\tDELETED\t", "\tunknown\t", "@bank.example.com\t"} {
		if !strings.Contains(reports["go"], text) {
			t.Errorf("the report has no %q", text)
		}
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\n%s\n%s", i, w[i], g[i])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(w), len(g))
}
