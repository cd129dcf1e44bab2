//go:build race

package store_test

// raceDetector: what is slow under it and no question of concurrency is cut short; scripts/test.sh runs it in full.
const raceDetector = true
