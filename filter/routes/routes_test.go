package routes

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/internal/filtertest"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

var testDay = filtertest.Day()

// awayText is an automatic reply to the mail that the tests return.
const awayText = `From: friend@example.org
To: user@example.com
Subject: Automatic reply: letter
Auto-Submitted: auto-replied
In-Reply-To: <x@shop.example>

I am away.
`

func address(t *testing.T, s string) prvs.Address {
	t.Helper()
	a, err := prvs.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestSightings(t *testing.T) {
	now := testDay.AddDate(0, 0, 20)
	today := prvs.DayOf(now)
	genuine := filtertest.ReturnedMail{Arrival: now.Add(-time.Hour), Handed: filtertest.HandedBy("203.0.113.5")}
	facts := policy.RecipientFacts{
		Address: address(t, "User+shop@example.com"), Issued: policy.IssuedNo, Proof: policy.ProofAbsent,
		Record: policy.RecordFacts{CompleteSince: testDay, Signing: true, SigningSince: prvs.DayOf(testDay)},
	}
	tagged, err := filtertest.Keys(t).Sign(address(t, "user@example.com"), prvs.Standard, prvs.DayOf(now))
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*filtertest.ReturnedMail)) string { m := genuine; change(&m); return m.String() }
	but := func(change func(*policy.RecipientFacts)) policy.RecipientFacts { f := facts; change(&f); return f }
	for _, tt := range []struct {
		name   string
		change func(*policy.Settings)
		facts  policy.RecipientFacts
		text   string
		source string // "" if it is none
	}{
		{"a DSN", nil, facts, genuine.String(), "203.0.113.0/24"},
		{"a bounce in no standard form", nil, facts, "From: MAILER-DAEMON@mx.victim.example\nSubject: failure notice\n\nHi. This is the qmail-send program at mx.victim.example.\n" +
			"I'm afraid I wasn't able to deliver your message to the following addresses.\n\n<nobody@victim.example>:\nno such user\n\n--- Below this line is a copy of the message.\n\n" +
			"Return-Path: <user@example.com>\nReceived: from unknown (HELO x) (203.0.113.5) by mx.victim.example with SMTP\nMessage-ID: <x@shop.example>\nFrom: Shop <shop@shop.example>\n\nHello\n", "203.0.113.0/24"},
		{"over IPv6", nil, facts, with(func(m *filtertest.ReturnedMail) { m.Handed = filtertest.HandedBy("2001:db8:1:2::5") }), "2001:db8:1:2::/64"},
		{"written on the reporting host", nil, facts, with(func(m *filtertest.ReturnedMail) { m.Handed = "by mx.victim.example (Postfix, from userid 33)" }), "mx.victim.example"},
		{"a domain that is monitored", func(s *policy.Settings) { s.Domains[0].Mode = policy.ModeMonitor }, facts, genuine.String(), "203.0.113.0/24"},
		{"a domain that is not enforced yet", func(s *policy.Settings) { s.Domains[0].Mode = policy.ModeAuto }, but(func(f *policy.RecipientFacts) {
			f.Record.SigningSince = today - 3
			f.Record.CompleteSince = now.AddDate(0, 0, -3)
		}), genuine.String(), "203.0.113.0/24"},
		{"it is not said when the mail was sent, but it cannot be that long", nil, facts, with(func(m *filtertest.ReturnedMail) { m.Arrival = time.Time{} }), "203.0.113.0/24"},

		{"the host is not named", nil, facts, with(func(m *filtertest.ReturnedMail) { m.Handed = "" }), ""},
		{"written by another sender", nil, facts, with(func(m *filtertest.ReturnedMail) { m.Author = "other@example.com" }), ""},
		{"no Message-ID", nil, facts, strings.Replace(genuine.String(), "Message-ID: <x@shop.example>\n", "", 1), ""},
		{"an automatic reply", nil, facts, with(func(m *filtertest.ReturnedMail) { m.Text = awayText }), ""},
		{"a read receipt that returns it", nil, facts, strings.NewReplacer("report-type=delivery-status", "report-type=disposition-notification",
			"message/delivery-status\n\nReporting-MTA: dns; mx.victim.example\n", "message/disposition-notification\n",
			"Action: failed\nStatus: 5.1.1", "Disposition: manual-action/MDN-sent-manually; displayed").Replace(genuine.String()), ""},
		{"a complaint that returns it", nil, facts, strings.NewReplacer("report-type=delivery-status", "report-type=feedback-report",
			"message/delivery-status\n\nReporting-MTA: dns; mx.victim.example\n", "message/feedback-report\n\nFeedback-Type: abuse\nVersion: 1\n").Replace(genuine.String()), ""},
		{"on record", nil, but(func(f *policy.RecipientFacts) { f.Proof = policy.ProofMessage }), genuine.String(), ""},
		{"used up", nil, but(func(f *policy.RecipientFacts) { f.Proof = policy.ProofSpent }), genuine.String(), ""},
		{"store silent", nil, but(func(f *policy.RecipientFacts) {
			f.Proof, f.Issued, f.Record.CompleteSince = policy.ProofUnknown, policy.IssuedUnknown, time.Time{}
		}), genuine.String(), ""},
		{"store wiped", nil, but(func(f *policy.RecipientFacts) { f.Record.CompleteSince = time.Time{} }), genuine.String(), ""},
		{"gap in the record", nil, but(func(f *policy.RecipientFacts) { f.Record.CompleteSince = now.AddDate(0, 0, -3) }), genuine.String(), ""},
		{"sent before there was a record", nil, facts, with(func(m *filtertest.ReturnedMail) { m.Arrival = testDay.Add(-time.Hour) }), ""},
		{"sent before the domain signed", nil, but(func(f *policy.RecipientFacts) { f.Record.CompleteSince = testDay.AddDate(0, 0, -30) }), with(func(m *filtertest.ReturnedMail) { m.Arrival = testDay.Add(-time.Hour) }), ""},
		{"sent before a gap of long ago", nil, but(func(f *policy.RecipientFacts) {
			f.Record.CompleteSince, f.Record.SigningSince = now.AddDate(0, 0, -31), today-60
		}), with(func(m *filtertest.ReturnedMail) { m.Arrival = now.AddDate(0, 0, -32) }), ""},
		{"perhaps sent before there was a record", nil, but(func(f *policy.RecipientFacts) {
			f.Record.CompleteSince, f.Record.SigningSince = now.AddDate(0, 0, -5), today-5
		}), with(func(m *filtertest.ReturnedMail) { m.Arrival = time.Time{} }), ""},
		{"a domain that has never signed", nil, but(func(f *policy.RecipientFacts) { f.Record.Signing = false }), genuine.String(), ""},
		{"left unsigned on purpose", nil, but(func(f *policy.RecipientFacts) { f.Issued = policy.IssuedYes }), genuine.String(), ""},
		{"an exempt recipient", func(s *policy.Settings) { s.Exempt.Recipients = []string{"user@example.com"} }, facts, genuine.String(), ""},
		{"our own MTA", nil, but(func(f *policy.RecipientFacts) { f.Own = true }), genuine.String(), ""},
		{"a valid tag", nil, but(func(f *policy.RecipientFacts) {
			f.Address, f.Issued = address(t, tagged.Address), policy.IssuedYes
		}), genuine.String(), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := filtertest.Policy(t, tt.change)
			v := p.Recipient(tt.facts, now)
			r := bounce.Parse([]byte(tt.text), bounce.DefaultLimits())
			s, ok := see(p, &v, tt.facts, r, now)
			if mild := v.Reason != policy.Untagged; !ok && mild {
				// What is not on record although the record is complete matters by itself, whatever the verdict made of it.
				v = policy.Verdict{Reason: policy.Untagged, Action: policy.ActionReject, Domain: v.Domain}
				if _, again := see(p, &v, tt.facts, r, now); again && (tt.facts.Proof != policy.ProofAbsent || tt.facts.Record.CompleteSince != facts.Record.CompleteSince) {
					t.Error("a verdict of its own makes it a sighting")
				}
			}
			if s.route.source != tt.source || ok != (tt.source != "") {
				t.Fatalf("got %v %+v for %v", ok, s, v)
			}
			if ok && (s.route.sender != "user@example.com" || s.original != "x@shop.example" || len(s.failed) != 1 || s.failed[0] != "nobody@victim.example") {
				t.Errorf("got %+v", s)
			}
		})
	}
}

