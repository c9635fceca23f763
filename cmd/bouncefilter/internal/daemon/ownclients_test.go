package daemon

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func ok() *ownClients {
	return &ownClients{next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })}
}

// with gives a request a host and a header.
func with(r *http.Request, host string, header map[string]string) *http.Request {
	r.Host = host
	for name, value := range header {
		r.Header.Set(name, value)
	}
	return r
}

func TestOnlyProgramsOfThisHostRead(t *testing.T) {
	for _, tt := range []struct {
		name, method, host string
		header             map[string]string
		want               int
	}{
		{"curl", "GET", "127.0.0.1:8767", nil, 200},
		{"curl -I", "HEAD", "localhost:8767", nil, 200},
		{"an IPv6 address", "GET", "[::1]:8767", nil, 200},
		{"an IPv6 address without a port", "GET", "[::1]", nil, 200},
		{"another loopback address", "GET", "127.8.8.8", nil, 200},
		{"a mapped address", "GET", "[::ffff:127.0.0.1]:8767", nil, 200},
		{"a tunnel with another port", "GET", "LocalHost.:9999", nil, 200},
		{"HTTP/1.0 without a host", "GET", "", nil, 200},
		{"a person who types the address", "GET", "localhost:8767", map[string]string{"Sec-Fetch-Site": "none"}, 200},
		{"a script of a page from here", "GET", "localhost:8767", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:8767"}, 200},

		{"DNS rebinding", "GET", "attacker.example:8767", nil, 421},
		{"a name that begins like an address", "GET", "127.0.0.1.attacker.example", nil, 421},
		{"a name that ends like localhost", "GET", "attacker.localhost.example", nil, 421},
		{"the address of another host", "GET", "192.0.2.1:8767", nil, 421},
		{"all addresses", "GET", "0.0.0.0:8767", nil, 421},
		{"the name of this host", "GET", "mx.example.com:8767", nil, 421},
		{"a page of another site", "GET", "127.0.0.1:8767", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"a page of another port", "GET", "127.0.0.1:8767", map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{"an old browser's page of another site", "GET", "127.0.0.1:8767", map[string]string{"Origin": "https://attacker.example"}, 403},
		{"a page without an origin", "GET", "127.0.0.1:8767", map[string]string{"Origin": "null"}, 403},
		{"a page of another port with an origin", "GET", "127.0.0.1:8767", map[string]string{"Origin": "http://127.0.0.1:80"}, 403},
		{"an old browser behind a proxy that speaks TLS", "GET", "127.0.0.1:8767", map[string]string{"Origin": "https://mx.example.com"}, 403},
		{"a browser behind a proxy that speaks TLS", "GET", "127.0.0.1:8767", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "https://mx.example.com"}, 200},
		{"a link of another site", "GET", "127.0.0.1:8767", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 403},
		{"a form", "POST", "127.0.0.1:8767", nil, 405},
		{"a preflight", "OPTIONS", "127.0.0.1:8767", nil, 405},
		{"a method that writes", "DELETE", "127.0.0.1:8767", nil, 405},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := with(httptest.NewRequest(tt.method, "/metrics", nil), tt.host, tt.header)
			w := httptest.NewRecorder()
			ok().ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("status %d, %q", w.Code, w.Body)
			}
			for name, want := range map[string]string{"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
				"Cross-Origin-Resource-Policy": "same-origin", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Access-Control-Allow-Origin": ""} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s: %q", name, got)
				}
			}
			if tt.want == 421 && !strings.Contains(w.Body.String(), "127.0.0.1, [::1] or localhost") || tt.want == 405 && w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("no remedy in %q, Allow %q", w.Body, w.Header().Get("Allow"))
			}
		})
	}
}

// The page takes a form from its own page, and from no other.
func TestOnlyThePageItselfSendsItsForm(t *testing.T) {
	for _, tt := range []struct {
		name, method, path, host string
		header                   map[string]string
		want                     int
	}{
		{"its own page", "POST", "/", "localhost:8767", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:8767"}, 200},
		{"an old browser", "POST", "/", "localhost:8767", map[string]string{"Origin": "http://localhost:8767"}, 200},
		{"curl", "POST", "/", "localhost:8767", nil, 200},
		{"reloaded", "POST", "/", "localhost:8767", map[string]string{"Sec-Fetch-Site": "none", "Origin": "null"}, 200},
		{"another site", "POST", "/", "localhost:8767", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://attacker.example", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 403},
		{"another port", "POST", "/", "localhost:8767", map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:80"}, 403},
		{"another site in an old browser", "POST", "/", "localhost:8767", map[string]string{"Origin": "https://attacker.example"}, 403},
		{"a sandboxed page", "POST", "/", "localhost:8767", map[string]string{"Origin": "null"}, 403},
		{"DNS rebinding", "POST", "/", "attacker.example:8767", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://attacker.example:8767"}, 421},
		{"a path without a form", "POST", "/metrics", "localhost:8767", nil, 405},
		{"another method", "PUT", "/", "localhost:8767", nil, 405},
	} {
		for _, known := range []bool{false, true} {
			h := ok()
			h.known = func() bool { return known }
			r := with(httptest.NewRequest(tt.method, tt.path, strings.NewReader("address=x")), tt.host, tt.header)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if want := tt.want; w.Code != want && !(known && want == 421) {
				t.Errorf("%s, known %t: status %d", tt.name, known, w.Code)
			}
			if allow := w.Header().Get("Allow"); w.Code == 405 && (allow == "GET, HEAD, POST") != (tt.path == "/") {
				t.Errorf("%s: Allow %q", tt.name, allow)
			}
		}
	}
}

// A client that TLS and a password have made known calls this host by any name, and may follow a link of another site. Pages of other
// sites still read nothing.
func TestKnownClientsComeFromAnywhere(t *testing.T) {
	for _, tt := range []struct {
		name, host string
		header     map[string]string
		want       int
	}{
		{"Prometheus", "mx.example.com:8767", nil, 200},
		{"a container", "172.17.0.1:8767", nil, 200},
		{"a link of a dashboard", "mx.example.com:8767", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 200},
		{"a script of another site", "mx.example.com:8767", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, 403},
		{"a frame of another site", "mx.example.com:8767", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403},
		{"an old browser", "mx.example.com:8767", map[string]string{"Origin": "https://mx.example.com:8767"}, 200},
		{"an old browser's page of another site", "mx.example.com:8767", map[string]string{"Origin": "http://mx.example.com:8767"}, 403},
	} {
		r := with(httptest.NewRequest("GET", "https://mx.example.com:8767/metrics", nil), tt.host, tt.header) // which has a TLS state
		w := httptest.NewRecorder()
		h := ok()
		known := true
		h.known, h.distant = func() bool { return known }, true
		h.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s: status %d, %q", tt.name, w.Code, w.Body)
		}
		known = false
		w = httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusForbidden {
			t.Errorf("%s, after the web configuration lets everyone in: status %d", tt.name, w.Code)
		}
	}
}

func TestNoRequestBeginsAfterTheEnd(t *testing.T) {
	h := ok()
	h.end()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/metrics", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d", w.Code)
	}
}
