// Package web holds what the server gives to browsers: the OpenAPI document of all its APIs, and the page
// that shows it and calls each endpoint.
//
// Terms. The document is what stands in openapi/: YAML files of which each describes a part, joined into one
// OpenAPI 3.1 document. A page is a path that anyone may read, token or not.
//
// Promises. Everything is in the binary and nothing refers to another host, so it works without a network
// beyond the server. The pages run under a content security policy that allows their own files and requests to
// this server, and nothing else. What a reader types stays in the reader's browser and ends with the tab.
//
// Trust. The script treats the document and all answers as text: it never makes markup of a string, and the
// policy has the browser enforce that.
//
// It leaves to package server: listeners and the headers of every answer; to the tests of the APIs: that they
// do what the document says (package internal/apicheck).
package web
