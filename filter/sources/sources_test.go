package sources

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/internal/filtertest"
	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
)

var (
	noBounce  = policy.Verdict{Reason: policy.NoBounce, Action: policy.ActionAccept}
	refused   = policy.Verdict{Reason: policy.NoBounce, Action: policy.ActionReject}
	monitored = policy.Verdict{Reason: policy.NoBounce, Would: policy.NoBounce, Cause: policy.MonitorMode, Action: policy.ActionMonitor}
	allowed   = policy.Verdict{Reason: policy.Grace, Would: policy.Untagged, Cause: policy.Allowance, Action: policy.ActionTag}
	untagged  = policy.Verdict{Reason: policy.Untagged, Action: policy.ActionReject}
	several   = policy.Verdict{Reason: policy.SeveralRecipients, Would: policy.NoBounce, Action: policy.ActionDiscard}
	valid     = policy.Verdict{Reason: policy.Valid, Action: policy.ActionAccept}
)

// message is a judged message of a sender.
func message(from, client string, at time.Time, vs ...policy.Verdict) *judge.Case {
	c := &judge.Case{Message: judge.Message{Now: at}, Report: &bounce.Report{From: from}}
	if client != "" {
		c.Client = netip.MustParseAddr(client)
	}
	for _, v := range vs {
		c.Recipients = append(c.Recipients, judge.Recipient{Verdict: v})
	}
	return c
}

func TestObserve(t *testing.T) {
	day := filtertest.Day()
	one := func(vs ...policy.Verdict) *judge.Case {
		return message("news@mail.shop.example", "203.0.113.5", day, vs...)
	}
	own := one(noBounce)
	own.Own = true
	unread := one(noBounce)
	unread.Report = nil
	for _, tt := range []struct {
		name string
		c    *judge.Case
		want Source // its Count is 1 if it is one
	}{
		{"no bounce", one(noBounce), Source{Sort: "no-bounce", Domain: "shop.example", Client: "203.0.113.0/24", Count: 1}},
		{"no bounce, refused", one(refused), Source{Sort: "no-bounce", Domain: "shop.example", Client: "203.0.113.0/24", Count: 1, Refused: 1}},
		{"no bounce, monitored", one(monitored), Source{Sort: "no-bounce", Domain: "shop.example", Client: "203.0.113.0/24", Count: 1}},
		{"no bounce, to several", one(several, valid), Source{Sort: "no-bounce", Domain: "shop.example", Client: "203.0.113.0/24", Count: 1}},
		{"allowance", one(allowed), Source{Sort: "allowance", Domain: "shop.example", Client: "203.0.113.0/24", Count: 1}},
		{"without a From", message("", "203.0.113.5", day, noBounce), Source{Sort: "no-bounce", Client: "203.0.113.0/24", Count: 1}},
		{"with a From that is no address", message("shop", "203.0.113.5", day, noBounce), Source{Sort: "no-bounce", Client: "203.0.113.0/24", Count: 1}},
		{"with a From for terminals", message("a@\x1b[2Jx.example", "203.0.113.5", day, noBounce), Source{Sort: "no-bounce", Client: "203.0.113.0/24", Count: 1}},
		{"with an international From", message("a@shop.exämple", "2001:db8::1", day, noBounce), Source{Sort: "no-bounce", Domain: "shop.xn--exmple-cua", Client: "2001:db8::/64", Count: 1}},
		{"without a client", message("a@shop.example", "", day, noBounce), Source{Sort: "no-bounce", Domain: "shop.example", Count: 1}},
		{"backscatter", one(untagged), Source{}},
		{"proven", one(valid), Source{}},
		{"mail of our own", own, Source{}},
		{"not read", unread, Source{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			table := New()
			got, report := table.Observe(tt.c)
			if tt.want.Count > 0 {
				tt.want.Since, tt.want.Last = day, day
			}
			if got != tt.want || report != (tt.want.Count == 1) {
				t.Errorf("%+v, report: %v", got, report)
			}
			if listed := table.List(day); len(listed) != int(tt.want.Count) || len(listed) == 1 && listed[0] != tt.want {
				t.Errorf("listed %+v", listed)
			}
		})
	}
}

// However many senders come, so much is held, listed and reported; what comes again is.
func TestSourcesAreBounded(t *testing.T) {
	day := filtertest.Day()
	table := New()
	reports := 0
	observe := func(from string, at time.Time) Source {
		s, report := table.Observe(message(from, "203.0.113.5", at, noBounce))
		if report {
			reports++
		}
		return s
	}
	for range 3 {
		observe("a@shop.example", day)
	}
	for i := range 10 * maxSources {
		observe(fmt.Sprintf("a@x%d.example", i), day)
	}
	if reports != maxReports {
		t.Errorf("%d sources are reported in a day", reports)
	}
	if n := table.known.Len(); n != maxSources {
		t.Errorf("%d sources are held", n)
	}
	if list := table.List(day); len(list) != maxListed || list[0].Domain != "shop.example" {
		t.Errorf("%d sources are listed, the first is %+v", len(list), list[0])
	}
	later := day.AddDate(0, 0, 1)
	reports = 0
	for range 3 {
		observe("a@shop.example", later)
	}
	if s := observe("a@shop.example", later); s.Count != 7 || !s.Since.Equal(day) || !s.Last.Equal(later) || reports != 1 {
		t.Errorf("on the next day %+v, reported %d times", s, reports)
	}
	if list := table.List(day.Add(retention + 48*time.Hour)); len(list) != 0 {
		t.Errorf("after the retention: %+v", list)
	}
}

func TestSourceInWords(t *testing.T) {
	for _, tt := range []struct {
		source Source
		want   string
	}{
		{Source{Sort: "no-bounce", Domain: "shop.example", Client: "203.0.113.0/24"}, "shop.example this source sends mail with the null sender that is no bounce; to have such mail refused, set actions.no-bounce"},
		{Source{Sort: "allowance", Client: "203.0.113.0/24"}, "203.0.113.0/24 this source sends what may be automatic replies or bounces, and nothing proves them; proof.unproven_per_day, unproven"},
		{Source{Sort: "no-bounce"}, "unknown this source sends mail with the null sender that is no bounce; "},
	} {
		name, remedy, _ := strings.Cut(tt.want, "; ")
		if got := tt.source.Name() + " " + tt.source.What(); got != name || !strings.Contains(tt.source.Remedy(), remedy) {
			t.Errorf("%q, %q", got, tt.source.Remedy())
		}
	}
}
