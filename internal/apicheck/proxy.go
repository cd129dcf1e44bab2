package apicheck

import (
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
)

// Proxy returns the URL of a proxy in front of a server, through which programs that a test starts can be
// watched. It ends with the test.
func Proxy(tb testing.TB, server string) string {
	tb.Helper()
	target, err := url.Parse(server)
	if err != nil {
		tb.Fatal(err)
	}
	// FlushInterval -1 passes each event of a stream on at once.
	p := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	web := httptest.NewServer(Handler(tb, p))
	tb.Cleanup(web.Close)
	return web.URL
}
