package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/probe"
)

// What programs and people send with the null sender, and no bounce.
const (
	order       = "From: Shop <orders@mail.shop.example>\nTo: user@example.com\nSubject: Your order 4711\nMessage-ID: <o1@shop.example>\n\nThank you for your order. It was sent today.\n"
	outOfOffice = "From: friend@office.example\nTo: user@example.com\nSubject: Automatic reply: letter\nAuto-Submitted: auto-replied\n\nI am out of the office.\n"
)

// A daemon that delivers mail with the null sender that nothing proves says who sends it, and check does, until the client is exempt as
// check proposes.
func TestCheckTellsWhoSendsWithTheNullSender(t *testing.T) {
	w := newWorld(t)
	const options = "mode = \"enforce\"\n"
	d := w.started(options)
	send := func(d *running, address, text string) probe.Outcome {
		return hand(t, d, probe.Client{Name: "mx", Address: netip.MustParseAddr(address)}, "", "user@example.com", text)
	}
	for _, address := range []string{"203.0.113.5", "203.0.113.6", "198.51.100.7"} {
		if o := send(d, address, order); o.Refused {
			t.Errorf("no bounce: %+v", o)
		}
	}
	for i := range 4 {
		if o := send(d, "203.0.113.9", outOfOffice); o.Refused != (i == 3) {
			t.Errorf("automatic reply %d: %+v", i, o)
		}
	}
	log := d.stderr.String()
	contains(t, "log", log,
		`level=INFO msg="this source sends mail with the null sender that is no bounce" source=shop.example client=203.0.113.0/24 count=1 refused=0 since=`,
		`source=shop.example client=198.51.100.0/24 count=1 `, `remedy="nothing needs to be done; `,
		`level=INFO msg="this source sends what may be automatic replies or bounces, and nothing proves them" source=office.example client=203.0.113.0/24 count=1 `)
	if n := strings.Count(log, `msg="this source sends`); n != 3 {
		t.Errorf("%d lines about sources:\n%s", n, log)
	}
	contains(t, "status", d.status(), `"null_sender_sources":[{"sort":"allowance","domain":"office.example","client":"203.0.113.0/24","count":4,"refused":1,`,
		`{"sort":"no-bounce","domain":"shop.example","client":"203.0.113.0/24","count":2,"refused":0,`)

	check := func() string { // on one line
		t.Helper()
		r := w.run("check", "-c", w.path("bouncefilter.toml"), "--mta", "none")
		if r.status != 0 {
			t.Errorf("a note is no error: %+v", r)
		}
		return strings.Join(strings.Fields(r.stdout), " ")
	}
	contains(t, "check", check(), "note no-bounce Mail with the null sender that is no bounce comes from shop.example (3, from 203.0.113.0/24 and 198.51.100.0/24). ",
		"note allowance What may be automatic replies or bounces, and nothing proves them, comes from office.example (4, 1 of them refused, from 203.0.113.0/24). ")
	contains(t, "JSON", w.run("check", "-c", w.path("bouncefilter.toml"), "--mta", "none", "--json").stdout, `"null-sender-source"`, `"null_sender_sources":[{"sort":"allowance"`)

	w.config(options + "[exempt]\nnetworks = [\"203.0.113.0/24\", \"198.51.100.0/24\"]\n[actions]\nno-bounce = \"reject\"\n")
	d.reload()
	if o := send(d, "203.0.113.5", order); o.Refused {
		t.Errorf("refused from an exempt client: %+v", o)
	}
	if o := send(d, "192.0.2.77", order); !o.Refused {
		t.Errorf("not refused: %+v", o)
	}
	contains(t, "check", check(), "shop.example (5, 1 of them refused, from ")
}
