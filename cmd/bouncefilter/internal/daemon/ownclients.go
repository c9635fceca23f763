package daemon

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
)

// ownClients lets programs of this host read, and no web page: a page of another site that is open in a browser on this host may
// send requests to this port, or have its own name lead here (DNS rebinding). Every user of the host can connect. Clients that the web
// configuration has made known over TLS may be on other hosts, and call this one by any name.
type ownClients struct {
	next http.Handler
	// known says whether TLS, and a password or a client certificate, come before now: the web configuration can be edited. nil if it never
	// was so.
	known   func() bool
	distant bool         // other hosts can connect, so that clients must be known
	active  sync.RWMutex // held for reading by each request, and for writing once there may be none
}

// end returns when no request is under way, and lets none begin.
func (h *ownClients) end() { h.active.Lock() }

// ServeHTTP implements http.Handler.
func (h *ownClients) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range map[string]string{
		"Cache-Control":                "no-store",
		"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'",
		"Cross-Origin-Resource-Policy": "same-origin",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
	} {
		w.Header().Set(name, value)
	}
	known := h.known != nil && h.known()
	status, reason := refusal(r, known)
	if h.distant && !known {
		status, reason = http.StatusForbidden, "web_config of bouncefilter lets every client in, or cannot be read; correct it"
	}
	if status != 0 {
		if status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", allowed(r))
		}
		say(w, status, reason)
		return
	}
	if !h.active.TryRLock() {
		say(w, http.StatusServiceUnavailable, "the daemon stops")
		return
	}
	defer h.active.RUnlock()
	h.next.ServeHTTP(w, r)
}

// formPath is the one path that takes a form.
const formPath = "/"

// allowed returns the methods that a path takes.
func allowed(r *http.Request) string {
	if r.URL.Path == formPath {
		return "GET, HEAD, POST"
	}
	return "GET, HEAD"
}

// refusal says why a request is refused; status is 0 if it is not. Of a known client every name of this host is taken, and a link of
// another site may lead here.
func refusal(r *http.Request, known bool) (status int, reason string) {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	form := r.Method == http.MethodPost && r.URL.Path == formPath
	followed := reads && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
	switch {
	case !reads && !form:
		return http.StatusMethodNotAllowed, "this port is only read: use GET"
	case !known && !ownHost(r.Host):
		return http.StatusMisdirectedRequest, `this port is asked as 127.0.0.1, [::1] or localhost, and this request names another host; ` +
			`let a proxy in front of it send its address as Host: "proxy_set_header Host $proxy_host" in nginx, "ProxyPreserveHost Off" in Apache`
	case fromElsewhere(r) && !(known && followed):
		return http.StatusForbidden, "this request comes from a page of another site; type the address into the browser"
	}
	return 0, ""
}

// fromElsewhere says whether a request comes from a page of another site. Browsers that know Sec-Fetch-Site say so themselves, also
// behind a proxy; of others, what Origin says must be this host.
func fromElsewhere(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site != "none" && site != "same-origin"
	}
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	origin := r.Header.Get("Origin")
	return origin != "" && origin != scheme+r.Host
}

// ownHost says whether a Host header names a loopback address, or localhost, which no other site can have for a name. The port is of no
// matter: it may be that of a tunnel. A program that speaks HTTP/1.0 sends no Host; browsers do.
func ownHost(host string) bool {
	if host == "" {
		return true
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.IsLoopback()
	}
	return strings.EqualFold(strings.TrimSuffix(name, "."), "localhost")
}