// Bounces of one run of spam come for days: the day of each is that of the mail, as far as the bounce tells.
func TestWhenTheMailWasSent(t *testing.T) {
	now := testDay.AddDate(0, 0, 20)
	sent, ago := now.AddDate(0, 0, -3), func(d time.Time) string { return d.Format(time.RFC1123Z) }
	facts := policy.RecipientFacts{
		Address: address(t, "user@example.com"), Issued: policy.IssuedNo, Proof: policy.ProofAbsent,
		Record: policy.RecordFacts{CompleteSince: testDay, Signing: true, SigningSince: prvs.DayOf(testDay)},
	}
	const handed = "from mail.shop.example (mail.shop.example [203.0.113.5]) by mx.victim.example (Postfix) with ESMTP"
	for _, tt := range []struct {
		name string
		m    filtertest.ReturnedMail
		want time.Time
	}{
		{"the report says when it came", filtertest.ReturnedMail{Arrival: sent, Handed: handed}, sent},
		{"the returned message says so", filtertest.ReturnedMail{Handed: handed + "; " + ago(sent) + "\nDate: " + ago(sent.Add(-time.Minute))}, sent},
		{"only the sender says so", filtertest.ReturnedMail{Handed: handed + "\nDate: " + ago(sent)}, now},
		{"nothing says so", filtertest.ReturnedMail{Handed: handed}, now},
		{"it is said to be sent tomorrow", filtertest.ReturnedMail{Arrival: now.AddDate(0, 0, 1), Handed: handed}, now},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := filtertest.Policy(t, nil)
			v := p.Recipient(facts, now)
			s, ok := see(p, &v, facts, bounce.Parse([]byte(tt.m.String()), bounce.DefaultLimits()), now)
			if !ok || !s.sent.Equal(tt.want) {
				t.Errorf("got %v, %v, want %v", s.sent, ok, tt.want)
			}
		})
	}
}

