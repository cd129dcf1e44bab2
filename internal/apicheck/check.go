package apicheck

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// ofHTTP are header fields that belong to the transfer and not to an API.
var ofHTTP = []string{"Connection", "Content-Length", "Content-Type", "Date", "Trailer", "Transfer-Encoding"}

// check returns what of the exchange is not described.
func (d *document) check(x *exchange) error {
	if x.status == http.StatusRequestHeaderFieldsTooLarge {
		return nil // net/http says so before any API is asked
	}
	o := d.find(x.request.Method, x.request.URL.EscapedPath())
	if o == nil {
		return d.checkStray(x)
	}
	response, place := d.response(o, x.status)
	if response == nil {
		return fmt.Errorf("the status is not among those of %s %s", o.method, o.path)
	}
	if err := d.checkHeader(x, response, place); err != nil {
		return err
	}
	if err := d.checkAnswer(x, response, place); err != nil {
		return err
	}
	if x.status >= 200 && x.status < 300 {
		return d.checkRequest(o, x)
	}
	return nil
}

func (d *document) response(o *operation, status int) (object, string) {
	responses, _ := o.node["responses"].(object)
	for _, key := range []string{strconv.Itoa(status), "default"} {
		if responses[key] != nil {
			return d.resolve(o.place + "/responses/" + key)
		}
	}
	return nil, ""
}

// checkStray checks the answer to a request that no operation describes.
func (d *document) checkStray(x *exchange) error {
	if x.status < 400 {
		return errors.New("there is no such operation")
	}
	if x.status == http.StatusMethodNotAllowed && x.header.Get("Allow") == "" {
		return errors.New("a 405 without Allow")
	}
	for _, owner := range d.owners {
		if !owner.has(x.request.URL.Path) {
			continue
		}
		if !x.got.complete() || x.request.Method == http.MethodHead {
			return nil
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(x.got.bytes))
		if err != nil {
			return fmt.Errorf("the refusal is no JSON: %w", err)
		}
		return d.validate(owner.refusal, v)
	}
	return nil
}

// checkHeader checks that each header field is described, and that those are there that must be.
func (d *document) checkHeader(x *exchange, response object, place string) error {
	described := map[string]string{} // canonical name to the place of the schema
	for _, list := range []struct {
		node  any
		place string
	}{{d.root["x-every-answer"], "/x-every-answer"}, {response["headers"], place + "/headers"}} {
		headers, _ := list.node.(object)
		for name := range headers {
			h, at := d.resolve(list.place + "/" + escape(name))
			name = textproto.CanonicalMIMEHeaderKey(name)
			described[name] = at + "/schema"
			if required, _ := h["required"].(bool); required && x.header.Get(name) == "" {
				return fmt.Errorf("the header field %s is missing", name)
			}
		}
	}
	for _, name := range ofHTTP {
		described[name] = ""
	}
	for name, values := range x.header {
		schema, ok := described[name]
		if !ok {
			return fmt.Errorf("the header field %s is not described", name)
		}
		if schema == "" {
			continue
		}
		if err := d.checkText(schema, strings.Join(values, ", ")); err != nil {
			return fmt.Errorf("header field %s: %w", name, err)
		}
	}
	return nil
}

func (d *document) checkAnswer(x *exchange, response object, place string) error {
	content, _ := response["content"].(object)
	bodiless := x.request.Method == http.MethodHead || x.status == http.StatusNoContent || x.status == http.StatusNotModified
	switch {
	case len(content) == 0 && len(x.got.bytes) > 0:
		return errors.New("a body is not described")
	case len(content) == 0 || bodiless:
		return nil
	}
	if err := d.checkBody(content, place, x.header, x.got); err != nil {
		return fmt.Errorf("answer: %w\n%s", err, excerpt(x.got.bytes))
	}
	return nil
}

