package web

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed openapi
var sources embed.FS

// rootFile has what belongs to the document as a whole. The other files add to it.
const rootFile = "openapi/openapi.yaml"

// document returns the OpenAPI document as JSON.
var document = sync.OnceValue(func() []byte {
	b, err := join(sources)
	if err != nil {
		panic("web: " + err.Error()) // the files are part of the binary, and a test joins them
	}
	return b
})

// Document returns the OpenAPI document of all APIs, as GET /openapi.json does. It must not be changed.
func Document() []byte { return document() }

// join makes one JSON document of the YAML files of a folder. Members keep their order.
func join(files fs.FS) ([]byte, error) {
	names, err := fs.Glob(files, "openapi/*.yaml")
	if err != nil {
		return nil, err
	}
	root, err := parse(files, rootFile)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if name == rootFile {
			continue
		}
		part, err := parse(files, name)
		if err != nil {
			return nil, err
		}
		if err := merge(root, part); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	var b bytes.Buffer
	if err := writeJSON(&b, root); err != nil {
		return nil, err
	}
	return append(b.Bytes(), '\n'), nil
}

func parse(files fs.FS, name string) (*yaml.Node, error) {
	b, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	var n yaml.Node
	if err := yaml.Unmarshal(b, &n); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if n.Kind != yaml.DocumentNode || n.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s: is no mapping", name)
	}
	return n.Content[0], nil
}

// merge adds the members of part to whole: lists grow, mappings are merged, anything else that both have is
// an error.
func merge(whole, part *yaml.Node) error {
	for i := 0; i < len(part.Content); i += 2 {
		name, added := part.Content[i], part.Content[i+1]
		there := member(whole, name.Value)
		switch {
		case there == nil:
			whole.Content = append(whole.Content, name, added)
		case there.Kind == yaml.SequenceNode && added.Kind == yaml.SequenceNode:
			there.Content = append(there.Content, added.Content...)
		case there.Kind == yaml.MappingNode && added.Kind == yaml.MappingNode:
			if err := merge(there, added); err != nil {
				return fmt.Errorf("%s: %w", name.Value, err)
			}
		default:
			return fmt.Errorf("%s stands in two files", name.Value)
		}
	}
	return nil
}

func member(mapping *yaml.Node, name string) *yaml.Node {
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return mapping.Content[i+1]
		}
	}
	return nil
}

func writeJSON(b *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.AliasNode:
		return writeJSON(b, n.Alias)
	case yaml.MappingNode:
		return writeList(b, '{', n.Content, 2, '}')
	case yaml.SequenceNode:
		return writeList(b, '[', n.Content, 1, ']')
	}
	return writeScalar(b, n)
}

// writeList writes the nodes, of which each step are one element.
func writeList(b *bytes.Buffer, begin byte, nodes []*yaml.Node, step int, end byte) error {
	b.WriteByte(begin)
	for i, n := range nodes {
		switch {
		case i == 0:
		case step == 2 && i%2 == 1:
			b.WriteByte(':')
		default:
			b.WriteByte(',')
		}
		// A name is a text, also 200.
		if step == 2 && i%2 == 0 {
			n = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: n.Value}
		}
		if err := writeJSON(b, n); err != nil {
			return err
		}
	}
	b.WriteByte(end)
	return nil
}

func writeScalar(b *bytes.Buffer, n *yaml.Node) error {
	switch n.ShortTag() {
	case "!!int", "!!float", "!!bool", "!!null":
		if !json.Valid([]byte(n.Value)) {
			return fmt.Errorf("line %d: %s is not written as in JSON", n.Line, n.Value)
		}
		b.WriteString(n.Value)
		return nil
	}
	text := json.NewEncoder(b) // dates are texts
	text.SetEscapeHTML(false)
	if err := text.Encode(n.Value); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the encoder's line break
	return nil
}
