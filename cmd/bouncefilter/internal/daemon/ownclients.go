package daemon

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
)

// ownClients lets programs of this host read, and no web page: a page of another site that is open in a browser on this host may
// send requests to this port, or have its own name lead here (DNS rebinding). What is read names domains, and no addresses: every user
// of the host can connect.
type ownClients struct {
	next   http.Handler
	active sync.RWMutex // held for reading by each request, and for writing once there may be none
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
	if status, reason := refusal(r); status != 0 {
		if status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", "GET, HEAD")
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

// refusal says why a request is refused; status is 0 if it is not.
func refusal(r *http.Request) (status int, reason string) {
	switch site := r.Header.Get("Sec-Fetch-Site"); {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return http.StatusMethodNotAllowed, "this port is only read: use GET"
	case !ownHost(r.Host):
		return http.StatusMisdirectedRequest, `this port is asked as 127.0.0.1, [::1] or localhost, and this request names another host; ` +
			`let a proxy in front of it send its address as Host: "proxy_set_header Host $proxy_host" in nginx, "ProxyPreserveHost Off" in Apache`
	case site != "" && site != "none" && site != "same-origin", r.Header.Get("Origin") != "" && r.Header.Get("Origin") != "http://"+r.Host:
		return http.StatusForbidden, "this request comes from a page of another site; type the address into the browser"
	}
	return 0, ""
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