// checkBody checks a body against the content that is described for it.
func (d *document) checkBody(content object, place string, header http.Header, body *captured) error {
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	key := media
	if content[key] == nil {
		key = "*/*"
	}
	described, ok := content[key].(object)
	if !ok {
		return fmt.Errorf("the content type %q is not described (%v)", header.Get("Content-Type"), err)
	}
	place += "/content/" + escape(key)
	text, whole, err := plain(header, body)
	if err != nil {
		return err
	}
	switch {
	case described["x-line"] != nil:
		return d.checkLines(place+"/x-line", text, whole)
	case described["x-data"] != nil:
		return d.checkEvents(place+"/x-data", text)
	case !whole || described["schema"] == nil:
		return nil
	case strings.HasPrefix(media, "text/"):
		return d.validate(place+"/schema", string(text))
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	return d.validate(place+"/schema", v)
}

// plain undoes the content encoding.
func plain(header http.Header, body *captured) (text []byte, whole bool, err error) {
	switch coding := strings.ToLower(header.Get("Content-Encoding")); coding {
	case "", "identity":
		return body.bytes, body.complete(), nil
	case "gzip", "x-gzip":
		if !body.complete() {
			return nil, false, nil
		}
		r, err := gzip.NewReader(bytes.NewReader(body.bytes))
		if err != nil {
			return nil, false, err
		}
		text, err := io.ReadAll(r)
		return text, true, err
	default:
		return nil, false, fmt.Errorf("content encoding %q", coding)
	}
}

// checkLines checks each line of NDJSON that is there whole.
func (d *document) checkLines(schema string, text []byte, whole bool) error {
	lines := bytes.Split(text, []byte("\n"))
	if !whole {
		lines = lines[:len(lines)-1]
	}
	for i, line := range lines {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if err := d.checkJSON(schema, line); err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return nil
}

// checkEvents checks the data of each server-sent event that is there whole.
func (d *document) checkEvents(schema string, text []byte) error {
	events := strings.Split(string(text), "\n\n")
	for _, e := range events[:len(events)-1] {
		for line := range strings.SplitSeq(e, "\n") {
			name, value, _ := strings.Cut(line, ":")
			switch name {
			case "data":
				if err := d.checkJSON(schema, []byte(strings.TrimPrefix(value, " "))); err != nil {
					return err
				}
			case "", "event", "id", "retry":
			default:
				return fmt.Errorf("a line of a stream begins with %q", name)
			}
		}
	}
	return nil
}

func (d *document) checkJSON(schema string, b []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	return d.validate(schema, v)
}

// checkRequest checks a request that succeeded.
func (d *document) checkRequest(o *operation, x *exchange) error {
	sent, err := url.ParseQuery(x.request.URL.RawQuery)
	if err != nil && o.node["x-unknown-parameters"] != "ignored" {
		return fmt.Errorf("query: %w", err)
	}
	described := map[string]bool{}
	for _, p := range o.params {
		values := sent[p.name]
		switch p.in {
		case "query":
			described[p.name] = true
		case "header":
			values = lower(x.request.Header.Values(p.name))
		default: // a part of the path is there
			continue
		}
		if len(values) == 0 && p.required {
			return fmt.Errorf("the required %s parameter %s is missing", p.in, p.name)
		}
		if len(values) == 0 {
			continue
		}
		if err := d.checkText(p.place, values[0]); err != nil {
			return fmt.Errorf("%s parameter %s: %w", p.in, p.name, err)
		}
	}
	for name := range sent {
		if !described[name] && o.node["x-unknown-parameters"] != "ignored" {
			return fmt.Errorf("the parameter %s is not described", name)
		}
	}
	return d.checkSent(o, x)
}

func (d *document) checkSent(o *operation, x *exchange) error {
	body, place := d.resolve(o.place + "/requestBody")
	content, _ := body["content"].(object)
	if len(content) == 0 || !x.sent.complete() {
		return nil
	}
	if err := d.checkBody(content, place, x.request.Header, x.sent); err != nil {
		return fmt.Errorf("request: %w\n%s", err, excerpt(x.sent.bytes))
	}
	return nil
}

// lower is for fields whose values are read without regard to case, which those that the document has are.
func lower(values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = strings.ToLower(v)
	}
	return out
}

// checkText checks a text that stands for a value of the schema's type.
func (d *document) checkText(schema, text string) error {
	node, _ := d.resolve(schema)
	var v any = text
	switch node["type"] {
	case "integer", "number":
		v = json.Number(text)
		if !json.Valid([]byte(text)) {
			return fmt.Errorf("%q is no number", text)
		}
	case "boolean":
		v = text
		if text == "true" || text == "false" {
			v = text == "true"
		}
	}
	return d.validate(schema, v)
}

func excerpt(b []byte) string {
	const most = 600
	if len(b) > most {
		return string(b[:most]) + "..."
	}
	return string(b)
}
