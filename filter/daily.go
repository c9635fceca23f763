package filter

import (
	"cmp"
	"context"
	"log/slog"
	"slices"

	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// maxDailyDomains is how many domains have a daily summary of their own: those with the most mail.
const maxDailyDomains = 50

// summaryTopic is the topic of the counter that says that the daily summary of a day was written by a node. It is no topic of figures.
const summaryTopic = "daily-summary"

// logDaily writes the summary of yesterday, once: a counter in the store says that it was, over a restart. A daemon that did not run at
// midnight writes it when it starts. The figures must have been flushed.
func (s *Server) logDaily(ctx context.Context) error {
	day := store.DayOf(s.now()) - 1
	if s.summary.day == day { // a clock that was ahead is followed back
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, counterTimeout)
	defer cancel()
	st := s.store.Store()
	marks, err := st.Counters(ctx, store.ByDay, day.FirstHour(), day.FirstHour())
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(marks, func(c store.Counter) bool { return c.Node == s.node && c.Topic == summaryTopic }) {
		fs, err := figures.Read(ctx, st, store.ByDay, day.Time(), (day + 1).Time())
		if err != nil {
			return err
		}
		days := addUp(slices.DeleteFunc(fs, func(f figures.Figure) bool { return f.Node != s.node }))
		if len(days) > 0 {
			if err := st.Count(ctx, []store.Counter{{Hour: day.FirstHour(), Node: s.node, Topic: summaryTopic, Name: "written", Count: 1}}); err != nil {
				return err
			}
		}
		s.logDays(day, days)
	}
	s.summary.day = day
	return nil
}

// dayOf is what a domain of ours had on a day.
type dayOf struct {
	domain                                                   string
	signed, accepted, refused, would, suspicious, notBounces int64
	sources                                                  map[string]int64 // of what was or would be refused, by network
}

// mail is how much mail it had.
func (d *dayOf) mail() int64 { return d.signed + d.accepted + d.refused + d.would }

// add adds what another domain had.
func (d *dayOf) add(o *dayOf) {
	d.signed, d.accepted, d.refused, d.would = d.signed+o.signed, d.accepted+o.accepted, d.refused+o.refused, d.would+o.would
	d.suspicious, d.notBounces = d.suspicious+o.suspicious, d.notBounces+o.notBounces
	for name, n := range o.sources {
		d.sources[name] += n
	}
}

// topSource returns the source with the most mail that has a name of its own; "" if there is none.
func (d *dayOf) topSource() (top string) {
	for name, n := range d.sources {
		if name != figures.Other && (top == "" || cmp.Or(cmp.Compare(n, d.sources[top]), cmp.Compare(top, name)) > 0) {
			top = name
		}
	}
	return top
}

// addUp adds up the figures of a day by domain. Those with the most mail come first; domains without mail are left out.
func addUp(fs []figures.Figure) []*dayOf {
	sums := map[string]*dayOf{}
	for i := range fs {
		k, n := &fs[i].Key, fs[i].Count
		if k.Domain == "" {
			continue
		}
		d := sums[k.Domain]
		if d == nil {
			d = &dayOf{domain: k.Domain, sources: map[string]int64{}}
			sums[k.Domain] = d
		}
		switch k.Topic {
		case figures.Verdicts:
			d.count(k, n)
		case figures.Suspects:
			if k.Outcome == figures.WouldBe && k.Sign.MayBeGenuine() {
				d.suspicious += n
			}
		case figures.Sources:
			d.sources[k.Name] += n
		}
	}
	days := make([]*dayOf, 0, len(sums))
	for _, d := range sums {
		if d.mail() > 0 {
			days = append(days, d)
		}
	}
	slices.SortFunc(days, func(a, b *dayOf) int {
		return cmp.Or(cmp.Compare(b.mail(), a.mail()), cmp.Compare(a.domain, b.domain))
	})
	return days
}

// count adds verdicts.
func (d *dayOf) count(k *figures.Key, n int64) {
	switch o := k.VerdictOutcome(); {
	case o == figures.Signed:
		d.signed += n
	case o == figures.Accepted:
		d.accepted += n
	case o == figures.WouldBe:
		d.would += n
	case o.Turned():
		d.refused += n
	}
	if noBounce := policy.NoBounce.String(); k.Reason == noBounce || k.Would == noBounce {
		d.notBounces += n
	}
}

// logDays writes the lines.
func (s *Server) logDays(day store.Day, days []*dayOf) {
	p := s.state.Load().policy
	for _, d := range days[:min(len(days), maxDailyDomains)] {
		attrs := []slog.Attr{slog.String("date", day.String()), slog.String("domain", d.domain)}
		if of := p.Domain(d.domain); of != nil {
			attrs = append(attrs, slog.String("mode", of.Mode.String()))
			if first, signing := s.view.FirstSigned(d.domain); signing && of.Mode == policy.ModeAuto {
				attrs = append(attrs, slog.String("enforced_from", p.EnforcesFrom(prvs.Day(first)).String()))
			}
		}
		s.logDay(d, attrs)
	}
	if len(days) <= maxDailyDomains {
		return
	}
	others := dayOf{sources: map[string]int64{}}
	for _, d := range days[maxDailyDomains:] {
		others.add(d)
	}
	s.logDay(&others, []slog.Attr{slog.String("date", day.String()), slog.Int("other_domains", len(days)-maxDailyDomains)})
}

func (s *Server) logDay(d *dayOf, attrs []slog.Attr) {
	attrs = append(attrs, slog.Int64("signed", d.signed), slog.Int64("accepted", d.accepted), slog.Int64("refused", d.refused),
		slog.Int64("would_refuse", d.would), slog.Int64("suspicious", d.suspicious), slog.Int64("no_bounce", d.notBounces))
	if top := d.topSource(); top != "" {
		attrs = append(attrs, slog.String("top_source", top))
	}
	s.log.LogAttrs(context.Background(), slog.LevelInfo, "daily summary", attrs...)
}
