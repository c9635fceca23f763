package filter

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bouncefilter/bouncefilter/filter/internal/filtertest"
	"github.com/bouncefilter/bouncefilter/filter/policy"
)

// otherRouteSite has signed mail of user@example.com on the test day; the clock is three days later.
func otherRouteSite(t *testing.T) *fixture {
	f := start(t, nil)
	f.server.view.RefreshRecord(t.Context())
	f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
	f.server.view.RefreshRecord(t.Context())
	f.setClock(testDay.AddDate(0, 0, 3))
	return f
}

// again sends n bounces of mail that was sent in the last hours, each to another recipient.
func (f *fixture) again(n int, handed func(int) string) {
	f.t.Helper()
	for i := range n {
		m := filtertest.ReturnedMail{Arrival: f.now().Add(-time.Duration(i) * time.Hour), Failed: fmt.Sprintf("x@%d.example", i), Handed: handed(i)}
		if _, r := f.outsideMTA().deliver("<>", "<user@example.com>", m.String()); r.text != untagged {
			f.t.Fatalf("%c %s", r.code, r.text)
		}
	}
}

func TestAnotherRouteIsTold(t *testing.T) {
	const warning = "this sender seems to send through another route"
	f := otherRouteSite(t)
	reported := func() int { return strings.Count(f.log.String(), warning) }
	f.again(40, func(i int) string { return filtertest.HandedBy(fmt.Sprintf("198.18.%d.5", i)) })
	f.again(4, func(int) string { return filtertest.HandedBy("203.0.113.5") })
	if reported() != 0 || len(f.server.OtherRoutes()) != 0 {
		t.Fatalf("forgeries are reported, or a route too early:\n%s", f.log)
	}
	f.again(2, func(int) string { return filtertest.HandedBy("203.0.113.77") })
	if reported() != 1 {
		t.Fatalf("reported %d times:\n%s", reported(), f.log)
	}
	since := f.now().Add(-3 * time.Hour).Format(time.RFC3339)
	wantLog(t, f, "level=WARN msg=\""+warning+"\" sender=<user@example.com> source=203.0.113.0/24 count=5 since="+since+" original=<x@shop.example> remedy=")
	if got := f.server.OtherRoutes(); len(got) != 1 || got[0].Sender != "user@example.com" || got[0].Source != "203.0.113.0/24" || got[0].Bounces != 6 {
		t.Errorf("got %+v", got)
	}
	f.setClock(f.now().AddDate(0, 0, 1))
	f.again(2, func(int) string { return filtertest.HandedBy("203.0.113.5") })
	if reported() != 2 {
		t.Errorf("reported %d times in two days", reported())
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
	f.again(5, func(int) string { return filtertest.HandedBy("203.0.113.5") })
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
		t.Errorf("still reported: %+v", got)
	}
	text := filtertest.ReturnedMail{Arrival: f.now(), Handed: filtertest.HandedBy("203.0.113.5")}.String()
	for _, to := range []string{"<user@example.com>", "<user+shop@example.com>"} {
		if _, r := f.outsideMTA().deliver("<>", to, text); r.code != 'a' {
			t.Errorf("%s: %c %s", to, r.code, r.text)
		}
	}
	wantLog(t, f, "recipient=<user@example.com> reason=exempt action=accept would_be=untagged")
	if n := f.server.stats.would.all()[wouldKey{"example.com", policy.Untagged, policy.Listed}]; n != 2 {
		t.Errorf("counted %d times as would-refuse", n)
	}
	if _, r := f.outsideMTA().deliver("<>", "<other@example.com>", text); r.text != untagged {
		t.Errorf("another recipient: %c %s", r.code, r.text)
	}
}

// A bounce with a valid tag, or on record, is no sighting, whatever it returns, and neither is one to several recipients.
func TestProvenBouncesAreNotCounted(t *testing.T) {
	f := otherRouteSite(t)
	text := filtertest.ReturnedMail{Arrival: f.now(), Handed: filtertest.HandedBy("203.0.113.5")}.String()
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
	if n := f.server.routes.Len(); n != 0 {
		t.Errorf("%d routes are known", n)
	}
	if _, r := f.outsideMTA().deliver("<>", "<user@example.com>", text); r.text != untagged {
		t.Errorf("untagged: %c %s", r.code, r.text)
	}
	if n := f.server.routes.Len(); n != 1 {
		t.Errorf("%d routes are known after one that counts", n)
	}
}
