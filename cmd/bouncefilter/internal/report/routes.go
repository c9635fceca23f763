package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/figures"
)

// When sightings, added up over days, nodes and restarts, make a route. They say less than the table of a daemon does, which knows senders
// and recipients, see package routes; so what a daemon reports is a route, whatever the figures say.
const (
	// routeSightings and routeDays are how many bounces have come through a source for one domain, of mail that was sent on how many days.
	// A run of spam is over in a day, though its bounces come for days.
	routeSightings = 3
	routeDays      = 2
	// routeShare of all that look like that must be of the source, one in so many: where thousands come, some networks send spam on several
	// days in a domain's name by chance.
	routeShare = 500
	// spamSightings bounces of mail of one day, or of mail of spamDomains of our domains, look like a run of spam. They may be those of a
	// large service, too: its source is a route after spamDays days. A host that sends spam is blocked by then.
	spamSightings = 200
	spamDomains   = 10
	spamDays      = 5
)

// way is what the sightings say about a source, for one domain.
type way struct {
	domain, source string
	count          int64
	days           map[string]bool // on which the mail was sent
	last           time.Time       // day on which a bounce came
}

// waysOf returns the ways that are routes, by domain, each with the source that has most bounces first.
func waysOf(evidence []figures.Figure) map[string][]*way {
	type place struct{ domain, source string }
	type run struct{ source, day string }
	type size struct {
		count   int64
		domains map[string]bool
	}
	ways, runs, all := map[place]*way{}, map[run]*size{}, map[string]int64{}
	for i := range evidence {
		f := &evidence[i]
		if f.Topic != figures.Sightings {
			continue
		}
		if all[f.Domain] += f.Count; f.Name == figures.Other {
			continue
		}
		p, of := place{f.Domain, f.Name}, run{f.Name, f.Day}
		w, s := ways[p], runs[of]
		if w == nil {
			w = &way{domain: f.Domain, source: f.Name, days: map[string]bool{}}
			ways[p] = w
		}
		if s == nil {
			s = &size{domains: map[string]bool{}}
			runs[of] = s
		}
		w.count += f.Count
		w.days[f.Day] = true
		w.last = later(w.last, f.Begin)
		s.count += f.Count
		s.domains[f.Domain] = true
	}
	spam := map[string]bool{}
	for of, s := range runs {
		if s.count >= spamSightings || len(s.domains) >= spamDomains {
			spam[of.source] = true
		}
	}
	routes := map[string][]*way{}
	for _, w := range ways {
		days := routeDays
		if spam[w.source] {
			days = spamDays
		}
		if w.count >= max(routeSightings, all[w.domain]/routeShare) && len(w.days) >= days {
			routes[w.domain] = append(routes[w.domain], w)
		}
	}
	for _, of := range routes {
		slices.SortFunc(of, func(a, b *way) int { return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.source, b.source)) })
	}
	return routes
}

// routesOf adds up the other routes, the most frequent first: those of daemons and, of the others, those that the evidence shows.
func routesOf(fs []figures.Figure, ways map[string][]*way) []Route {
	sums, sightings := map[Route]int64{}, map[Route]int64{}
	for i := range fs {
		switch k := &fs[i].Key; k.Topic {
		case figures.Routes:
			sums[Route{Domain: k.Domain, Name: k.Name}] += fs[i].Count
		case figures.Sightings:
			sightings[Route{Domain: k.Domain, Name: k.Name}] += fs[i].Count
		}
	}
	for domain, of := range ways {
		for _, w := range of {
			r := Route{Domain: domain, Name: w.source}
			if n := sightings[r]; n > 0 && sums[r] == 0 {
				sums[r] = n
			}
		}
	}
	routes := make([]Route, 0, len(sums))
	for r, n := range sums {
		r.Count = n
		routes = append(routes, r)
	}
	slices.SortFunc(routes, func(a, b Route) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Name, b.Name))
	})
	return routes
}
