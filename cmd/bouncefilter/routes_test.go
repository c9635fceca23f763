package main

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/probe"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// A daemon that refuses bounces from the same source again and again says so, and check does, until the sender is exempt as check
// proposes.
func TestCheckTellsOfAnotherRoute(t *testing.T) {
	w := newWorld(t)
	const options = "mode = \"enforce\"\n"
	d := w.started(options)
	for i := range 5 {
		o := hand(t, d, probe.Client{Name: "mx", Address: netip.MustParseAddr("192.0.2.9")}, "", "user@example.com", bounceOf(i, w.clock()))
		if !strings.Contains(o.Reply, "No tag: ") {
			t.Fatalf("got %+v", o)
		}
	}
	contains(t, "log", d.stderr.String(), `level=WARN msg="this sender seems to send through another route" sender="<user@example.com>" source=203.0.113.0/24 count=5`)
	contains(t, "status", d.status(), `"other_routes":[{"sender":"user@example.com","source":"203.0.113.0/24","bounces":5,`)

	const cure = "[exempt]\n           recipients = [\"postmaster\", \"abuse\", \"user@example.com\"]\n"
	r := w.run("check", "-c", w.path("bouncefilter.toml"), "--mta", "none")
	contains(t, "check", r.stdout, "warning  sender user@example.com\n", cure)
	if r.status != 0 {
		t.Errorf("a warning is no error: %+v", r)
	}
	contains(t, "JSON", w.run("check", "-c", w.path("bouncefilter.toml"), "--mta", "none", "--json").stdout, `"other-route"`, `"other_routes":[{"sender":`)

	w.config(options + strings.ReplaceAll(cure, "           ", ""))
	d.reload()
	if o := hand(t, d, probe.Client{Name: "mx", Address: netip.MustParseAddr("192.0.2.9")}, "", "user@example.com", bounceOf(9, w.clock())); o.Refused {
		t.Errorf("refused after the cure: %+v", o)
	}
	contains(t, "log", d.stderr.String(), "reason=exempt action=accept would_be=untagged")
	if r := w.run("check", "-c", w.path("bouncefilter.toml"), "--mta", "none"); strings.Contains(r.stdout, "sender user@example.com") {
		t.Errorf("still a finding:\n%s", r.stdout)
	}
}

// check asks the daemon also if it can open the store itself.
func TestCheckAsksTheDaemonForOtherRoutes(t *testing.T) {
	w := newWorld(t)
	w.store = memory.New()
	c := w.config("store = \"redis://127.0.0.1:1/0\"\n")
	if err := os.Mkdir(w.path("state"), 0o700); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", w.path("state/control.sock"))
	if err != nil {
		t.Fatal(err)
	}
	daemon := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"other_routes":[{"sender":"user@example.com","source":"203.0.113.0/24","bounces":5}]}`)
	})}
	var serve sync.WaitGroup
	serve.Go(func() { _ = daemon.Serve(ln) })
	t.Cleanup(func() { _ = daemon.Close(); serve.Wait() })
	contains(t, "check", w.run("check", "-c", c, "--mta", "none").stdout, "warning  sender user@example.com\n")
}

// started starts a daemon with these lines of configuration, which signed mail of user@example.com three days ago and was restarted since.
func (w *world) started(lines string) *running {
	w.t.Helper()
	d := w.start("-c", w.config(lines))
	hand(w.t, d, probe.Client{Name: "desk", Address: netip.MustParseAddr("192.0.2.1"), Login: "user"}, "user@example.com", "friend@remote.example", "Message-ID: <1@example.com>\n\nHello\n")
	d.stop()
	w.pass(3)
	return w.start("-c", w.path("bouncefilter.toml"))
}

// hand hands a message to the daemon's milter.
func hand(t *testing.T, d *running, c probe.Client, from, to, text string) probe.Outcome {
	t.Helper()
	m, err := probe.DialMilter("tcp", d.address(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	o, err := m.Message(probe.Message{From: from, To: to, Text: text}, probe.EndOfMessage, nil)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// bounceOf is the i-th bounce of mail that another server has sent in the name of user@example.com, i hours ago.
func bounceOf(i int, now time.Time) string {
	return returned(i, "user@example.com", "mail.shop.example", "203.0.113.5", now.Add(-time.Duration(i-1)*time.Hour))
}
