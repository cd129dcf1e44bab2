package server_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/server"
)

// secrets are texts that must stay with who sent them, by what they are.
type secrets map[string]string

// in returns which of them b holds, also as hexadecimal and base64.
func (s secrets) in(b []byte) (found []string) {
	for what, text := range s {
		for _, form := range []string{text, hex.EncodeToString([]byte(text)), base64.StdEncoding.EncodeToString([]byte(text)),
			base64.RawURLEncoding.EncodeToString([]byte(text))} {
			if bytes.Contains(b, []byte(form)) {
				found = append(found, what)
				break
			}
		}
	}
	return found
}

// TestNoSecretIsInLogsErrorsOrTheTrail does everything once with known secrets in every place where they may
// come, and some where they may not, and looks for them in all that is left behind.
func TestNoSecretIsInLogsErrorsOrTheTrail(t *testing.T) {
	w := newWorld(t, twin{objects: "acme", events: "acme"})
	known := secrets{"a guess": "cst_a-guess-that-nobody-was-given-0123456789", "a password": "a-password-in-basic-0123456789"}
	for name, token := range w.tokens {
		if token != "" {
			known["the token "+name] = token
		}
	}
	key, err := x509.MarshalPKCS8PrivateKey(newLeaf(t, "key", seeded, time.Now().AddDate(1, 0, 0)).tls.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	known["a private key"] = strings.Split(string(block), "\n")[1]

	signing, err := filepath.Glob(filepath.Join(server.DataOf(w.server), "keys", "*.key"))
	if err != nil || len(signing) != 1 {
		t.Fatal(signing, err)
	}
	text, err := os.ReadFile(signing[0])
	if err != nil {
		t.Fatal(err)
	}
	known["the signing key"] = strings.TrimSpace(strings.SplitN(string(text), "+", 5)[4]) // PRIVATE+KEY+name+id+key

	look := func(where string, b []byte) {
		t.Helper()
		if found := known.in(b); len(found) > 0 {
			t.Errorf("%s holds %v", where, found)
		}
	}
	send := func(method, path, contentType, body string, header ...string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if contentType != "" {
			req.Header.Set("Content-Type", contentType)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := w.plain.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		var made struct{ Token string }
		if resp.StatusCode == http.StatusCreated && json.Unmarshal(answer, &made) == nil && made.Token != "" {
			known["a new token "+made.Token[len(made.Token)-4:]] = made.Token // the one answer that shows it
			return
		}
		look(method+" "+path+" answered", answer)
		for name, values := range resp.Header {
			look(method+" "+path+" answered "+name, []byte(strings.Join(values, " ")))
		}
	}

	// Every route, with a secret in every header that one may be in.
	for _, pattern := range w.server.Routes() {
		route := walk[pattern]
		if route.endless || strings.HasPrefix(pattern, "DELETE ") {
			continue
		}
		method, _, _ := strings.Cut(pattern, " ")
		fill := strings.NewReplacer("{token}", w.ids["token"], "{certificate}", w.ids["certificate"], "{item}", hiddenItem,
			"{pem}", strings.ReplaceAll(string(block), "\n", `\n`))
		path, body := fill.Replace(route.target), fill.Replace(route.body)
		for name, token := range known {
			if strings.HasPrefix(name, "a new") || name == "a private key" || name == "the signing key" {
				continue
			}
			send(method, path, "application/json", body, "Authorization", "Bearer "+token)
		}
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("jane:"+known["a password"]))
		send(method, path, "application/json", body, "Authorization", basic)
		send(method, path, "application/json", body, "X-Api-Key", known["a guess"])
		send(method, path, "application/json", body, "X-Dc-Devkey", known["the token expired"])
		send(method, path, "application/json", body, "X-Api-Key", known["the token foreign"], "Authorization", basic)
		// In the wrong place: as an id, as a parameter, in the body.
		send(method, strings.ReplaceAll(path, "acme", known["the token foreign"]), "application/json", body, "X-Request-Id", known["the token foreign"]+"!")
		send("POST", "/api/v1/tokens", "application/json", `{"user_id":"me","token":"`+known["the token root"]+`"}`, "X-Api-Key", known["the token root"])
		send("POST", "/api/v1/tokens", "text/plain", known["the token root"], "X-Api-Key", known["the token root"])
	}
	send("POST", "/api/v1/certificates", "application/json", `{"user_id":"me","name":"k","pem":"`+strings.ReplaceAll(string(block), "\n", `\n`)+`"}`,
		"X-Api-Key", known["the token root"])

	w.server.Recorded()
	w.stop()
	if err := w.wait(); err != nil {
		t.Fatal(err)
	}
	look("standard output", []byte(w.stdout.String()))
	look("the log", []byte(w.log.String()))
	for _, want := range []string{`level=DEBUG msg="sign-in refused"`, `msg=request`} {
		if !strings.Contains(w.log.String(), want) {
			t.Errorf("the log lacks %s: the test does not test much", want)
		}
	}
	w.close() // all that waits is written
	files := 0
	if err := filepath.WalkDir(server.DataOf(w.server), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path == signing[0] {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		look(path, b)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if files < 4 || len(known) < 15 {
		t.Errorf("%d files and %d secrets: the test does not test much", files, len(known))
	}
}
