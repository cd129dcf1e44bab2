package merkle_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"countersign/merkle"
)

const origin = "log.example.com/trail"

func signer(t testing.TB, origin string) *merkle.Signer {
	s, err := merkle.NewSigner(origin)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func keysOf(t testing.TB, signers ...*merkle.Signer) merkle.Keys {
	var text strings.Builder
	for _, s := range signers {
		fmt.Fprintln(&text, s.VKey())
	}
	keys, err := merkle.ParseKeys([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func sign(t testing.TB, signers ...*merkle.Signer) merkle.Checkpoint {
	c, err := merkle.Sign(signers[0].Origin(), 20852163, merkle.Hash{1, 2, 3}, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCheckpointIsReadBackAndVerified(t *testing.T) {
	one, two, other := signer(t, origin), signer(t, origin), signer(t, "other.example.com")
	for _, c := range []struct {
		name    string
		signers []*merkle.Signer
		keys    merkle.Keys
		want    error
	}{
		{"one key", []*merkle.Signer{one}, keysOf(t, one), nil},
		{"two keys, both given", []*merkle.Signer{one, two}, keysOf(t, one, two), nil},
		{"two keys, the old given", []*merkle.Signer{one, two}, keysOf(t, one), nil},
		{"two keys, the new given", []*merkle.Signer{one, two}, keysOf(t, two), nil},
		{"one key, and another one given beside it", []*merkle.Signer{one}, keysOf(t, other, one), nil},
		{"another key of the name given", []*merkle.Signer{one}, keysOf(t, two), merkle.ErrUntrusted},
		{"a key of another name given", []*merkle.Signer{one}, keysOf(t, other), merkle.ErrUntrusted},
		{"no key given", []*merkle.Signer{one}, merkle.Keys{}, merkle.ErrUntrusted},
	} {
		t.Run(c.name, func(t *testing.T) {
			signed := sign(t, c.signers...)
			read, err := merkle.ParseCheckpoint(signed.Note)
			if err != nil {
				t.Fatal(err)
			}
			if read.Origin != origin || read.Size != 20852163 || read.Root != (merkle.Hash{1, 2, 3}) || !bytes.Equal(read.Note, signed.Note) {
				t.Errorf("read %+v", read)
			}
			if err := read.Verify(c.keys); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
				t.Errorf("Verify: %v, want %v", err, c.want)
			}
		})
	}
}

// The key of one log must not be able to speak for another one that the reader trusts as well.
func TestCheckpointOfAnotherOriginIsUntrusted(t *testing.T) {
	one, other := signer(t, origin), signer(t, "other.example.com")
	c := sign(t, other)
	body := strings.Replace(string(c.Note[:bytes.Index(c.Note, []byte("\n\n"))+1]), "other.example.com", origin, 1)
	signed := signNote(t, body, other)
	read, err := merkle.ParseCheckpoint([]byte(signed))
	if err != nil {
		t.Fatal(err)
	}
	if err := read.Verify(keysOf(t, one, other)); !errors.Is(err, merkle.ErrUntrusted) {
		t.Errorf("Verify: %v", err)
	}
}

func TestCheckpointWithABadSignatureOfAGivenKeyIsRefused(t *testing.T) {
	one, two := signer(t, origin), signer(t, origin)
	c := sign(t, one, two)
	lines := strings.SplitAfter(string(c.Note), "\n")
	// The first signature keeps its key's name and id, and takes the second one's bytes.
	first, second := sigBytes(t, lines[4]), sigBytes(t, lines[5])
	lines[4] = "— " + origin + " " + base64.StdEncoding.EncodeToString(append(first[:4:4], second[4:]...)) + "\n"
	forged, err := merkle.ParseCheckpoint([]byte(strings.Join(lines, "")))
	if err != nil {
		t.Fatal(err)
	}
	if err := forged.Verify(keysOf(t, one, two)); !errors.Is(err, merkle.ErrBadSignature) {
		t.Errorf("both keys: %v", err)
	}
	if err := forged.Verify(keysOf(t, one)); !errors.Is(err, merkle.ErrBadSignature) {
		t.Errorf("the key of the bad one: %v", err)
	}
	if err := forged.Verify(keysOf(t, two)); err != nil {
		t.Errorf("the key of the good one: %v", err)
	}
}

func TestCheckpointWithFieldsFilledByHandIsRefused(t *testing.T) {
	one := signer(t, origin)
	for name, change := range map[string]func(*merkle.Checkpoint){
		"size":   func(c *merkle.Checkpoint) { c.Size++ },
		"root":   func(c *merkle.Checkpoint) { c.Root[0]++ },
		"origin": func(c *merkle.Checkpoint) { c.Origin = "other.example.com" },
		"note":   func(c *merkle.Checkpoint) { c.Note = nil },
	} {
		c := sign(t, one)
		change(&c)
		if c.Verify(keysOf(t, one)) == nil {
			t.Errorf("%s: verified", name)
		}
	}
}

func TestEverySingleChangeOfACheckpointIsFound(t *testing.T) {
	one := signer(t, origin)
	keys := keysOf(t, one)
	good := sign(t, one).Note
	check := func(what string, changed []byte) {
		c, err := merkle.ParseCheckpoint(changed)
		if err == nil && c.Verify(keys) == nil {
			t.Errorf("%s: verified %q", what, changed)
		}
	}
	for i := range good {
		for bit := range 8 {
			changed := bytes.Clone(good)
			changed[i] ^= 1 << bit
			check(fmt.Sprintf("bit %d of byte %d flipped", bit, i), changed)
		}
		check(fmt.Sprintf("cut at %d", i), good[:i])
		check(fmt.Sprintf("without byte %d", i), append(bytes.Clone(good[:i]), good[i+1:]...))
		check(fmt.Sprintf("a line feed at %d", i), append(append(bytes.Clone(good[:i]), '\n'), good[i:]...))
	}
	check("more after the end", append(bytes.Clone(good), '\n'))
}

func TestParseCheckpointRefuses(t *testing.T) {
	const root = "AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	const sig = "— " + origin + " AAAAAAE=\n"
	const good = origin + "\n7\n" + root + "\n\n" + sig
	if _, err := merkle.ParseCheckpoint([]byte(good)); err != nil {
		t.Fatal(err)
	}
	if _, err := merkle.ParseCheckpoint([]byte(strings.Replace(good, "\n\n", "\nan extension\n\n", 1))); err != nil {
		t.Errorf("an extension line: %v", err)
	}
	swap := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for name, text := range map[string]string{
		"nothing":                         "",
		"an empty body":                   "\n\n" + sig,
		"two lines":                       origin + "\n7\n\n" + sig,
		"no signature":                    swap(sig, ""),
		"a cut signature":                 good[:len(good)-1],
		"an empty origin":                 swap(origin, ""),
		"an origin with a space":          swap(origin, "log example"),
		"an origin with a wide space":     swap(origin, "log\u2003example"),
		"an origin with a plus":           swap(origin, "log+example"),
		"an origin that cannot be seen":   swap(origin, "log\u202eexample"),
		"a long origin":                   swap(origin, strings.Repeat("x", merkle.MaxOriginBytes+1)),
		"a leading zero":                  swap("\n7\n", "\n07\n"),
		"a sign":                          swap("\n7\n", "\n+7\n"),
		"a negative size":                 swap("\n7\n", "\n-7\n"),
		"a size with a blank":             swap("\n7\n", "\n7 \n"),
		"a size in hex":                   swap("\n7\n", "\n0x7\n"),
		"a size with underscores":         swap("\n7\n", "\n7_0\n"),
		"a size above all trees":          swap("\n7\n", "\n9223372036854775807\n"),
		"a size above 64 bits":            swap("\n7\n", "\n18446744073709551616\n"),
		"an empty tree with a root":       swap("\n7\n", "\n0\n"),
		"a root without padding":          swap(root, strings.TrimSuffix(root, "=")),
		"a root with bits left":           swap("AAAA=\n", "AAAB=\n"),
		"a root in the alphabet of URLs":  swap("AQID", "_QID"),
		"a short root":                    swap(root, "AQID"),
		"a root with a carriage return":   swap(root, root+"\r"),
		"a hyphen for the dash":           swap("— ", "- "),
		"a signature without a name":      swap("— "+origin, "— "),
		"a signature without a space":     swap(origin+" AAAA", origin+"AAAA"),
		"a signature with two spaces":     swap(" AAAAAAE", "  AAAAAAE"),
		"a signature of an id alone":      swap("AAAAAAE=", "AAAAAA=="),
		"a signature with bits left":      swap("AAAAAAE=", "AAAAAAF="),
		"two signatures of a key":         good + sig,
		"an empty line between":           good + "\n" + swap(origin, "x"),
		"an empty line at the end":        good + "\n",
		"an empty extension line":         swap("\n\n", "\n\nextension\n\n"),
		"a control character":             swap("\n\n", "\nan\x01extension\n\n"),
		"a tab":                           swap("\n\n", "\nan\textension\n\n"),
		"carriage returns":                strings.ReplaceAll(good, "\n", "\r\n"),
		"no UTF-8":                        swap("\n\n", "\nan\xffextension\n\n"),
		"a byte order mark before origin": "\ufeff" + good,
		"too long":                        swap("\n\n", "\n"+strings.Repeat("x", 64<<10)+"\n\n"),
		"too many signatures":             good + manySignatures(100),
	} {
		if c, err := merkle.ParseCheckpoint([]byte(text)); err == nil {
			t.Errorf("%s: read as %+v", name, c)
		}
	}
	if _, err := merkle.ParseCheckpoint([]byte(good + manySignatures(99))); err != nil {
		t.Errorf("100 signatures: %v", err)
	}
}

func TestSignRefuses(t *testing.T) {
	one, other := signer(t, origin), signer(t, "other.example.com")
	for name, err := range map[string]error{
		"no key":                  refusal(merkle.Sign(origin, 1, merkle.Hash{})),
		"another name":            refusal(merkle.Sign(origin, 1, merkle.Hash{}, other)),
		"a key twice":             refusal(merkle.Sign(origin, 1, merkle.Hash{}, one, one)),
		"a size above all trees":  refusal(merkle.Sign(origin, 1<<62+1, merkle.Hash{}, one)),
		"an empty tree with root": refusal(merkle.Sign(origin, 0, merkle.Hash{1}, one)),
	} {
		if err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

func TestParseKeysTakesVKeysOnly(t *testing.T) {
	one, two := signer(t, origin), signer(t, "other.example.com")
	good := one.VKey()
	if _, err := merkle.ParseKeys([]byte("# the trail\r\n\r\n  " + good + "\r\n\n#" + good + "\n" + two.VKey())); err != nil {
		t.Fatal(err)
	}
	name, rest, _ := strings.Cut(good, "+")
	id, key64, _ := strings.Cut(rest, "+")
	key, err := base64.StdEncoding.DecodeString(key64)
	if err != nil {
		t.Fatal(err)
	}
	typed := func(typ byte, bytes []byte) string {
		return name + "+" + id + "+" + base64.StdEncoding.EncodeToString(append([]byte{typ}, bytes...))
	}
	for what, c := range map[string]struct{ text, want string }{
		"nothing":                  {"", "there is none"},
		"only comments":            {"# x\n\n", "there is none"},
		"a word":                   {good + "\nhello\n", "line 2: not a vkey"},
		"another name":             {"x" + good, "line 1: the id"},
		"a wrong id":               {name + "+00000000+" + key64, "line 1: the id"},
		"an upper-case id":         {name + "+ABCDEF00+" + key64, "not a vkey"},
		"a short id":               {name + "+" + id[1:] + "+" + key64, "not a vkey"},
		"no padding, extra letter": {good + "A", "not a vkey"},
		"a key of type 4":          {typed(4, key[1:]), "cosignatures (type 4)"},
		"a key of type 2":          {typed(2, key[1:]), "type 2, which is not known"},
		"a short key":              {typed(1, key[2:]), "31 bytes"},
		"no key":                   {name + "+" + id + "+", "not a vkey"},
		"a key twice":              {good + "\n" + good, "line 2: a second key " + name + "+" + id},
		"a note after the key":     {good + " # ours", "not a vkey"},
		"too long":                 {strings.Repeat("#", 64<<10+1), "the limit"},
		"not UTF-8":                {"\xff" + good, "not a vkey"},
	} {
		_, err := merkle.ParseKeys([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
}

func TestSignerSurvivesItsFile(t *testing.T) {
	one := signer(t, origin)
	text, err := one.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var back merkle.Signer
	if err := back.UnmarshalText(text); err != nil {
		t.Fatal(err)
	}
	if back.VKey() != one.VKey() || back.Origin() != origin {
		t.Errorf("read back as %s", back.VKey())
	}
	if err := sign(t, &back).Verify(keysOf(t, one)); err != nil {
		t.Error(err)
	}
	if _, err := new(merkle.Signer).MarshalText(); err == nil {
		t.Error("a key file of no key")
	}
}

// Damage must be found before the key signs anything, and neither errors nor prints may show the secret.
func TestSecretStaysInsideTheSigner(t *testing.T) {
	one := signer(t, origin)
	text, err := one.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	secret := string(text[bytes.LastIndexByte(text, '+')+1 : len(text)-1])
	show := func(what, s string) {
		// Any 8 characters of it would be too many.
		for i := 0; i+8 <= len(secret); i++ {
			if strings.Contains(s, secret[i:i+8]) {
				t.Errorf("%s shows the secret: %s", what, s)
				return
			}
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", one)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", one)
	show("a log", log.String())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		show(verb, fmt.Sprintf(verb, one))
		show(verb+" inside", fmt.Sprintf(verb, struct{ S *merkle.Signer }{one}))
	}
	_, err = merkle.ParseKeys(text)
	if err == nil {
		t.Fatal("a signing key was taken for a vkey")
	}
	show("ParseKeys", err.Error())

	for i := range text {
		for bit := range 8 {
			changed := bytes.Clone(text)
			changed[i] ^= 1 << bit
			err := new(merkle.Signer).UnmarshalText(changed)
			if err == nil {
				t.Errorf("bit %d of byte %d flipped: read", bit, i)
				continue
			}
			show("UnmarshalText", err.Error())
		}
	}
	for name, bad := range map[string]string{
		"nothing": "", "no line end": string(text[:len(text)-1]), "two line ends": string(text) + "\n",
		"two lines": string(text) + string(text), "a carriage return": strings.Replace(string(text), "\n", "\r\n", 1),
		"a blank": " " + string(text), "a vkey": one.VKey() + "\n", "too long": strings.Repeat("x", 1<<10) + string(text),
	} {
		if new(merkle.Signer).UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%s: read", name)
		}
	}
}

func TestOriginIsSeenAndHasNoSpaces(t *testing.T) {
	for origin, ok := range map[string]bool{
		"example.com/log": true, "countersign.invalid/0123456789abcdef": true, "Zürich.example": true, "日本": true,
		"": false, "a b": false, "a+b": false, "a\nb": false, "a\x7fb": false, "a\u00a0b": false, "\ufeffa": false, "a\xff": false,
		strings.Repeat("x", 255): true, strings.Repeat("x", 256): false,
	} {
		if _, err := merkle.NewSigner(origin); (err == nil) != ok {
			t.Errorf("origin %q: %v", origin, err)
		}
	}
}

func FuzzCheckpoint(f *testing.F) {
	one, two := signer(f, origin), signer(f, origin)
	keys := keysOf(f, one, two)
	good := sign(f, one, two)
	f.Add(good.Note)
	f.Add([]byte(strings.Replace(string(good.Note), "\n\n", "\nextension\n\n", 1)))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := merkle.ParseCheckpoint(text)
		if err != nil {
			return
		}
		body := fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
		if !bytes.HasPrefix(text, []byte(body)) {
			t.Fatalf("%q was read as %q", text, body)
		}
		if err := c.Verify(keys); err == nil && (c.Size != good.Size || c.Root != good.Root) {
			t.Fatalf("verified %q", text)
		}
	})
}

func FuzzKeys(f *testing.F) {
	one := signer(f, origin)
	f.Add([]byte("# x\n" + one.VKey() + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if keys, err := merkle.ParseKeys(text); err == nil && keys.Has("") {
			t.Fatalf("a key without a name in %q", text)
		}
	})
}

func FuzzSigner(f *testing.F) {
	one, err := signer(f, origin).MarshalText()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(one)
	f.Fuzz(func(t *testing.T, text []byte) {
		var s merkle.Signer
		if s.UnmarshalText(text) != nil {
			return
		}
		back, err := s.MarshalText()
		if err != nil || !bytes.Equal(back, text) {
			t.Fatalf("%q was read as %q (%v)", text, back, err)
		}
	})
}

func manySignatures(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "— witness%d.example AAAAAAE=\n", i)
	}
	return b.String()
}

func sigBytes(t testing.TB, line string) []byte {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:]))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// signNote signs any body, also one that Sign would not make.
func signNote(t testing.TB, body string, by *merkle.Signer) string {
	skey, err := by.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(strings.TrimSpace(string(skey)))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: body}, s)
	if err != nil {
		t.Fatal(err)
	}
	return string(signed)
}

func refusal(_ merkle.Checkpoint, err error) error { return err }
