package report

import (
	"time"

	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/filter/policy"
)

// seen is what the evidence says about a domain.
type seen struct {
	signed, valid, turned             int64
	refused                           int64 // of turned, what was not spared
	unsigned, foreignTags, missingKey int64
	unjudged                          int64 // of turned, what the record might have proven, had it been there
	signs                             Groups
	routes                            tally

	// The days of the last message of each sort.
	last                             map[figures.Sign]time.Time
	lastUnsigned, lastRoute, lastTag time.Time
	lastUnjudged                     time.Time
	lastRefused, lastSpared          time.Time // for good, and because of the mode
}

// byDomain sorts figures, so that each domain of very many looks at its own alone.
func byDomain(fs []figures.Figure) map[string][]*figures.Figure {
	of := map[string][]*figures.Figure{}
	for i := range fs {
		if name := fs[i].Domain; name != "" {
			of[name] = append(of[name], &fs[i])
		}
	}
	return of
}

func (j *judgement) seenOf(name string) *seen {
	s := &seen{last: map[figures.Sign]time.Time{}, routes: tally{}}
	for _, f := range j.evidence[name] {
		k, n := &f.Key, f.Count
		switch k.Topic {
		case figures.Routes:
			s.routes[k.Name] += n
			s.lastRoute = later(s.lastRoute, f.Begin)
		case figures.Suspects:
			s.signs.add(k.Sign, n)
			s.last[k.Sign] = later(s.last[k.Sign], f.Begin)
		case figures.Verdicts:
			s.verdict(k, n, f.Begin)
		}
	}
	return s
}

func (s *seen) verdict(k *figures.Key, n int64, at time.Time) {
	switch o := k.VerdictOutcome(); {
	case o == figures.Signed:
		s.signed += n
	case o.Turned():
		s.turned += n
		if o != figures.WouldBe {
			s.refused += n
		}
		if o == figures.Refused || o == figures.Discarded {
			s.lastRefused = later(s.lastRefused, at)
		} else if k.Action == policy.ActionMonitor.String() {
			s.lastSpared = later(s.lastSpared, at)
		}
	}
	switch {
	case k.Reason == policy.Valid.String():
		s.valid += n
	case k.Reason == policy.VerifyOnly.String():
		s.unsigned += n
		s.lastUnsigned = later(s.lastUnsigned, at)
	case wouldBe(k) == policy.NotIssued.String():
		s.foreignTags += n
		s.lastTag = later(s.lastTag, at)
	}
	switch k.Cause {
	case policy.MissingKey.String():
		s.missingKey += n
	case policy.IncompleteRecord.String(), policy.StoreUnavailable.String():
		s.unjudged += n
		s.lastUnjudged = later(s.lastUnjudged, at)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
