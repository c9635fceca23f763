package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/probe"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/report"
)

// returned is the i-th bounce of a message of a sender that has left through a host an hour before.
func returned(i int, from, host, ip string, now time.Time) string {
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

Received: from %s (%s [%s]) by mx%d.example with ESMTP
Message-ID: <%d-%d@%s>
From: %s
--b--
`, i, i, now.Add(-time.Hour).Format(time.RFC1123Z), i, host, host, ip, i, i, now.Unix(), host, from)
}

// A site that is monitored for weeks: what report says in the end, of a site whose mail all leaves through the daemon, and of others.
func TestVerdictAfterWeeks(t *testing.T) {
	outside := func(i int) probe.Client {
		return probe.Client{Name: "mx", Address: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})}
	}
	desk := probe.Client{Name: "desk", Address: netip.MustParseAddr("192.0.2.1"), Login: "user"}
	bounced := func(sender, host string) func(w *world, d *running, n int) *running {
		return func(w *world, d *running, n int) *running {
			hand(w.t, d, outside(n), "", sender, returned(n, sender, host, "203.0.113.5", w.clock()))
			return d
		}
	}
	const last = 14 // day
	for _, tt := range []struct {
		name    string
		each    func(w *world, d *running, n int) *running // on each day, besides a message that is signed and its bounce
		state   report.State
		concern string
	}{
		{"all mail leaves through the daemon", nil, report.Ready, ""},
		{"backscatter comes", func(w *world, d *running, n int) *running {
			hand(w.t, d, outside(n), "", "user@example.com", namelessBounce)
			return d
		}, report.Ready, ""},
		{"newsletters leave through a service", bounced("news@example.com", "out.service.example"), report.NotReady, "never-sends"},
		{"another host of the site is left out", bounced("user@example.com", "mail2.example.com"), report.NotReady, "own-host"},
		{"a user sends through a provider, too", bounced("user@example.com", "smtp.provider.example"), report.NotReady, "repeats"},
		{"a user sends through a provider, too, and the daemon is started anew each day", bounced("user@example.com", "smtp.provider.example"), report.NotReady, "other-route"},
		{"a run of spam in the name of many users, whose bounces come for days", func(w *world, d *running, n int) *running {
			hand(w.t, d, outside(n), "", "user@example.com", namelessBounce)
			for i := range 99 { // fewer bounces than tell spam by their number
				user := fmt.Sprintf("user%d@example.com", i)
				switch {
				case n == 8:
					d.sign(user)
				case n >= 10 && n < 14 && i%2 == n%2: // each gets two
					hand(w.t, d, outside(n), "", user, returned(i, user, "spam.example", "203.0.113.5", w.clock().AddDate(0, 0, 10-n)))
				}
			}
			return d
		}, report.Ready, ""},
		{"the store was removed", func(w *world, d *running, n int) *running {
			if n == last-1 {
				d.stop()
				_ = os.Remove(w.path("state/state.db"))
				d = w.start("-c", w.path("bouncefilter.toml"))
				d.sign("user@example.com")
			}
			return d
		}, report.NotReady, "record-incomplete"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			d := w.start("-c", w.config("mode = \"monitor\"\nhostname = \"mx.example.com\"\n"))
			for n := range last + 1 {
				tag := ""
				for _, c := range hand(t, d, desk, "user@example.com", "friend@remote.example", fmt.Sprintf("Message-ID: <%d@example.com>\n\nHello\n", n)).Changes {
					if c.From != "" {
						tag = strings.Trim(c.From, "<>")
					}
				}
				hand(t, d, outside(n), "", tag, returned(n, "user@example.com", "mx.example.com", "192.0.2.25", w.clock()))
				if tt.each != nil {
					d = tt.each(w, d, n)
				}
				if w.pass(1); n == 0 || n == last-1 || n < last && tt.concern != "repeats" { // which the daemon knows since its start
					d.stop()
					d = w.start("-c", w.path("bouncefilter.toml"))
				}
			}
			w.pass(-1)
			r := w.run("report", "--json", "-c", w.path("bouncefilter.toml"))
			var got report.Report
			if err := json.Unmarshal([]byte(r.stdout), &got); err != nil {
				t.Fatal(err, r)
			}
			v := got.Verdict
			has := slices.ContainsFunc(v.Concerns, func(c report.Concern) bool { return c.Name == tt.concern })
			if v.State != tt.state || tt.state == report.Ready && (v.Level != report.Green || len(v.Concerns) > 0) || tt.concern != "" && !has {
				t.Errorf("got %s %s, %q, %+v", v.State, v.Level, v.Sentence, v.Concerns)
			}
		})
	}
}

// Two nodes of one store see too few bounces each to tell of another route, and enough of them together.
func TestVerdictOfTwoNodes(t *testing.T) {
	c := newCluster(t, 2, "mode = \"monitor\"\nhostname = \"mx.example.com\"\n")
	first := c.hosts[0]
	const last = 14 // day
	for n := range last + 1 {
		tag := first.running.sign("user@example.com")
		outside := probe.Client{Name: "mx", Address: netip.AddrFrom4([4]byte{198, 51, 100, byte(n)})}
		hand(t, first.running, outside, "", tag, returned(n, "user@example.com", "mx.example.com", "192.0.2.25", first.clock()))
		if n > last-4 {
			h := c.hosts[n%2]
			hand(t, h.running, outside, "", "user@example.com", returned(n, "user@example.com", "smtp.provider.example", "203.0.113.5", h.clock()))
		}
		if n < last {
			c.pass(1)
		}
		if n == 0 {
			for _, h := range c.hosts { // which know from their start on that the domain signs
				h.running.stop()
				h.running = h.start("-c", h.config)
			}
		}
	}
	c.hosts[1].running.stop()
	r := first.run("report", "--json", "-c", first.config)
	var got report.Report
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil {
		t.Fatal(err, r)
	}
	v := got.Verdict
	if v.State != report.NotReady || len(v.Concerns) != 1 || v.Concerns[0].Name != "other-route" || v.Concerns[0].Count != 4 {
		t.Errorf("got %s %s, %q, %+v", v.State, v.Level, v.Sentence, v.Concerns)
	}
}
