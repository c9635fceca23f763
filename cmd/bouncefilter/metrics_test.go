package main

import (
	"net/http"
	"strings"
	"testing"
)

// Every process of the host, and every page in a browser there, can ask for metrics and health: they name no address and no Message-ID, and
// nothing can be changed.
func TestHTTPShowsNoAddressAndTakesNothing(t *testing.T) {
	w := newWorld(t)
	d := w.start("-c", w.config("mode = \"enforce\"\n"))
	tagged := d.sign("user@example.com")
	if got := d.replay(tagged); got != taken {
		t.Fatalf("a genuine bounce: %s", got)
	}
	if got := d.replay("user@example.com"); !strings.HasPrefix(got, "550 ") {
		t.Fatalf("a forged bounce: %s", got)
	}
	url := d.find(`(http://[^ "]+)`)
	for path, want := range map[string]int{"/metrics": 200, "/healthz": 200, "/readyz": 200, "/": 404, "/status": 404, "/keys": 404, "/debug/pprof/": 404} {
		status, body := d.get(path)
		if status != want {
			t.Errorf("%s is answered with %d, expected %d", path, status, want)
		}
		for _, word := range []string{"@", "friend", "prvs", "client.example.net", "192.0.2"} {
			if strings.Contains(body, word) {
				t.Errorf("%s shows %q:\n%s", path, word, body)
			}
		}
		if want != 200 {
			continue
		}
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
			if status, _ := d.request(http.DefaultClient, method, url+path, "x"); status != http.StatusMethodNotAllowed {
				t.Errorf("%s %s is answered with %d", method, path, status)
			}
		}
	}
}
