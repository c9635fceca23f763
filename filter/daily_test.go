package filter

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

// days are the daily summaries in a log, without their times.
func (f *fixture) days() []string {
	return regexp.MustCompile(`msg="daily summary" (.*)`).FindAllString(f.log.String(), -1)
}

// midnight sets the clock behind the midnight after the test day, and does a round of the background work.
func (f *fixture) midnight() {
	f.setClock(testDay.Truncate(24*time.Hour).AddDate(0, 0, 1).Add(time.Second))
	f.server.record(f.t.Context())
}

func bounceObservation(domain, action, cause string, sign figures.Sign, client string) *figures.Observation {
	return &figures.Observation{At: testDay, Message: "bounce", Domain: domain, Reason: "untagged", Action: action, Cause: cause, Sign: sign, Client: netip.MustParseAddr(client)}
}

func TestDailySummary(t *testing.T) {
	st := memory.NewWithClock(func() time.Time { return testDay })
	domains := func(s *policy.Settings) {
		s.Domains = []policy.Domain{{Name: "example.com", Mode: policy.ModeAuto}, {Name: "example.net", Mode: policy.ModeEnforce}, {Name: "quiet.example"}}
	}
	f := startWith(t, st, domains, nil)
	f.sendMail("<user@example.com>", "<friend@example.org>", sentText)
	f.server.view.RefreshRecord(t.Context())
	r := f.server.figures
	r.Observe(bounceObservation("example.com", "monitor", "new-domain", figures.OwnHost, "203.0.113.7"))
	for range 2 {
		r.Observe(bounceObservation("example.com", "monitor", "new-domain", figures.NoSign, "198.51.100.7"))
	}
	r.Observe(&figures.Observation{At: testDay, Message: "bounce", Domain: "example.com", Reason: "no-bounce", Action: "accept"})
	r.Observe(bounceObservation("example.net", "reject", "", figures.Repeats, "203.0.113.7"))
	r.Observe(bounceObservation("example.net", "defer", "silent-node", figures.NoSign, "203.0.113.7"))
	f.server.record(t.Context())
	if len(f.days()) != 0 {
		t.Fatalf("before midnight: %q", f.days())
	}
	f.midnight()
	f.midnight()
	want := []string{
		`msg="daily summary" date=2026-11-23 domain=example.com mode=auto enforced_from=2026-12-01 signed=1 accepted=1 refused=0 would_refuse=3 suspicious=1 no_bounce=1 top_source=198.51.100.0/24`,
		`msg="daily summary" date=2026-11-23 domain=example.net mode=enforce signed=0 accepted=0 refused=2 would_refuse=0 suspicious=0 no_bounce=0 top_source=203.0.113.0/24`,
	}
	if got := f.days(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}

	// A daemon that is started later has nothing to add, and one that did not run at midnight writes its own.
	again := startWith(t, st, domains, nil)
	again.midnight()
	if got := again.days(); len(got) != 0 {
		t.Errorf("after a restart: %q", got)
	}
	other := startWith(t, st, domains, func(o *Options) { o.Node = "other" })
	other.midnight()
	if got := other.days(); len(got) != 0 {
		t.Errorf("of a node without mail: %q", got)
	}
}

func TestDailySummaryAfterARestart(t *testing.T) {
	st := memory.NewWithClock(func() time.Time { return testDay })
	before := startWith(t, st, nil, nil)
	before.server.figures.Observe(bounceObservation("example.com", "reject", "", figures.NoSign, "203.0.113.7"))
	before.server.record(t.Context())
	f := startWith(t, st, nil, nil)
	f.midnight()
	if got := f.days(); len(got) != 1 || !strings.Contains(got[0], "domain=example.com mode=enforce signed=0 accepted=0 refused=1 ") {
		t.Errorf("%q", got)
	}
}

// The domains with the most mail have a line, the others one together.
func TestDailySummaryIsBounded(t *testing.T) {
	for domains, lines := range map[int]int{maxDailyDomains: maxDailyDomains, maxDailyDomains + 1: maxDailyDomains + 1, maxDailyDomains + 3: maxDailyDomains + 1} {
		f := start(t, nil)
		for i := range domains {
			for range i + 1 {
				f.server.figures.Observe(bounceObservation(fmt.Sprintf("%d.example", i), "reject", "", figures.NoSign, "203.0.113.7"))
			}
		}
		f.midnight()
		got := f.days()
		if len(got) != lines || !strings.Contains(got[0], fmt.Sprintf(" domain=%d.example ", domains-1)) {
			t.Fatalf("of %d domains: %d lines, the first is %s", domains, len(got), got[0])
		}
		if want := " other_domains=3 signed=0 accepted=0 refused=6 "; domains == maxDailyDomains+3 && !strings.Contains(got[lines-1], want) {
			t.Errorf("the last line is %s", got[lines-1])
		}
	}
}

// Figures that are lost are logged, once in each round.
func TestFiguresThatAreLost(t *testing.T) {
	st := &storetest.Fake{Err: store.ErrUnavailable}
	f := startWith(t, st, nil, nil)
	for i := range figures.MaxPending + 1 {
		f.server.figures.Observe(&figures.Observation{At: testDay, Message: "outbound", Domain: fmt.Sprintf("%d.example", i), Reason: "signed", Action: "sign"})
	}
	f.server.record(t.Context())
	f.server.record(t.Context())
	const line = `level=WARN msg="figures for reports are lost: too many wait for the store" lost=1 limit=65536`
	if n := strings.Count(f.log.String(), line); n != 1 {
		t.Errorf("%d lines:\n%s", n, f.log)
	}
	f.server.figures.Observe(&figures.Observation{At: testDay, Message: "outbound", Domain: "more.example", Reason: "signed", Action: "sign"})
	f.server.record(t.Context())
	if n := strings.Count(f.log.String(), line); n != 2 {
		t.Errorf("%d lines of two losses", n)
	}
}

// A store that does not answer at midnight answers later.
func TestDailySummaryOfAStoreThatFails(t *testing.T) {
	st := &storetest.Fake{Err: store.ErrUnavailable}
	f := startWith(t, st, nil, nil)
	f.server.figures.Observe(bounceObservation("example.com", "reject", "", figures.NoSign, "203.0.113.7"))
	f.midnight()
	if f.server.summary.day != 0 || len(f.days()) != 0 {
		t.Errorf("the day %v, %q", f.server.summary.day, f.days())
	}
}

// After a clock that was far ahead, as at the start of a host, there are summaries again.
func TestDailySummaryAfterAWrongClock(t *testing.T) {
	st := memory.NewWithClock(func() time.Time { return testDay })
	f := startWith(t, st, nil, nil)
	f.server.figures.Observe(bounceObservation("example.com", "reject", "", figures.NoSign, "203.0.113.7"))
	f.setClock(testDay.AddDate(70, 0, 0))
	f.server.record(t.Context())
	f.midnight()
	if got := f.days(); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

// What the store does not take before the end is gone, and the log says so.
func TestFiguresThatAreLostAtTheEnd(t *testing.T) {
	for _, lost := range []bool{false, true} {
		st := &storetest.Fake{Err: store.ErrUnavailable}
		f := startWith(t, st, nil, nil)
		if lost {
			f.server.figures.Observe(bounceObservation("example.com", "reject", "", figures.NoSign, "203.0.113.7"))
		}
		_ = f.server.Shutdown(t.Context())
		if got := strings.Contains(f.log.String(), `level=WARN msg="figures for reports since the last minute or longer are lost`); got != lost {
			t.Errorf("lost %t:\n%s", lost, f.log)
		}
	}
}
