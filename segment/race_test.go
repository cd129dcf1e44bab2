//go:build race

package segment_test

// raceEnabled: loops over every byte take a sample under the race detector.
const raceEnabled = true
