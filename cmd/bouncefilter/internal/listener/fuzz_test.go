package listener_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/listener"
)

// An address that is understood is written in one way, which means the same, and fits into main.cf and into a unix socket's name.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"tcp:127.0.0.1:8766", "inet:localhost:08766", "tcp:[::1]:1", "tcp::0", "tcp:[fe80::1%lo]:1", "unix:/run//x/../milter.sock",
		"unix:/var/spool/postfix/bouncefilter/milter.sock", "unix:x", "tcp:a b:1", "", "unix:/a b", "tcp:[::1]]:1", "tcp:a,b:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := listener.Parse(s)
		if err != nil {
			if !a.IsZero() || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: %v, %v", s, a, err)
			}
			return
		}
		if again, err := listener.Parse(a.String()); err != nil || again != a {
			t.Errorf("%q is %q, and that is %q, %v", s, a, again, err)
		}
		network, target := a.Target()
		switch network {
		case "unix":
			if target != filepath.Clean(target) || !filepath.IsAbs(target) || !a.Loopback() {
				t.Errorf("%q is the socket %q", s, target)
			}
		case "tcp":
			if strings.ContainsAny(a.Postfix(), " \t\r\n,{}") {
				t.Errorf("%q is %q for Postfix, which is not one word", s, a.Postfix())
			}
		default:
			t.Errorf("%q is on the network %q", s, network)
		}
	})
}
