//go:build race

package segment_test

// raceDetector: loops over every byte take a sample under the race detector.
const raceDetector = true
