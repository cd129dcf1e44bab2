package bundle_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"countersign/bundle"
	"countersign/merkle"
)

func TestConsistencyHasOneRendering(t *testing.T) {
	for _, c := range []bundle.Consistency{{}, {From: 0, To: 7}, {From: 3, To: 7, Path: []merkle.Hash{{1}, {2, 31: 9}}}} {
		b := c.JSON()
		got, err := bundle.ParseConsistency(append(slices.Clone(b), '\n'))
		if err != nil || !cmp.Equal(got, c) {
			t.Fatalf("%s: %+v, %v", b, got, err)
		}
		for at := range b {
			for bit := range 8 {
				changed := bytes.Clone(b)
				changed[at] ^= 1 << bit
				if got, err := bundle.ParseConsistency(changed); err == nil && cmp.Equal(got, c) {
					t.Errorf("%s says the same as %s", changed, b)
				}
			}
			if got, err := bundle.ParseConsistency(slices.Insert(bytes.Clone(b), at, ' ')); err == nil {
				t.Errorf("a blank at byte %d: %+v", at, got)
			}
		}
	}
	tests := map[string]string{
		"no JSON":        "x",
		"null":           "null",
		"unknown member": `{"from":1,"to":2,"path":[],"x":1}`,
		"repeated":       `{"from":1,"to":2,"to":2,"path":[]}`,
		"another order":  `{"to":2,"from":1,"path":[]}`,
		"short hash":     `{"from":1,"to":2,"path":["AAAA"]}`,
		"a long path":    `{"from":1,"to":2,"path":[` + strings.Repeat(" ", bundle.MaxConsistencyBytes) + `]}`,
	}
	for name, text := range tests {
		if got, err := bundle.ParseConsistency([]byte(text)); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func FuzzConsistency(f *testing.F) {
	f.Add((&bundle.Consistency{From: 3, To: 7, Path: []merkle.Hash{{1}, {2}}}).JSON())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := bundle.ParseConsistency(b)
		if err == nil && !bytes.Equal(c.JSON(), bytes.TrimSuffix(b, []byte{'\n'})) {
			t.Errorf("%q is read and written as %s", b, c.JSON())
		}
	})
}
