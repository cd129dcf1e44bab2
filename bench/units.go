package main

import (
	"fmt"
	"strconv"
	"time"
)

// long writes a duration with three digits that count.
func long(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d < time.Millisecond:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1000)
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.3g s", d.Seconds())
}

// backlog is known to a fifth of a second only.
func backlog(d time.Duration) string {
	if d < time.Second/5 {
		return "not"
	}
	return long(d)
}

func rate(perSecond float64) string {
	if perSecond == 0 {
		return ""
	}
	return thousands(int64(perSecond))
}

func micros(d time.Duration, events int) string {
	if events == 0 || d == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f µs", float64(d.Microseconds())/float64(events))
}

func mib(bytes int64) string {
	if bytes == 0 {
		return ""
	}
	return thousands(bytes>>20) + " MiB"
}

func each(bytes int64, events int) string {
	if bytes == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", float64(bytes)/float64(events))
}

func yes(met *bool) string {
	switch {
	case met == nil:
		return ""
	case *met:
		return "yes"
	}
	return "NO"
}

// metIf returns whether a budget is met, nil where it was not measured.
func metIf(measured, met bool) *bool {
	if !measured {
		return nil
	}
	return &met
}

// thousands writes a number with a comma at each thousand.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
