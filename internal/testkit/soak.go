package testkit

import (
	"os"
	"testing"
	"time"
)

// SoakFor returns for how long a test is to go on, with a new seed each time, beyond what it does in an ordinary run: the
// duration in COUNTERSIGN_SOAK_FOR, 0 when that is not set (docs/testing.md).
func SoakFor(tb testing.TB) time.Duration {
	tb.Helper()
	text := os.Getenv("COUNTERSIGN_SOAK_FOR")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		tb.Fatalf("COUNTERSIGN_SOAK_FOR: %v", err)
	}
	return d
}

// Counted prints how much of something a test did, in a line that scripts/soak.sh adds up.
func Counted(tb testing.TB, n int, what string) {
	tb.Helper()
	tb.Logf("SOAK %d %s", n, what)
}
