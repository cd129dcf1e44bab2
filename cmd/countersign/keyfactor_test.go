package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestTheDemosKeyfactorLinesAnswerWithRows pastes the lines that the demo prints into a shell.
func TestTheDemosKeyfactorLinesAnswerWithRows(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	settings, lines := demoLines(ctx, t, "/KeyfactorAPI/")
	if len(settings) != 2 || len(lines) != 5 {
		t.Fatalf("the demo printed %q and %q", settings, lines)
	}
	for _, line := range lines {
		b, err := paste(ctx, settings, line)
		var rows []struct {
			ID        int64   `json:"Id"`
			Signature *string `json:"Signature"`
		}
		switch {
		case strings.Contains(line, "/Validate"):
			if err != nil || string(b) != "true" {
				t.Errorf("%s\nanswered %s, %v", line, b, err)
			}
		case strings.Contains(line, "/Download"):
			if err != nil || !bytes.HasPrefix(b, []byte("Id,Timestamp,")) || bytes.Count(b, []byte("\r\n")) < 2 {
				t.Errorf("%s\nanswered %s, %v", line, b, err)
			}
		case err != nil || json.Unmarshal(b, &rows) != nil || len(rows) == 0 || rows[0].Signature == nil:
			t.Errorf("%s\nanswered %s, %v", line, b, err)
		}
	}
}
