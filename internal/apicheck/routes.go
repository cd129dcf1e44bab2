package apicheck

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Routes checks that the routes of a server, each METHOD and path, are the operations of the document.
func Routes(tb testing.TB, routes []string) {
	tb.Helper()
	d, err := load()
	if err != nil {
		tb.Fatal(err)
	}
	for _, finding := range d.compare(routes) {
		tb.Error(finding)
	}
}

func (d *document) compare(routes []string) (findings []string) {
	described := map[string]bool{}
	for _, o := range d.operations {
		path := o.path
		if o.rest {
			path = strings.TrimSuffix(path, "}") + "...}" // as net/http writes it
		}
		described[o.method+" "+path] = true
	}
	for _, r := range routes {
		if !described[r] {
			findings = append(findings, fmt.Sprintf("%s is routed, and web/openapi does not describe it", r))
		}
		delete(described, r)
	}
	for _, r := range slices.Sorted(maps.Keys(described)) {
		findings = append(findings, fmt.Sprintf("web/openapi describes %s, and nothing answers it", r))
	}
	return findings
}
