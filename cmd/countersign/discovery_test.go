package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// auditLogs is a Discovery list answer as its reader sees it.
type auditLogs struct {
	Error any
	Data  struct {
		TotalCount, CurrentCount int
		AuditLogs                []map[string]any
	}
}

// discover posts a request as the vendor's scripts do.
func (p *process) discover(t *testing.T, call, body string, into any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/apicontroller/v1/auditlog/"+call, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-DC-DEVKEY", bootstrap)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s %s: %v in %q", call, body, err, b)
	}
	return resp.StatusCode
}

// TestDiscoveryOnTheVendorsSample imports the vendor's sample answer and asks for it as the vendor's sample
// request does, before and after a restart.
func TestDiscoveryOnTheVendorsSample(t *testing.T) {
	const sample = "../../collect/discovery/testdata/list-response.json"
	b, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	var want auditLogs
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	originals := []any{}
	for i, row := range want.Data.AuditLogs {
		originals = append(originals, row["id"])
		row["id"] = float64(i)
	}
	dir := t.TempDir()
	p := serve(t, dir)
	// No account is made: that it was made would be an entry of its own.
	p.run(t, "import", "--format", "discovery", "--account", "5153184", sample)
	for range 2 {
		request := `{"accountId":5153184,"divisionIds":[],"isFromWallAlert":false,"startIndex":1,"pageSize":50,"filterSelected":"user","sortedColumnId":"createdDate","sortOrder":"DESC"`
		var got auditLogs
		if status := p.discover(t, "list", request+`}`, &got); status != http.StatusOK || got.Data.TotalCount != 3 || got.Data.CurrentCount != 3 || len(got.Data.AuditLogs) != 3 {
			t.Fatalf("%d %+v", status, got)
		}
		first := got.Data.AuditLogs[0]["id"].(float64)
		for _, row := range got.Data.AuditLogs {
			row["id"] = row["id"].(float64) - first
		}
		if diff := cmp.Diff(want.Data.AuditLogs, got.Data.AuditLogs); diff != "" {
			t.Errorf("-vendor +ours\n%s", diff)
		}
		if p.discover(t, "list", request+`,"searchCriteriaList":[{"key":"function","operation":"EQUALS","value":["Abort scan"]}]}`, &got); got.Data.TotalCount != 0 {
			t.Errorf("with the criterion of the sample: %d", got.Data.TotalCount)
		}
		for _, id := range originals {
			var events struct{ Total int }
			p.get(t, fmt.Sprintf("/api/v1/events?q=attributes.discovery.id:%.0f", id), &events)
			if events.Total != 1 {
				t.Errorf("the original id %.0f finds %d", id, events.Total)
			}
		}
		var values struct{ Data struct{ Values []string } }
		p.discover(t, "filter", `{"accountId":"5153184","divisionIds":[],"filterSelected":"userName"}`, &values)
		if diff := cmp.Diff([]string{"CertCentral Admin", "System"}, values.Data.Values); diff != "" {
			t.Errorf("values (-want +got)\n%s", diff)
		}
		var refused struct {
			Error struct{ Code, Message string }
			Data  any
		}
		if status := p.discover(t, "list", `{"accountId":5153184}`, &refused); status != http.StatusBadRequest || !strings.Contains(refused.Error.Message, "divisionIds") {
			t.Errorf("%d %+v", status, refused)
		}
		p.stop(t)
		p = serve(t, dir)
	}
	p.stop(t)
}

// demoLines starts a demo that runs until ctx ends, and returns its settings and the lines to paste that have
// part in them.
func demoLines(ctx context.Context, t *testing.T, part string) (settings, lines []string) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is missing: make deps installs it")
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, binary, "demo", "--listen", "127.0.0.1:0", "--events", "500")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		cmd.Wait()
	})
	for scan := bufio.NewScanner(out); scan.Scan() && !strings.HasPrefix(scan.Text(), "listening on "); {
		switch line := scan.Text(); {
		case strings.HasPrefix(line, "URL="), strings.HasPrefix(line, "KEY="):
			settings = append(settings, line)
		case (strings.HasPrefix(line, "curl ") || strings.HasPrefix(line, `"`)) && strings.Contains(line, part):
			lines = append(lines, line)
		}
	}
	return settings, lines
}

// paste runs a line in a shell as somebody does who has pasted the settings first.
func paste(ctx context.Context, settings []string, line string) ([]byte, error) {
	return exec.CommandContext(ctx, "sh", "-c", strings.Join(settings, "\n")+"\n"+line).Output()
}

// TestTheDemosDiscoveryLinesAnswerWithRows pastes the lines that the demo prints into a shell.
func TestTheDemosDiscoveryLinesAnswerWithRows(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	settings, lines := demoLines(ctx, t, "/apicontroller/")
	if len(settings) != 2 || len(lines) != 2 {
		t.Fatalf("the demo printed %q and %q", settings, lines)
	}
	for _, line := range lines {
		b, err := paste(ctx, settings, line)
		var answer struct {
			Error any
			Data  struct {
				AuditLogs []any
				Values    []string
			}
		}
		if err != nil || json.Unmarshal(b, &answer) != nil || answer.Error != nil || len(answer.Data.AuditLogs)+len(answer.Data.Values) == 0 {
			t.Errorf("%s\nanswered %s, %v", line, b, err)
		}
	}
}
