package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/filter/policy"
)

// Of destinations that have become worse.
const (
	minMoved   = 5    // failures; fewer are chance
	lessBefore = 10   // if so many times less mail was sent before, nothing is known of that time
	movedTimes = 2.0  // the share is so many times that before
	movedBy    = 0.05 // and so much more
)

// Of destinations whose failures began with signing.
const (
	minBegan   = 5   // failures; fewer are chance
	beganShare = 0.5 // so much of the mail fails
	knownDays  = 3   // days with figures of the domain before it signed; with fewer, nothing is known of the time before
)

// failures says why own mail came back, by the figures of the time of the report and of as long a time before.
func (in *Input) failures(now, before []figures.Figure) Failures {
	f := Failures{Statuses: []Status{}, Destinations: []Destination{}, Movers: []Destination{}}
	statuses, destinations := map[string]*Status{}, map[string]*destination{}
	of := func(name string) *destination {
		if destinations[name] == nil {
			destinations[name] = &destination{Destination{Name: name}, map[string]*Status{}}
		}
		return destinations[name]
	}
	var sent, sentBefore int64
	for i := range now {
		switch k, n := &now[i].Key, now[i].Count; k.Topic {
		case figures.Sent:
			of(k.Name).Sent += n
			sent += n
		case figures.Failures:
			f.Count += n
			of(k.Name).Failed += n
			statusOf(of(k.Name).statuses, k.Status).Count += n
			statusOf(statuses, k.Status).Count += n
		}
	}
	for i := range before {
		switch k, n := &before[i].Key, before[i].Count; k.Topic {
		case figures.Sent:
			of(k.Name).SentBefore += n
			sentBefore += n
		case figures.Failures:
			of(k.Name).FailedBefore += n
			statusOf(of(k.Name).statuses, k.Status).Before += n
			statusOf(statuses, k.Status).Before += n
		}
	}
	f.Statuses = sortedStatuses(statuses)
	comparable := len(before) > 0 && lessBefore*sentBefore >= sent
	for _, d := range destinations {
		d.Share, d.ShareBefore = share(d.Failed, d.Sent), share(d.FailedBefore, d.SentBefore)
		d.Statuses = sortedStatuses(d.statuses)
		if d.Failed > 0 {
			f.Destinations = append(f.Destinations, d.Destination)
		}
		if comparable && moved(&d.Destination) {
			f.Movers = append(f.Movers, d.Destination)
		}
	}
	slices.SortFunc(f.Destinations, func(a, b Destination) int {
		return cmp.Or(cmp.Compare(b.Failed, a.Failed), cmp.Compare(a.Name, b.Name))
	})
	slices.SortFunc(f.Movers, func(a, b Destination) int {
		return cmp.Or(cmp.Compare(b.Share-b.ShareBefore, a.Share-a.ShareBefore), cmp.Compare(b.Failed, a.Failed), cmp.Compare(a.Name, b.Name))
	})
	f.BecauseOfTag = in.becauseOfTag(now)
	return f
}

type destination struct {
	Destination
	statuses map[string]*Status
}

func statusOf(statuses map[string]*Status, status string) *Status {
	if statuses[status] == nil {
		statuses[status] = &Status{Status: status, Meaning: meaning(status)}
	}
	return statuses[status]
}

// sortedStatuses returns those of now, the most frequent first.
func sortedStatuses(statuses map[string]*Status) []Status {
	list := []Status{}
	for _, s := range statuses {
		if s.Count > 0 {
			list = append(list, *s)
		}
	}
	slices.SortFunc(list, func(a, b Status) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Status, b.Status)) })
	return list
}

// share returns how much of what was sent has failed, 1 at most: a message has several recipients, and what was sent may be counted as
// that of [figures.Other].
func share(failed, sent int64) float64 {
	if failed == 0 {
		return 0
	}
	return min(1, float64(failed)/float64(max(sent, 1)))
}

// moved says whether a destination has become worse, by more than chance.
func moved(d *Destination) bool {
	return d.Name != figures.Other && d.Failed >= minMoved && d.Failed > d.FailedBefore &&
		d.Share >= movedTimes*d.ShareBefore && d.Share >= d.ShareBefore+movedBy
}

