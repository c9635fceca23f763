package filter

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// returnedMail describes a DSN about mail in the name of user@example.com.
type returnedMail struct {
	arrival time.Time // zero: not told
	failed  string
	handed  string // a Received field of the returned header
	author  string // user@example.com unless set
	id      string // x@shop.example unless set
	text    string // instead of a DSN
}

func (m returnedMail) String() string {
	if m.text != "" {
		return m.text
	}
	or := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return s
	}
	arrival := ""
	if !m.arrival.IsZero() {
		arrival = "Arrival-Date: " + m.arrival.Format(time.RFC1123Z) + "\n"
	}
	received := ""
	if m.handed != "" {
		received = "Received: " + m.handed + "\n"
	}
	return "From: MAILER-DAEMON@mx.victim.example\nTo: user@example.com\nSubject: Undelivered Mail Returned to Sender\nMIME-Version: 1.0\n" +
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: text/plain\n\nIt could not be delivered.\n" +
		"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.victim.example\n" + arrival +
		"\nFinal-Recipient: rfc822; " + or(m.failed, "nobody@victim.example") + "\nAction: failed\nStatus: 5.1.1\n" +
		"--b\nContent-Type: text/rfc822-headers\n\n" + received + "Message-ID: <" + or(m.id, "x@shop.example") + ">\nFrom: " +
		or(m.author, "user@example.com") + "\nSubject: letter\n\n--b--\n"
}

// handedBy is the Received field of a server that got a message from this address.
func handedBy(address string) string {
	return "from mail.shop.example (mail.shop.example [" + address + "]) by mx.victim.example (Postfix) with ESMTP"
}

