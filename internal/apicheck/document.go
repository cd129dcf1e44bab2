package apicheck

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"countersign/web"
)

// Each schema is compiled once, by the JSON Schema library: openapi3filter compiles a 2020-12 schema anew for
// every body, which takes longer than most tests.

// object is a JSON object of the document.
type object = map[string]any

// document is the OpenAPI document with its schemas made strict.
type document struct {
	root       object
	operations []operation
	owners     []owner

	mu       sync.Mutex // guards what follows; held while a schema is compiled
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema // by JSON pointer
}

// operation is a method of a path.
type operation struct {
	method   string
	path     string
	segments []string
	place    string // JSON pointer
	node     object
	params   []parameter
	rest     bool // the last part of the path stands for what is left of it, slashes too (x-slashes)
}

// parameter is a parameter of an operation. place points at its schema.
type parameter struct {
	in, name, place string
	required        bool
}

// owner says in what shape the API of a subtree refuses, and whether its paths are read in any case and with
// doubled slashes.
type owner struct {
	prefix, refusal string
	anyCase         bool
}

// has reports whether the path lies in the subtree.
func (o *owner) has(path string) bool {
	if !o.anyCase {
		return strings.HasPrefix(path, o.prefix)
	}
	prefix, segments := segments(o.prefix), segments(path)
	return len(segments) >= len(prefix) && slices.EqualFunc(prefix, segments[:len(prefix)], strings.EqualFold)
}

// segments are the parts of a path without the empty ones.
func segments(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" })
}

// place is where the document lies for the compiler, which resolves references in it.
const base = "https://example.com/openapi.json"

// load reads the document, once for all tests of a package.
var load = sync.OnceValues(func() (*document, error) { return read(web.Document()) })

func read(b []byte) (*document, error) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	root, ok := v.(object)
	if !ok {
		return nil, errors.New("the OpenAPI document is no object")
	}
	forbidUnknown(root)
	d := &document{root: root, compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource(base, root); err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	if err := d.list(); err != nil {
		return nil, fmt.Errorf("OpenAPI document: %w", err)
	}
	return d, nil
}

// forbidUnknown closes every schema that lists properties and does not say what others may be there. Clients
// must expect members that they do not know; a test must find those that nobody has described.
func forbidUnknown(v any) {
	switch v := v.(type) {
	case object:
		if _, ok := v["properties"].(object); ok && v["additionalProperties"] == nil {
			v["additionalProperties"] = false
		}
		for name, part := range v {
			if name != "example" && name != "examples" {
				forbidUnknown(part)
			}
		}
	case []any:
		for _, part := range v {
			forbidUnknown(part)
		}
	}
}

var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

// list finds the operations and the owners of paths.
func (d *document) list() error {
	paths, _ := d.root["paths"].(object)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		place := "/paths/" + escape(path)
		item, _ := d.resolve(place)
		for _, method := range methods {
			node, ok := item[method].(object)
			if !ok {
				continue
			}
			o := operation{method: strings.ToUpper(method), path: path, segments: strings.Split(path, "/"), place: place + "/" + method, node: node}
			for _, at := range []string{place, o.place} {
				if err := d.addParams(&o, at); err != nil {
					return fmt.Errorf("%s %s: %w", o.method, path, err)
				}
			}
			d.operations = append(d.operations, o)
		}
	}
	tags, _ := d.root["tags"].([]any)
	for _, t := range tags {
		t, _ := t.(object)
		prefix, _ := t["x-prefix"].(string)
		refusal, _ := t["x-refusal"].(string)
		if prefix == "" || refusal == "" {
			return fmt.Errorf("tag %v: x-prefix and x-refusal say who owns which paths", t["name"])
		}
		anyCase, _ := t["x-any-case"].(bool)
		d.owners = append(d.owners, owner{prefix, "/components/schemas/" + refusal, anyCase})
	}
	// The longest prefix first.
	slices.SortStableFunc(d.owners, func(a, b owner) int { return len(b.prefix) - len(a.prefix) })
	return nil
}

func (d *document) addParams(o *operation, at string) error {
	node, _ := d.resolve(at)
	list, _ := node["parameters"].([]any)
	for i := range list {
		p, place := d.resolve(fmt.Sprintf("%s/parameters/%d", at, i))
		in, _ := p["in"].(string)
		name, _ := p["name"].(string)
		if in == "" || name == "" || p["schema"] == nil {
			return fmt.Errorf("parameter %d lacks in, name or schema", i)
		}
		if slashes, _ := p["x-slashes"].(bool); slashes {
			o.rest = true
		}
		required, _ := p["required"].(bool)
		o.params = append(o.params, parameter{in, name, place + "/schema", required})
	}
	return nil
}

// resolve returns the object at a JSON pointer and where it lies once references are followed. What is not
// there is empty.
func (d *document) resolve(place string) (object, string) {
	for range 8 {
		var v any = d.root
		for _, part := range strings.Split(place, "/")[1:] {
			part = unescape(part)
			switch here := v.(type) {
			case object:
				v = here[part]
			case []any:
				i, err := strconv.Atoi(part)
				if err != nil || i < 0 || i >= len(here) {
					return nil, place
				}
				v = here[i]
			default:
				return nil, place
			}
		}
		node, _ := v.(object)
		ref, ok := node["$ref"].(string)
		if !ok {
			return node, place
		}
		place = strings.TrimPrefix(ref, "#")
	}
	return nil, place
}

// schema returns the schema at a JSON pointer.
func (d *document) schema(place string) (*jsonschema.Schema, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s, ok := d.compiled[place]; ok {
		return s, nil
	}
	s, err := d.compiler.Compile(base + "#" + (&url.URL{Path: place}).EscapedPath())
	if err != nil {
		return nil, fmt.Errorf("schema %s: %w", place, err)
	}
	d.compiled[place] = s
	return s, nil
}

// validate checks a value against the schema at a JSON pointer.
func (d *document) validate(place string, v any) error {
	s, err := d.schema(place)
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// find returns the operation that describes a request, nil when there is none. A part of a path that is written
// out goes before one that is a parameter.
func (d *document) find(method, path string) *operation {
	if method == "HEAD" {
		method = "GET"
	}
	same := func(a, b string) bool { return a == b }
	have := strings.Split(path, "/")
	if i := slices.IndexFunc(d.owners, func(o owner) bool { return o.anyCase && o.has(path) }); i >= 0 {
		same, have = strings.EqualFold, append([]string{""}, segments(path)...)
	}
	var best *operation
	for i := range d.operations {
		o := &d.operations[i]
		if o.method == method && o.matches(have, same) && (best == nil || strings.Count(o.path, "{") < strings.Count(best.path, "{")) {
			best = o
		}
	}
	return best
}

func (o *operation) matches(segments []string, same func(a, b string) bool) bool {
	if len(o.segments) != len(segments) && !(o.rest && len(segments) > len(o.segments)) {
		return false
	}
	for i, p := range o.segments {
		if !same(p, segments[i]) && !(strings.HasPrefix(p, "{") && segments[i] != "") {
			return false
		}
	}
	return true
}

func escape(s string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(s) }

func unescape(s string) string { return strings.NewReplacer("~1", "/", "~0", "~").Replace(s) }
