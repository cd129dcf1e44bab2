package apicheck

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Document is a document that tests make.
type Document = document

// Read reads a document.
func Read(b []byte) (*Document, error) { return read(b) }

// Compare returns where routes and operations differ.
func (d *document) Compare(routes []string) []string { return d.compare(routes) }

// CheckExamples returns how many examples there are, and which are not as described.
func (d *document) CheckExamples() (checked int, findings []string) {
	content := func(place string) {
		node, place := d.resolve(place)
		described, _ := node["content"].(object)
		for media := range described {
			at := place + "/content/" + escape(media)
			c, _ := d.resolve(at)
			example, ok := c["example"]
			if !ok {
				continue
			}
			checked++
			var err error
			switch {
			case c["x-line"] != nil:
				err = d.checkLines(at+"/x-line", []byte(example.(string)), true)
			case c["x-data"] != nil:
				err = d.checkEvents(at+"/x-data", []byte(example.(string)+"\n"))
			default:
				err = d.validate(at+"/schema", example)
			}
			if err != nil {
				findings = append(findings, fmt.Sprintf("%s: %v", at, err))
			}
		}
	}
	for _, o := range d.operations {
		content(o.place + "/requestBody")
		responses, _ := o.node["responses"].(object)
		for status := range responses {
			content(o.place + "/responses/" + status)
		}
		for _, p := range o.params {
			node, _ := d.resolve(strings.TrimSuffix(p.place, "/schema"))
			if node["example"] == nil {
				continue
			}
			checked++
			if err := d.validate(p.place, node["example"]); err != nil {
				findings = append(findings, fmt.Sprintf("%s, parameter %s: %v", o.place, p.name, err))
			}
		}
	}
	return checked, findings
}

// CheckSchemas returns what cannot be compiled.
func (d *document) CheckSchemas() (findings []string) {
	components, _ := d.resolve("/components/schemas")
	for _, name := range slices.Sorted(maps.Keys(components)) {
		if _, err := d.schema("/components/schemas/" + name); err != nil {
			findings = append(findings, err.Error())
		}
	}
	for _, o := range d.operations {
		for _, p := range o.params {
			if _, err := d.schema(p.place); err != nil {
				findings = append(findings, err.Error())
			}
		}
	}
	return findings
}
