package merkle_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"countersign/merkle"
)

func TestSignedTextIsThatOfItsKeyOnly(t *testing.T) {
	one, other := signer(t, "example.com/log"), signer(t, "example.com/log")
	const text = "example/v1\nvalue 1\n"
	signed, err := merkle.SignText(text, one)
	if err != nil {
		t.Fatal(err)
	}
	keys := keysOf(t, one)
	got, by, err := keys.OpenText("example.com/log", signed)
	if err != nil || got != text || len(by) != 1 {
		t.Fatalf("opened: %q by %v, %v", got, by, err)
	}
	if _, _, err := keysOf(t, other).OpenText("example.com/log", signed); !errors.Is(err, merkle.ErrUntrusted) {
		t.Errorf("another key: %v", err)
	}
	if _, _, err := keys.OpenText("example.com/other", signed); !errors.Is(err, merkle.ErrUntrusted) {
		t.Errorf("another origin: %v", err)
	}
	if _, _, err := keys.OpenText("example.com/log", bytes.Replace(signed, []byte("value 1"), []byte("value 2"), 1)); !errors.Is(err, merkle.ErrBadSignature) {
		t.Errorf("another text: %v", err)
	}
}

func TestNoCheckpointIsSignedAsAText(t *testing.T) {
	s := signer(t, "example.com/log")
	c, err := merkle.Sign("example.com/log", 1, merkle.Hash{1}, s)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(c.Note), "\n\n")
	if _, err := merkle.SignText(text+"\n", s); err == nil {
		t.Error("a checkpoint was signed")
	}
	if _, err := merkle.SignText("example\n"); err == nil {
		t.Error("signed by nobody")
	}
}
