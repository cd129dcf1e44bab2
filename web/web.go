package web

import (
	"bytes"
	"embed"
	"net/http"
	"strconv"
)

//go:embed docs
var files embed.FS

// pagePolicy is the content security policy of the pages: their own files and calls of this server's API.
// Trusted types make the browser refuse what would make markup of a string.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
	"form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Pages returns what answers each pattern, METHOD and path. The document has the Keyfactor Command compatible
// API at keyfactorPath, which needs no escaping.
func Pages(keyfactorPath string) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /openapi.json":   static("application/json", bytes.ReplaceAll(document(), []byte(`"/KeyfactorAPI/`), []byte(`"`+keyfactorPath+`/`))),
		"GET /docs":           page("text/html; charset=utf-8", "index.html"),
		"GET /docs/app.js":    page("text/javascript; charset=utf-8", "app.js"),
		"GET /docs/icon.svg":  page("image/svg+xml", "icon.svg"),
		"GET /docs/style.css": page("text/css; charset=utf-8", "style.css"),
	}
}

// page answers with a file of docs/.
func page(contentType, name string) http.HandlerFunc {
	b, err := files.ReadFile("docs/" + name)
	if err != nil {
		panic("web: " + err.Error()) // the file is part of the binary
	}
	answer := static(contentType, b)
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", pagePolicy)
		answer(w, r)
	}
}

func static(contentType string, b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		w.Write(b)
	}
}