func TestSightings(t *testing.T) {
	now := testDay.AddDate(0, 0, 20)
	today := store.DayOf(now)
	genuine := returnedMail{arrival: now.Add(-time.Hour), handed: handedBy("203.0.113.5")}
	facts := policy.RecipientFacts{
		Address: address(t, "User+shop@example.com"), Issued: policy.IssuedNo, Proof: policy.ProofAbsent,
		Complete: store.Completeness{Since: testDay}, Signing: true, SigningSince: store.DayOf(testDay),
	}
	tagged, err := testKeys(t).Sign(address(t, "user@example.com"), prvs.Standard, prvs.DayOf(now))
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*returnedMail)) string { m := genuine; change(&m); return m.String() }
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
		{"over IPv6", nil, facts, with(func(m *returnedMail) { m.handed = handedBy("2001:db8:1:2::5") }), "2001:db8:1:2::/64"},
		{"written on the reporting host", nil, facts, with(func(m *returnedMail) { m.handed = "by mx.victim.example (Postfix, from userid 33)" }), "mx.victim.example"},
		{"a domain that is monitored", func(s *policy.Settings) { s.Domains[0].Mode = policy.ModeMonitor }, facts, genuine.String(), "203.0.113.0/24"},
		{"a domain that is not enforced yet", func(s *policy.Settings) { s.Domains[0].Mode = policy.ModeAuto }, but(func(f *policy.RecipientFacts) { f.SigningSince = today - 3; f.Complete.Since = now.AddDate(0, 0, -3) }), genuine.String(), "203.0.113.0/24"},
		{"it is not told when the mail was sent, but it cannot be that long", nil, facts, with(func(m *returnedMail) { m.arrival = time.Time{} }), "203.0.113.0/24"},

		{"the host is not told", nil, facts, with(func(m *returnedMail) { m.handed = "" }), ""},
		{"written by somebody else", nil, facts, with(func(m *returnedMail) { m.author = "other@example.com" }), ""},
		{"no Message-ID", nil, facts, strings.Replace(genuine.String(), "Message-ID: <x@shop.example>\n", "", 1), ""},
		{"an automatic reply", nil, facts, with(func(m *returnedMail) { m.text = fmt.Sprintf(awayText, "x@shop.example") }), ""},
		{"a read receipt that returns it", nil, facts, strings.NewReplacer("report-type=delivery-status", "report-type=disposition-notification",
			"message/delivery-status\n\nReporting-MTA: dns; mx.victim.example\n", "message/disposition-notification\n",
			"Action: failed\nStatus: 5.1.1", "Disposition: manual-action/MDN-sent-manually; displayed").Replace(genuine.String()), ""},
		{"a complaint that returns it", nil, facts, strings.NewReplacer("report-type=delivery-status", "report-type=feedback-report",
			"message/delivery-status\n\nReporting-MTA: dns; mx.victim.example\n", "message/feedback-report\n\nFeedback-Type: abuse\nVersion: 1\n").Replace(genuine.String()), ""},
		{"on record", nil, but(func(f *policy.RecipientFacts) { f.Proof = policy.ProofMessage }), genuine.String(), ""},
		{"used up", nil, but(func(f *policy.RecipientFacts) { f.Proof = policy.ProofSpent }), genuine.String(), ""},
		{"store silent", nil, but(func(f *policy.RecipientFacts) {
			f.Proof, f.Issued, f.Complete = policy.ProofUnknown, policy.IssuedUnknown, store.Completeness{}
		}), genuine.String(), ""},
		{"store wiped", nil, but(func(f *policy.RecipientFacts) { f.Complete = store.Completeness{} }), genuine.String(), ""},
		{"gap in the record", nil, but(func(f *policy.RecipientFacts) { f.Complete.Since = now.AddDate(0, 0, -3) }), genuine.String(), ""},
		{"sent before there was a record", nil, facts, with(func(m *returnedMail) { m.arrival = testDay.Add(-time.Hour) }), ""},
		{"sent before the domain signed", nil, but(func(f *policy.RecipientFacts) { f.Complete.Since = testDay.AddDate(0, 0, -30) }), with(func(m *returnedMail) { m.arrival = testDay.Add(-time.Hour) }), ""},
		{"sent before a gap of long ago", nil, but(func(f *policy.RecipientFacts) { f.Complete.Since, f.SigningSince = now.AddDate(0, 0, -31), today-60 }), with(func(m *returnedMail) { m.arrival = now.AddDate(0, 0, -32) }), ""},
		{"perhaps sent before there was a record", nil, but(func(f *policy.RecipientFacts) { f.Complete.Since, f.SigningSince = now.AddDate(0, 0, -5), today-5 }), with(func(m *returnedMail) { m.arrival = time.Time{} }), ""},
		{"a domain that has never signed", nil, but(func(f *policy.RecipientFacts) { f.Signing = false }), genuine.String(), ""},
		{"left unsigned on purpose", nil, but(func(f *policy.RecipientFacts) { f.Issued = policy.IssuedYes }), genuine.String(), ""},
		{"an exempt recipient", func(s *policy.Settings) { s.Exempt.Recipients = []string{"user@example.com"} }, facts, genuine.String(), ""},
		{"our own MTA", nil, but(func(f *policy.RecipientFacts) { f.Own = true }), genuine.String(), ""},
		{"a valid tag", nil, but(func(f *policy.RecipientFacts) {
			f.Address, f.Issued = address(t, tagged.Address), policy.IssuedYes
		}), genuine.String(), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := testPolicy(t, tt.change)
			v := p.Recipient(tt.facts, now)
			r := bounce.Parse([]byte(tt.text), bounce.DefaultLimits())
			s, ok := p.sighting(&v, tt.facts, r, now)
			if mild := v.Reason != policy.Untagged; !ok && mild {
				// What is not on record although the record is complete matters by itself, whatever the verdict made of it.
				v = policy.Verdict{Reason: policy.Untagged, Action: policy.ActionReject, Domain: v.Domain}
				if _, again := p.sighting(&v, tt.facts, r, now); again && (tt.facts.Proof != policy.ProofAbsent || tt.facts.Complete.Since != facts.Complete.Since) {
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

func TestWhenARouteIsTold(t *testing.T) {
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
	table := newRoutes()
	seen := func(sender string, at time.Time) (OtherRoute, bool) {
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
	if len(table.known) != maxRoutes || table.order.Len() != maxRoutes {
		t.Errorf("%d and %d routes are known", len(table.known), table.order.Len())
	}
	if r, reached := seen("user@example.com", testDay.Add(7*time.Hour)); reached || r.Bounces != 1 {
		t.Errorf("the oldest was not pushed out: %+v", r)
	}
	if r, _ := seen("user@example.com", testDay.Add(7*time.Hour+routeMemory)); r.Bounces != 2 {
		t.Errorf("within the memory: %+v", r)
	}
	if r, _ := seen("user@example.com", testDay.Add(8*time.Hour+2*routeMemory)); r.Bounces != 1 {
		t.Errorf("after the memory: %+v", r)
	}
}

// otherRouteSite has signed mail of user@example.com on the test day; the clock is three days later.
func otherRouteSite(t *testing.T) *fixture {
	f := start(t, nil)
	f.server.checkWitness(t.Context())
	f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
	f.server.refreshSigning(t.Context())
	f.setClock(testDay.AddDate(0, 0, 3))
	return f
}

// again sends n bounces of mail that was sent in the last hours, each to another recipient.
func (f *fixture) again(n int, handed func(int) string) {
	f.t.Helper()
	for i := range n {
		m := returnedMail{arrival: f.now().Add(-time.Duration(i) * time.Hour), failed: fmt.Sprintf("x@%d.example", i), handed: handed(i)}
		if _, r := f.outsideMTA().deliver("<>", "<user@example.com>", m.String()); r.text != untagged {
			f.t.Fatalf("%c %s", r.code, r.text)
		}
	}
}

func TestAnotherRouteIsTold(t *testing.T) {
	const warning = "this sender seems to send through another route"
	f := otherRouteSite(t)
	told := func() int { return strings.Count(f.log.String(), warning) }
	f.again(40, func(i int) string { return handedBy(fmt.Sprintf("198.18.%d.5", i)) })
	f.again(4, func(int) string { return handedBy("203.0.113.5") })
	if told() != 0 || len(f.server.OtherRoutes()) != 0 {
		t.Fatalf("told of forgeries, or too early:\n%s", f.log)
	}
	f.again(2, func(int) string { return handedBy("203.0.113.77") })
	if told() != 1 {
		t.Fatalf("told %d times:\n%s", told(), f.log)
	}
	since := f.now().Add(-3 * time.Hour).Format(time.RFC3339)
	wantLog(t, f, "level=WARN msg=\""+warning+"\" sender=<user@example.com> source=203.0.113.0/24 count=5 since="+since+" original=<x@shop.example> remedy=")
	if got := f.server.OtherRoutes(); len(got) != 1 || got[0].Sender != "user@example.com" || got[0].Source != "203.0.113.0/24" || got[0].Bounces != 6 {
		t.Errorf("got %+v", got)
	}
	f.setClock(f.now().AddDate(0, 0, 1))
	f.again(2, func(int) string { return handedBy("203.0.113.5") })
	if told() != 2 {
		t.Errorf("told %d times in two days", told())
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(f.server.Collector())
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]float64{}
	for _, family := range families {
		m := family.GetMetric()[0]
		counted[family.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	if counted["bouncefilter_other_route_bounces_total"] != 4 || counted["bouncefilter_other_routes"] != 1 {
		t.Errorf("counted %v", counted)
	}
}

// What the log says helps, literally: the address in quotes, as an entry of exempt.recipients.
func TestTheRemedyForAnotherRouteHelps(t *testing.T) {
	f := otherRouteSite(t)
	f.again(5, func(int) string { return handedBy("203.0.113.5") })
	m := regexp.MustCompile(`remedy="(list .*)"\n`).FindStringSubmatch(f.log.String())
	if m == nil {
		t.Fatalf("no remedy:\n%s", f.log)
	}
	remedy, err := strconv.Unquote(`"` + m[1] + `"`)
	if err != nil {
		t.Fatal(err)
	}
	entry := regexp.MustCompile(`^list "(.*)" in exempt\.recipients to suspend enforcement for that sender, or send its mail through bouncefilter$`).FindStringSubmatch(remedy)
	if entry == nil {
		t.Fatalf("the remedy is %q", remedy)
	}
	f.server.Reload(testPolicy(t, func(s *policy.Settings) { s.Exempt.Recipients = append(s.Exempt.Recipients, entry[1]) }))
	if got := f.server.OtherRoutes(); len(got) != 0 {
		t.Errorf("still told of: %+v", got)
	}
	text := returnedMail{arrival: f.now(), handed: handedBy("203.0.113.5")}.String()
	for _, to := range []string{"<user@example.com>", "<user+shop@example.com>"} {
		if _, r := f.outsideMTA().deliver("<>", to, text); r.code != 'a' {
			t.Errorf("%s: %c %s", to, r.code, r.text)
		}
	}
	wantLog(t, f, "recipient=<user@example.com> reason=exempt action=accept would_be=untagged")
	if n := f.server.stats.domain("example.com").would[policy.Untagged].Load(); n != 2 {
		t.Errorf("counted %d times as would-refuse", n)
	}
	if _, r := f.outsideMTA().deliver("<>", "<other@example.com>", text); r.text != untagged {
		t.Errorf("somebody else: %c %s", r.code, r.text)
	}
}

// A bounce with a valid tag, or on record, is no sighting, whatever it returns, and neither is one to several recipients.
func TestProvenBouncesAreNotCounted(t *testing.T) {
	f := otherRouteSite(t)
	text := returnedMail{arrival: f.now(), handed: handedBy("203.0.113.5")}.String()
	if _, r := f.outsideMTA().deliver("<>", signedUser, text); r.code != 'a' {
		t.Errorf("valid tag: %c %s", r.code, r.text)
	}
	if _, r := f.outsideMTA().deliver("<>", "<user@example.com>", dsnText(sentID)); r.code != 'a' {
		t.Errorf("on record: %c %s", r.code, r.text)
	}
	m := f.outsideMTA()
	m.mail("<>")
	m.rcpt("<user@example.com>")
	m.rcpt("<other@example.com>")
	m.data()
	if r := m.content(text); r.text != untagged {
		t.Errorf("several recipients: %c %s", r.code, r.text)
	}
	if n := f.server.routes.order.Len(); n != 0 {
		t.Errorf("%d routes are known", n)
	}
	if _, r := f.outsideMTA().deliver("<>", "<user@example.com>", text); r.text != untagged {
		t.Errorf("untagged: %c %s", r.code, r.text)
	}
	if n := f.server.routes.order.Len(); n != 1 {
		t.Errorf("%d routes are known after one that counts", n)
	}
}