// becauseOfTag returns the destinations that refuse or hold mail because of the tag: those that say so, and those whose failures began
// when the domain began to sign.
func (in *Input) becauseOfTag(now []figures.Figure) []TagTrouble {
	type pair struct{ domain, name string }
	said, last := map[pair]*TagTrouble{}, []TagTrouble{}
	for i := range now {
		f := &now[i]
		if f.Topic != figures.Failures || f.Sign != figures.BecauseOfTag || f.Name == figures.Other {
			continue
		}
		p := pair{f.Domain, f.Name}
		if said[p] == nil {
			said[p] = &TagTrouble{Destination: f.Name, Domain: f.Domain, Evidence: "text", Since: f.Begin.Format(time.DateOnly)}
		}
		said[p].Count += f.Count
		said[p].Since = min(said[p].Since, f.Begin.Format(time.DateOnly))
	}
	for _, t := range in.beganWithSigning() {
		if p := (pair{t.Domain, t.Destination}); said[p] == nil {
			said[p] = &t
		}
	}
	for _, t := range said {
		if t.Known = known(t.Destination); t.Known {
			t.Config = []string{"[do_not_tag]", "known = true"}
		} else {
			t.Config = []string{"[[skip]]", "senders = [" + mta.Quoted("@"+senders(t.Domain)) + "]", "recipients = [" + mta.Quoted("@"+t.Destination) + "]"}
		}
		last = append(last, *t)
	}
	slices.SortFunc(last, func(a, b TagTrouble) int {
		return cmp.Or(cmp.Compare(b.Evidence, a.Evidence), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Domain, b.Domain))
	})
	return last
}

// known says whether a destination is one of [policy.KnownDestinations].
func known(destination string) bool {
	return slices.ContainsFunc(policy.KnownDestinations(), func(d policy.KnownDestination) bool { return d.Has(destination) })
}

// senders writes a domain as lists of senders do: "*.example.edu" is ".example.edu" there.
func senders(domain string) string { return strings.TrimPrefix(domain, "*") }

// beganWithSigning returns destinations at which mail of a domain fails, for reasons of policy or for none that is known, since the domain
// signs, and did not before.
func (in *Input) beganWithSigning() (ts []TagTrouble) {
	if in.Status == nil {
		return nil
	}
	ofDomain := byDomain(in.Days)
	for i := range in.Status.Domains {
		d := &in.Status.Domains[i]
		since, err := time.Parse(time.DateOnly, d.SigningSince)
		if err != nil {
			continue
		}
		days, failed, sent, early := map[time.Time]bool{}, map[string]*TagTrouble{}, tally{}, map[string]bool{}
		for _, f := range ofDomain[d.Name] {
			switch {
			case f.Begin.Before(since):
				days[f.Begin] = true
				early[f.Name] = early[f.Name] || f.Topic == figures.Failures
			case f.Topic == figures.Sent:
				sent[f.Name] += f.Count
			case f.Topic == figures.Failures && mayBePolicy(f.Status) && f.Name != figures.Other:
				day := f.Begin.Format(time.DateOnly)
				t := failed[f.Name]
				if t == nil {
					t = &TagTrouble{Destination: f.Name, Domain: d.Name, Evidence: "began", Since: day}
					failed[f.Name] = t
				}
				t.Count, t.Since = t.Count+f.Count, min(t.Since, day)
			}
		}
		for name, t := range failed {
			if len(days) >= knownDays && !early[name] && t.Count >= minBegan && share(t.Count, sent[name]) >= beganShare {
				ts = append(ts, *t)
			}
		}
	}
	return ts
}

// mayBePolicy says whether a status may be that of a destination which does not accept the sender: one about the sender's address or about
// policy (RFC 3463 sections 3.2 and 3.8), or one that says nothing.
func mayBePolicy(status string) bool {
	_, detail, found := strings.Cut(status, ".")
	return !found || strings.HasPrefix(detail, "7.") || detail == "1.7" || detail == "1.8" || detail == "0.0"
}
