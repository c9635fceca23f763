package filter

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/filter/internal/filtertest"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// figuresOf returns the figures of a topic that the server has written to its store.
func (f *fixture) figuresOf(topic figures.Topic) map[figures.Key]int64 {
	f.t.Helper()
	if err := f.server.FlushFigures(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	fs, err := figures.Read(f.t.Context(), f.store, store.ByDay, testDay.AddDate(0, 0, -30), testDay.AddDate(0, 0, 30))
	if err != nil {
		f.t.Fatal(err)
	}
	sums := map[figures.Key]int64{}
	for _, x := range fs {
		if x.Topic == topic {
			sums[x.Key] += x.Count
		}
	}
	return sums
}

// What a bounce says about recipients of own mail is counted and logged, if it is known to be genuine.
func TestFailuresOfOwnMail(t *testing.T) {
	f := withRecord(t, nil)
	f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
	if _, r := f.outsideMTA().deliver("<>", "<user@example.com>", dsnText(sentID)); r.code != 'a' {
		t.Fatalf("%c %s", r.code, r.text)
	}
	if _, r := f.outsideMTA().deliver("<>", "<user@example.com>", dsnText("another@mail.example.com")); r.text != untagged {
		t.Fatalf("%c %s", r.code, r.text)
	}
	want := map[figures.Key]int64{{Topic: figures.Failures, Domain: "example.com", Name: "example.org", Status: "5.1.1"}: 1}
	if got := f.figuresOf(figures.Failures); !maps.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	wantLog(t, f, `reason=valid-message`, ` domain=example.com failures="example.org 5.1.1 1" `)
	if n := strings.Count(f.log.String(), "failures="); n != 1 {
		t.Errorf("%d lines with failures:\n%s", n, f.log)
	}
}

func TestFailuresOfAReport(t *testing.T) {
	rcpt := func(address, action, status string) bounce.Recipient {
		return bounce.Recipient{Address: address, Action: action, Status: status}
	}
	many := []bounce.Recipient{}
	for i := range figures.MaxFailures + 5 {
		many = append(many, rcpt(fmt.Sprintf("a@%d.example", i), "failed", "5.1.1"))
	}
	for _, tt := range []struct {
		name string
		r    bounce.Report
		want string
	}{
		{"nothing", bounce.Report{}, ""},
		{"two at one domain", bounce.Report{Recipients: []bounce.Recipient{rcpt("a@Example.NET", "failed", "5.1.1"), rcpt("b@example.net", "failed", "5.1.1")}}, "example.net 5.1.1 2"},
		{"delayed", bounce.Report{Recipients: []bounce.Recipient{rcpt("a@b.example", "delayed", "4.4.1")}}, "b.example 4.4.1 1"},
		{"delivered", bounce.Report{Recipients: []bounce.Recipient{rcpt("a@b.example", "delivered", "2.0.0"), rcpt("a@b.example", "relayed", ""), rcpt("a@b.example", "", "2.0.0")}}, ""},
		{"a code alone", bounce.Report{Recipients: []bounce.Recipient{{Address: "a@b.example", Code: 550}, {Address: "c@b.example", Code: 421}}}, "b.example 5 1,b.example 4 1"},
		{"nothing about why", bounce.Report{Recipients: []bounce.Recipient{rcpt("a@b.example", "failed", "")}}, "b.example - 1"},
		{"a status that is none", bounce.Report{Recipients: []bounce.Recipient{rcpt("a@b.example", "failed", "5.1.x")}}, "b.example 5 1"},
		{"a more exact status", bounce.Report{Recipients: []bounce.Recipient{{Address: "a@b.example", Action: "failed", Status: "5.0.0", Exact: "5.2.2"}}}, "b.example 5.2.2 1"},
		{"because of the tag", bounce.Report{Recipients: []bounce.Recipient{{Address: "a@b.example", Action: "failed", Status: "5.7.1", BlamesTag: true}, rcpt("c@b.example", "failed", "5.7.1")}}, "b.example 5.7.1 1 tag,b.example 5.7.1 1"},
		{"neither an action nor a status", bounce.Report{Recipients: []bounce.Recipient{rcpt("a@b.example", "", "")}}, "b.example - 1"},
		{"a read receipt", bounce.Report{Kind: bounce.MDN, Recipients: []bounce.Recipient{rcpt("a@b.example", "", "")}}, ""},
		{"held because of the tag", bounce.Report{Kind: bounce.AutoReply, HeldBy: "list-request@lists.example"}, "lists.example - 1 tag"},
		{"no domain", bounce.Report{Recipients: []bounce.Recipient{rcpt("*****@*****", "failed", "5.1.1"), rcpt("", "failed", "5.1.1")}}, "other 5.1.1 2"},
		{"a domain for terminals", bounce.Report{Recipients: []bounce.Recipient{rcpt("a@\x1b[2J.example", "failed", "5.1.1")}}, "other 5.1.1 1"},
		{"an international domain", bounce.Report{Recipients: []bounce.Recipient{rcpt("a@exämple.net", "failed", "5.1.1")}}, "xn--exmple-cua.net 5.1.1 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.r.Kind == "" {
				tt.r.Kind = bounce.DSN
			}
			got := failuresOf(&tt.r)
			if text := figures.FormatFailures(got); text != tt.want {
				t.Errorf("%q, want %q", text, tt.want)
			}
			if again, err := figures.ParseFailures(figures.FormatFailures(got)); err != nil || !slices.Equal(again, got) {
				t.Errorf("read again as %+v, %v", again, err)
			}
		})
	}
	if got := failuresOf(&bounce.Report{Kind: bounce.DSN, Recipients: many}); len(got) != figures.MaxFailures {
		t.Errorf("%d failures", len(got))
	}
	if failuresOf(nil) != nil {
		t.Error("failures of a bounce that was not read")
	}
}

