package identity_test

import (
	"encoding/base64"
	"net/http"
	"testing"

	"countersign/identity"
)

func TestATokenIsTakenFromEachVendorsHeader(t *testing.T) {
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	tests := []struct {
		name, own string
		fields    [][2]string
		want      string
	}{
		{"nothing", "X-Api-Key", nil, ""},
		{"x-api-key", "Authorization", [][2]string{{"x-api-key", "a"}}, "a"},
		{"X-DC-DEVKEY", "Authorization", [][2]string{{"X-DC-DEVKEY", "a"}}, "a"},
		{"Bearer", "X-Api-Key", [][2]string{{"Authorization", "Bearer a"}}, "a"},
		{"Bearer in any case, with blanks", "X-Api-Key", [][2]string{{"Authorization", "bEARER   a "}}, "a"},
		{"another scheme", "X-Api-Key", [][2]string{{"Authorization", "Digest a"}}, ""},
		{"a scheme alone", "X-Api-Key", [][2]string{{"Authorization", "Bearer"}}, ""},
		{"a token without its scheme", "Authorization", [][2]string{{"Authorization", "a"}}, ""},
		{"Basic", "X-Api-Key", [][2]string{{"Authorization", basic("jane:a")}}, "a"},
		{"Basic without a user name", "X-Api-Key", [][2]string{{"Authorization", basic(":a")}}, "a"},
		{"Basic with a colon in the token", "X-Api-Key", [][2]string{{"Authorization", basic("jane:a:b")}}, "a:b"},
		{"Basic with the token for a user name", "X-Api-Key", [][2]string{{"Authorization", basic("a:")}}, ""},
		{"Basic that is not base64", "X-Api-Key", [][2]string{{"Authorization", "Basic !"}}, ""},
		{"blanks around it", "X-Api-Key", [][2]string{{"x-api-key", " a\t"}}, "a"},
		{"an empty one counts as absent", "X-Api-Key", [][2]string{{"x-api-key", " "}, {"X-DC-DEVKEY", "a"}}, "a"},
		{"its own first: x-api-key", "X-Api-Key", [][2]string{{"Authorization", "Bearer b"}, {"X-DC-DEVKEY", "d"}, {"x-api-key", "a"}}, "a"},
		{"its own first: X-DC-DEVKEY", "X-DC-DEVKEY", [][2]string{{"Authorization", "Bearer b"}, {"X-DC-DEVKEY", "d"}, {"x-api-key", "a"}}, "d"},
		{"its own first: Authorization", "Authorization", [][2]string{{"Authorization", "Bearer b"}, {"X-DC-DEVKEY", "d"}, {"x-api-key", "a"}}, "b"},
		{"Basic last, its own header or not", "Authorization", [][2]string{{"Authorization", basic("jane:b")}, {"X-DC-DEVKEY", "d"}}, "d"},
		{"the first of two", "X-Api-Key", [][2]string{{"x-api-key", "a"}, {"x-api-key", "b"}}, "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			for _, f := range tt.fields {
				h.Add(f[0], f[1])
			}
			if got := identity.TokenIn(h, tt.own); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
