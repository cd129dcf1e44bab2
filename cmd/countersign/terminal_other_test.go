//go:build !linux

package main_test

import "errors"

// onTerminal is for Linux; the story that needs it is skipped elsewhere.
func onTerminal(int, string, func(string) string, []string) ([]byte, error) {
	return nil, errors.New("there is no pseudo-terminal for tests on this system")
}