func TestDestinationsOfSignedMail(t *testing.T) {
	f := start(t, nil)
	m := f.dial()
	m.auth = "user"
	m.connect(outsider, 40123)
	m.message("<user@example.com>", "<a@example.org>", "<b@Example.ORG>")
	m.message("<user@example.com>", "<a@example.org>", "<b@example.net>", "<c@exämple.net>")
	many := []string{}
	for i := range figures.MaxDestinations + 5 {
		many = append(many, fmt.Sprintf("<a@%d.example>", i))
	}
	m.message("<user@example.com>", many...)
	log := f.log.String()
	if n := strings.Count(log, "destinations="); n != 2 {
		t.Errorf("%d lines have destinations:\n%s", n, log)
	}
	wantLog(t, f, ` destinations=example.org,example.net,xn--exmple-cua.net duration`, `,19.example duration`)
	sent := f.figuresOf(figures.Sent)
	key := func(name string) figures.Key {
		return figures.Key{Topic: figures.Sent, Domain: "example.com", Name: name}
	}
	if sent[key("example.org")] != 2 || sent[key("example.net")] != 1 {
		t.Errorf("%+v", sent)
	}
	sum := int64(0)
	for _, n := range sent {
		sum += n
	}
	if sum != 1+3+figures.MaxDestinations {
		t.Errorf("%d destinations are counted", sum)
	}
}

func TestSigns(t *testing.T) {
	week := testDay.AddDate(0, 0, 8)
	monitored := func(s *policy.Settings) { s.Domains[0].Mode = policy.ModeMonitor }
	plain := filtertest.ReturnedMail{Arrival: week.Add(-time.Hour)}
	from := func(handed string) string { m := plain; m.Handed = handed; return m.String() }
	const receipt = "From: shop@shop.example\nSubject: Your order\n\nThank you.\n"
	for _, tt := range []struct {
		name   string
		change func(*policy.Settings)
		sends  bool // the recipient has sent something in the last lifetime
		text   string
		want   figures.Sign
	}{
		{"nothing speaks for it", nil, true, plain.String(), figures.NoSign},
		{"no bounce", func(s *policy.Settings) {
			s.Actions = map[policy.Reason]policy.Action{policy.NoBounce: policy.ActionReject}
		}, true, receipt, figures.NoBounce},
		{"no bounce goes before its recipient", func(s *policy.Settings) {
			monitored(s)
			s.Actions = map[policy.Reason]policy.Action{policy.NoBounce: policy.ActionReject}
		}, false, receipt, figures.NoBounce},
		{"a host of ours by the name that a server found", nil, true, from("from x (mail.example.com [203.0.113.5]) by mx.victim.example (Postfix)"), figures.OwnHost},
		{"a host of ours by its address", func(s *policy.Settings) {
			s.Outbound.Networks = append(s.Outbound.Networks, mustPrefix("198.51.100.0/24"))
		}, true, from("from x (unknown [198.51.100.5]) by mx.victim.example (Postfix)"), figures.OwnHost},
		{"a host that says it were ours", nil, true, from("from mail.example.com (unknown [203.0.113.5]) by mx.victim.example (Postfix)"), figures.NoSign},
		{"a name that may be forged", nil, true, from("from mail.example.com (mail.example.com [203.0.113.5] (may be forged)) by mx.victim.example (8.18)"), figures.NoSign},
		{"a host of ours, to a recipient who is exempt", func(s *policy.Settings) { s.Exempt.Recipients = []string{"user@example.com"} }, true,
			from("from x (mail.example.com [203.0.113.5]) by mx.victim.example (Postfix)"), figures.NoSign},
		{"it never sends", monitored, false, plain.String(), figures.NeverSends},
		{"it sends", monitored, true, plain.String(), figures.NoSign},
		{"a host of ours goes before it", monitored, false, from("from x (mail.example.com [203.0.113.5]) by mx.victim.example (Postfix)"), figures.OwnHost},
		{"it never sends, and nothing is asked for a refusal", nil, false, plain.String(), figures.NoSign},
		{"the domain is new", func(s *policy.Settings) { s.Domains[0].Mode = policy.ModeAuto }, false, plain.String(), figures.NeverSends},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := withRecord(t, tt.change)
			f.sendMail("<other@example.com>", "<friend@example.org>", sentText)
			f.server.view.RefreshRecord(t.Context())
			f.setClock(week)
			if tt.name == "the domain is new" {
				f.setClock(testDay.AddDate(0, 0, 7)) // the last day on which it is
			}
			if tt.sends {
				f.sendMailNow("<user@example.com>", "<friend@example.org>", sentText)
			}
			f.outsideMTA().deliver("<>", "<user@example.com>", tt.text)
			log := f.log.String()
			if has := strings.Contains(log, " sign="); tt.want == figures.NoSign && has || tt.want != figures.NoSign && !strings.Contains(log, " sign="+string(tt.want)+" ") {
				t.Errorf("want %q:\n%s", tt.want, log)
			}
			if host := map[bool]string{true: "198.51.100.5", false: "mail.example.com"}[strings.HasSuffix(tt.name, "by its address")]; strings.Contains(log, " own_host="+host+" ") != (tt.want == figures.OwnHost) {
				t.Errorf("own_host:\n%s", log)
			}
			signs := f.figuresOf(figures.Signs)
			if n := len(f.server.stats.mayBeGenuine.all()); n == 1 != tt.want.MayBeGenuine() {
				t.Errorf("%d counts of bounces that may be genuine", n)
			}
			for k, n := range signs {
				if k.Sign != tt.want || n != 1 || k.Domain != "example.com" {
					t.Errorf("%+v: %d", k, n)
				}
			}
			if exempt := strings.HasSuffix(tt.name, "who is exempt"); len(signs) != map[bool]int{false: 1}[exempt] { // no mode refuses what is exempt
				t.Errorf("%+v", signs)
			}
		})
	}
}

