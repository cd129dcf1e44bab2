package render_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"countersign/report"
)

// hostileTexts are what a source may have written to be seen as something else, or to break what shows it.
var hostileTexts = []string{
	`<script>window.hit = 1</script>`,
	`"><img src=x onerror="window.hit = 1">`,
	`</text></svg><script>window.hit = 1</script>`,
	`</title><svg onload="window.hit = 1">`,
	`</style><style>body{display:none}</style>`,
	`javascript:window.hit=1`,
	"invoice\u202egpj.exe",
	"a\u200bb\u2066c\u2069d\ufeffe\u00ade",
	"\u0000\u0007\u001b[31mred\u009b",
	"line\r\nnext\ttab\u2028para",
	strings.Repeat("long", 500),
	"z" + strings.Repeat("\u0301", 200),
	"田中 健二 שלום مرحبا हिन्दी 👩‍💻",
	"{nb} {{.}} {{template \"report\"}} \\(\\) %s %d",
	"' OR 1=1 --; )] }> ~!@#$%^&*",
	"\u3000\u00a0\u2003",
}

// hostile is the sample with every text replaced by a hostile one that begins with its own number, so that all differ.
func hostile() *report.Report {
	// The sample shares lists with others, so they are copied first.
	b, err := sample().JSON()
	if err != nil {
		panic(err)
	}
	r := &report.Report{}
	if err := json.Unmarshal(b, r); err != nil {
		panic(err)
	}
	at := r.Run.At
	n := 0
	next := func() string {
		n++
		return fmt.Sprintf("%d %s", n, hostileTexts[n%len(hostileTexts)])
	}
	renamed := map[string]string{}
	for i := range r.People {
		renamed[r.People[i].ID] = next()
	}
	poison(reflect.ValueOf(r).Elem(), renamed, next)
	r.Run.At = at // a PDF has the time of its run
	return r
}

// poison replaces the texts of a value. Codes of the form stay: states, tones, kinds, forms.
func poison(v reflect.Value, renamed map[string]string, next func() string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			poison(v.Field(i), renamed, next)
		}
	case reflect.Slice:
		for i := range v.Len() {
			poison(v.Index(i), renamed, next)
		}
	case reflect.String:
		if v.Type() != reflect.TypeFor[string]() || v.String() == "" {
			return
		}
		if to, ok := renamed[v.String()]; ok {
			v.SetString(to)
			return
		}
		v.SetString(next())
	}
}