func TestWhenARouteIsReported(t *testing.T) {
	minutes := func(list ...int) (ss []sighting) {
		for i, m := range list {
			ss = append(ss, sighting{sent: testDay.Add(time.Duration(m) * time.Minute), failed: []string{fmt.Sprintf("%d@%d.example", i, i)}})
		}
		return ss
	}
	to := func(ss []sighting, failed ...string) []sighting {
		for i := range ss {
			ss[i].failed = []string{failed[i%len(failed)]}
		}
		return ss
	}
	for _, tt := range []struct {
		name string
		seen []sighting
		want bool
	}{
		{"nothing", nil, false},
		{"five over an hour", minutes(0, 10, 20, 30, 60), true},
		{"in any order", minutes(60, 10, 0, 30, 20), true},
		{"four", minutes(0, 10, 20, 60), false},
		{"one run", minutes(0, 1, 2, 3, 4, 5, 6, 7, 8, 59), false},
		{"one recipient", to(minutes(0, 100, 200, 300, 400), "a@a.example"), false},
		{"two recipients", to(minutes(0, 100, 200, 300, 400), "a@a.example", "b@b.example"), false},
		{"three recipients of one site", to(minutes(0, 100, 200, 300, 400), "a@a.example", "b@a.example", "c@a.example"), false},
		{"three recipients of two sites", to(minutes(0, 100, 200, 300, 400), "a@a.example", "b@a.example", "c@b.example"), true},
		{"the second site comes late", to(minutes(0, 100, 200, 300, 400), "a@a.example", "b@a.example", "c@a.example", "d@a.example", "e@b.example"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c tally
			for _, s := range tt.seen {
				c = c.with(s)
			}
			if c.reached() != tt.want || c.count != uint64(len(tt.seen)) {
				t.Errorf("%+v: %v", c, c.reached())
			}
		})
	}
}

func TestRoutesAreBounded(t *testing.T) {
	table := New()
	seen := func(sender string, at time.Time) (Route, bool) {
		i := at.Sub(testDay) / time.Hour
		r, reached, _ := table.add(sighting{route: route{sender, "192.0.2.0/24"}, sent: at, failed: []string{fmt.Sprintf("a@%d.example", i)}}, at)
		return r, reached
	}
	for i := range 5 {
		seen("user@example.com", testDay.Add(time.Duration(i)*time.Hour))
	}
	for i := range maxRoutes - 1 {
		seen(fmt.Sprintf("%d@example.com", i), testDay)
	}
	if r, reached := seen("user@example.com", testDay.Add(6*time.Hour)); !reached || r.Bounces != 6 {
		t.Errorf("as many as fit: %+v", r)
	}
	seen("another@example.com", testDay)
	if r, _ := seen("user@example.com", testDay.Add(6*time.Hour)); r.Bounces != 7 {
		t.Errorf("the one that was seen last was pushed out: %+v", r)
	}
	for i := range 2 * maxRoutes {
		seen(fmt.Sprintf("x%d@example.com", i), testDay)
	}
	if n := table.Len(); n != maxRoutes {
		t.Errorf("%d routes are known", n)
	}
	if r, reached := seen("user@example.com", testDay.Add(7*time.Hour)); !reached || r.Bounces != 8 {
		t.Errorf("one that was counted was pushed out by those that were seen once: %+v", r)
	}
	if r, _ := seen("user@example.com", testDay.Add(7*time.Hour+routeRetention)); r.Bounces != 9 {
		t.Errorf("within the retention: %+v", r)
	}
	if r, _ := seen("user@example.com", testDay.Add(8*time.Hour+2*routeRetention)); r.Bounces != 1 {
		t.Errorf("after the retention: %+v", r)
	}
}