// A source is one that repeats from its third bounce on, and another route is named where it is reached.
func TestSignOfASourceThatRepeats(t *testing.T) {
	f := otherRouteSite(t)
	f.again(5, func(int) string { return filtertest.HandedBy("203.0.113.5") })
	got := f.figuresOf(figures.Signs)
	key := func(sign figures.Sign) figures.Key {
		return figures.Key{Topic: figures.Signs, Domain: "example.com", Outcome: figures.Refused, Sign: sign}
	}
	if got[key(figures.NoSign)] != 2 || got[key(figures.Repeats)] != 3 {
		t.Errorf("%+v", got)
	}
	want := map[figures.Key]int64{{Topic: figures.Routes, Domain: "example.com", Name: "203.0.113.0/24"}: 1}
	if got := f.figuresOf(figures.Routes); !maps.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	day := func(hoursAgo int) string {
		return f.now().Add(-time.Duration(hoursAgo) * time.Hour).Format(time.DateOnly)
	}
	want = map[figures.Key]int64{}
	for i := range 5 {
		want[figures.Key{Topic: figures.Sightings, Domain: "example.com", Name: "203.0.113.0/24", Day: day(i)}]++
	}
	if got := f.figuresOf(figures.Sightings); !maps.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if n := strings.Count(f.log.String(), " left_through=203.0.113.0/24 left_on="); n != 5 {
		t.Errorf("%d lines say through what the mail left", n)
	}
	wantLog(t, f, "sign=repeats left_through=203.0.113.0/24 left_on="+day(4)+" other_route=203.0.113.0/24 ")
}

// What the log has at level info is counted, and nothing else: a report of the log has the figures of the store.
func TestTheLogHasWhatIsCounted(t *testing.T) {
	f := withRecord(t, func(s *policy.Settings) { s.WrongTagsPerDay = 2 })
	f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
	f.sendMail("<user@example.net>", "<friend@example.org>", sentText) // a foreign domain
	for i := range 9 {
		f.outsideMTA().deliver("<>", fmt.Sprintf("<prvs=1787%06x=user@example.com>", i), namelessBounce)
	}
	f.outsideMTA().deliver("<>", "<user@example.com>", namelessBounce)
	f.outsideMTA().deliver("<>", "<nobody@example.net>", namelessBounce)
	lines := int64(0)
	for line := range strings.Lines(f.log.String()) {
		if strings.Contains(line, "level=INFO") && strings.Contains(line, " reason=") {
			lines++
		}
	}
	sum := int64(0)
	for _, n := range f.figuresOf(figures.Verdicts) {
		sum += n
	}
	if sum != lines || lines < 4 {
		t.Errorf("%d verdicts are counted, %d are in the log:\n%s", sum, lines, f.log)
	}
}

func TestNotesOfRefusals(t *testing.T) {
	f := startWith(t, memory.NewWithClock(func() time.Time { return testDay }), nil, func(o *Options) { o.Notes = 10 })
	f.server.view.RefreshRecord(t.Context())
	f.outsideMTA().deliver("<>", "<user@example.com>", namelessBounce)
	if err := f.server.FlushFigures(t.Context()); err != nil {
		t.Fatal(err)
	}
	ns, err := figures.Notes(t.Context(), f.store, f.server.hasher)
	if err != nil || len(ns) != 1 || ns[0].QueueID != "4ZQUEUEID" || ns[0].Node != "test" || ns[0].Recipient != "u...@example.com" || ns[0].Outcome != figures.Refused && ns[0].Outcome != figures.WouldBe {
		t.Errorf("%+v, %v", ns, err)
	}
}
