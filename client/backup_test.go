package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"countersign/client"
	"countersign/problem"
)

func TestABackupSaysWhatIsThereAndEndsWithWhatBreaksOff(t *testing.T) {
	archive := bytes.Repeat([]byte("0123456789"), 50_000)
	have := []client.HeldFile{{Name: "roots", Size: 64}, {Name: "bodies/00000000000000000000.bodies", Size: 10, Version: "a"}}
	cut, refused := false, false
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var order struct{ Have []client.HeldFile }
		if err := json.NewDecoder(r.Body).Decode(&order); err != nil || r.Method != http.MethodPost || r.URL.Path != "/api/v1/backups" ||
			r.Header.Get("Authorization") != "Bearer token" || !reflect.DeepEqual(order.Have, have) {
			t.Errorf("%s %s, %+v, %v", r.Method, r.URL.Path, order, err)
		}
		switch {
		case refused:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusTooManyRequests)
			io.WriteString(w, `{"type":"urn:countersign:problem:throttled","title":"Too many requests","status":429,"detail":"later"}`)
		case cut:
			w.Write(archive[:len(archive)/2])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		default:
			w.Write(archive)
		}
	}))
	defer s.Close()
	c, err := client.New(client.Options{Server: s.URL, Token: "token"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var got []byte
	receive := func(r io.Reader) (err error) {
		got, err = io.ReadAll(r)
		return err
	}
	if err := c.Backup(t.Context(), have, receive); err != nil || !bytes.Equal(got, archive) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	cut = true
	if err := c.Backup(t.Context(), have, receive); problem.KindOf(err) != problem.Unavailable || !errors.Is(err, io.ErrUnexpectedEOF) || len(got) >= len(archive) {
		t.Errorf("cut: %d bytes, %v", len(got), err)
	}
	refused, got = true, nil
	if err := c.Backup(t.Context(), have, receive); problem.KindOf(err) != problem.Throttled || got != nil {
		t.Errorf("refused: %v", err)
	}
	have, refused, cut = []client.HeldFile{}, false, false
	if err := c.Backup(t.Context(), nil, receive); err != nil {
		t.Errorf("nothing is there: %v", err)
	}
}
