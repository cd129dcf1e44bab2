package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"countersign/client"
	"countersign/problem"
)

// advice says what to do next about a failure, "" when the error says it itself.
func advice(err error) string {
	dns, isDNS := errors.AsType[*net.DNSError](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case untrusted:
		return "name the certificate to trust with --ca (COUNTERSIGN_CA); a self-signed server keeps its own as tls/cert.pem in its data directory"
	case noTLS || errors.Is(err, http.ErrSchemeMismatch):
		return "the server speaks plain HTTP there: give --server (COUNTERSIGN_SERVER) as http://..."
	case isDNS && dns.IsNotFound:
		return "check the name in --server (COUNTERSIGN_SERVER)"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: is the server running, and --server (COUNTERSIGN_SERVER) right?"
	}
	if _, answered := errors.AsType[*client.Refusal](err); !answered {
		return ""
	}
	switch problem.KindOf(err) {
	case problem.Unauthenticated:
		return "check the token in COUNTERSIGN_TOKEN or --token: it may be mistyped, expired, disabled or of another server"
	case problem.Denied:
		return "the token's user lacks a role for this; docs/api.md says which, 'countersign role' gives it"
	case problem.Throttled, problem.Unavailable:
		return "try again later"
	}
	return ""
}

// explainQuery turns the server's refusal of a parameter into words about the flag or the text, which it shows
// with a mark under the place where it went wrong.
func explainQuery(err error, q client.Query) error {
	r, ok := errors.AsType[*client.Refusal](err)
	if !ok || r.Status != http.StatusBadRequest {
		return err
	}
	text, name := q.Text, "search text"
	switch r.Problem.Field {
	case "q":
	case "sort":
		text, name = q.Sort, "--sort"
	case "from", "to", "as_of":
		return misused("--%s %s", flagName(r.Problem.Field), r.Problem.Detail)
	default:
		return err
	}
	if r.Position < 0 || r.Position > len(text) {
		return misused("%s: %s", name, r.Problem.Detail)
	}
	return misused("%s: %s\n%s", name, r.Problem.Detail, marked(text, r.Position))
}

func flagName(parameter string) string { return strings.ReplaceAll(parameter, "_", "-") }

// marked returns the text around a byte of it, and a line with a mark under that.
func marked(text string, at int) string {
	const around = 60 // bytes, about
	from, to := max(0, at-around), min(len(text), at+around)
	for from > 0 && !utf8.RuneStart(text[from]) {
		from--
	}
	for to < len(text) && !utf8.RuneStart(text[to]) {
		to++
	}
	before, after := visible(text[from:at]), visible(text[at:to])
	if from > 0 {
		before = "…" + before
	}
	if to < len(text) {
		after += "…"
	}
	return fmt.Sprintf("  %s%s\n  %s^", before, after, strings.Repeat(" ", uniseg.StringWidth(before)))
}
