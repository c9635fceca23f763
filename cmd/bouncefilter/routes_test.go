package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/probe"
	"github.com/bouncefilter/bouncefilter/filter"
)

func TestRouteFindings(t *testing.T) {
	since := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	fs := routeFindings([]filter.OtherRoute{
		{Sender: "user@example.com", Source: "203.0.113.0/24", Bounces: 7, Since: since},
		{Sender: `"a b"@example.com`, Source: "web.shop.example", Bounces: 5, Since: since},
		{Sender: "user@example.com", Source: "2001:db8::/64", Bounces: 9, Since: since},
	}, []string{"postmaster"})
	if len(fs) != 2 {
		t.Fatalf("got %+v", fs)
	}
	for i, want := range []struct{ where, what, cure string }{
		{"sender user@example.com", "203.0.113.0/24 (7 bounces of mail sent since 2026-11-20T08:00:00Z), 2001:db8::/64 (9 bounces of mail", `recipients = ["postmaster", "user@example.com"]`},
		{`sender "a b"@example.com`, "web.shop.example (5 bounces", `recipients = ["postmaster", "\"a b\"@example.com"]`},
	} {
		f := fs[i]
		if f.Level != mta.LevelWarning || f.Name != "other-route" || f.Where != want.where || !strings.Contains(f.What, want.what) || !slices.Equal(f.Cure, []string{"[exempt]", want.cure}) {
			t.Errorf("got %+v", f)
		}
	}
}

// A daemon that refuses bounces from the same source again and again says so, and check does, until the sender is exempt as check
// proposes.
func TestCheckTellsOfAnotherRoute(t *testing.T) {
	w := newWorld(t)
	const options = "mode = \"enforce\"\n"
	d := w.start("-c", w.config(options))
	hand(t, d, probe.Client{Name: "desk", Address: netip.MustParseAddr("192.0.2.1"), Login: "user"}, "user@example.com", "friend@remote.example", "Message-ID: <1@example.com>\n\nHello\n")
	d.stop()
	w.pass(3)
	w.states = nil // ready is the next one
	d = w.start("-c", w.path("bouncefilter.toml"))
	for i := range 5 {
		o := hand(t, d, probe.Client{Name: "mx", Address: netip.MustParseAddr("192.0.2.9")}, "", "user@example.com", bounceOf(i, w.clock()))
		if !strings.Contains(o.Reply, "no tag in the recipient address") {
			t.Fatalf("got %+v", o)
		}
	}
	contains(t, "log", d.stderr.String(), `level=WARN msg="this sender seems to send through another route" sender=<user@example.com> source=203.0.113.0/24 count=5`)
	_, status := d.get("/status")
	contains(t, "status", status, `"other_routes":[{"sender":"user@example.com","source":"203.0.113.0/24","bounces":5,`)

	fixed := func(more string) string {
		text := strings.Replace(mustRead(t, w.config(options+more)), "http = \"127.0.0.1:0\"", "http = \""+strings.TrimPrefix(d.find(`(http://[^ "]+)`), "http://")+"\"", 1)
		return w.file("fixed.toml", text, 0o600)
	}
	const cure = "[exempt]\n           recipients = [\"postmaster\", \"abuse\", \"user@example.com\"]\n"
	r := w.run("check", "-c", fixed(""), "--mta", "none")
	contains(t, "check", r.stdout, "warning  sender user@example.com\n", cure)
	if r.status != 0 {
		t.Errorf("a warning is no error: %+v", r)
	}
	contains(t, "JSON", w.run("check", "-c", fixed(""), "--mta", "none", "--json").stdout, `"other-route"`, `"other_routes":[{"sender":`)

	w.config(options + strings.ReplaceAll(cure, "           ", ""))
	d.reload()
	if o := hand(t, d, probe.Client{Name: "mx", Address: netip.MustParseAddr("192.0.2.9")}, "", "user@example.com", bounceOf(9, w.clock())); o.Refused {
		t.Errorf("refused after the cure: %+v", o)
	}
	contains(t, "log", d.stderr.String(), "reason=exempt action=accept would_be=untagged")
	if r := w.run("check", "-c", fixed(strings.ReplaceAll(cure, "           ", "")), "--mta", "none"); strings.Contains(r.stdout, "sender user@example.com") {
		t.Errorf("still a finding:\n%s", r.stdout)
	}
}

// check asks the daemon also if it can open the store itself.
func TestCheckAsksTheDaemonForOtherRoutes(t *testing.T) {
	w := newWorld(t)
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"other_routes":[{"sender":"user@example.com","source":"203.0.113.0/24","bounces":5}]}`)
	}))
	t.Cleanup(daemon.Close)
	text := strings.Replace(mustRead(t, w.config("store = \"memory:\"\n")), "http = \"127.0.0.1:0\"", "http = \""+daemon.Listener.Addr().String()+"\"", 1)
	contains(t, "check", w.run("check", "-c", w.file("fixed.toml", text, 0o600), "--mta", "none").stdout, "warning  sender user@example.com\n")
}

// hand hands a message to the daemon's milter.
func hand(t *testing.T, d *daemon, c probe.Client, from, to, text string) probe.Outcome {
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

// bounceOf is the i-th bounce of mail that another server has sent in the name of user@example.com.
func bounceOf(i int, now time.Time) string {
	return fmt.Sprintf(`From: MAILER-DAEMON@mx%d.example
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx%d.example
Arrival-Date: %s

Final-Recipient: rfc822; nobody@mx%d.example
Action: failed
Status: 5.1.1
--b
Content-Type: text/rfc822-headers

Received: from mail.shop.example (mail.shop.example [203.0.113.5]) by mx%d.example with ESMTP
Message-ID: <%d@shop.example>
From: user@example.com
--b--
`, i, i, now.Add(-time.Duration(i)*time.Hour).Format(time.RFC1123Z), i, i, i)
}
