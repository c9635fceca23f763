package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/store"
)

// count returns the count of an outcome; nil for one that is unknown here.
func (c *Counts) count(o figures.Outcome) *int64 {
	switch o {
	case figures.Signed:
		return &c.Signed
	case figures.Accepted:
		return &c.Accepted
	case figures.WouldBe:
		return &c.WouldBe
	case figures.Refused:
		return &c.Refused
	case figures.Deferred:
		return &c.Deferred
	case figures.Discarded:
		return &c.Discarded
	case figures.Ordinary:
		return &c.Ordinary
	}
	return nil
}

func (c *Counts) add(o figures.Outcome, n int64) {
	if p := c.count(o); p != nil {
		*p += n
	}
}

// TurnedAway is how much was refused, deferred or discarded.
func (c *Counts) TurnedAway() int64 { return c.Refused + c.Deferred + c.Discarded }

// Turned is how much was or would be refused, deferred or discarded.
func (c *Counts) Turned() int64 { return c.WouldBe + c.TurnedAway() }

// wouldBe returns the reason for which what was spared would have been refused.
func wouldBe(k *figures.Key) string { return cmp.Or(k.Would, k.Reason) }

// count returns the count of a sign; that of no sign for one that is unknown here.
func (g *Groups) count(s figures.Sign) *int64 {
	switch s {
	case figures.OwnHost:
		return &g.OwnHost
	case figures.Repeats:
		return &g.Repeats
	case figures.NeverSends:
		return &g.NeverSends
	case figures.NoBounce:
		return &g.NoBounce
	}
	return &g.NoSign
}

func (g *Groups) add(s figures.Sign, n int64) {
	*g.count(s) += n
	if s.MayBeGenuine() {
		g.MayBeGenuine += n
	}
}

// totals adds up.
func totals(fs []figures.Figure) Totals {
	var t Totals
	accepted, refused, would, spared, unsigned := tally{}, tally{}, tally{}, tally{}, tally{}
	for i := range fs {
		k, n := &fs[i].Key, fs[i].Count
		switch k.Topic {
		case figures.Signs:
			if k.Outcome == figures.WouldBe {
				t.Would.add(k.Sign, n)
			} else {
				t.Turned.add(k.Sign, n)
			}
		case figures.Verdicts:
			reason, err := policy.ParseReason(k.Reason)
			switch {
			case err == nil && reason == policy.Untag:
				t.InboundUntagged += n
				continue
			case err == nil && reason == policy.InvalidTag && k.VerdictOutcome() != figures.WouldBe:
				t.InboundRefused += n
				continue
			}
			o := k.VerdictOutcome()
			t.add(o, n)
			switch o {
			case figures.Accepted:
				accepted[k.Reason] += n
			case figures.WouldBe:
				would[wouldBe(k)] += n
				spared[k.Cause] += n
			case figures.Refused, figures.Deferred, figures.Discarded:
				refused[k.Reason] += n
			case figures.Ordinary:
				unsigned[k.Reason] += n
			}
		}
	}
	t.AcceptedBy, t.RefusedBy, t.WouldBeBy, t.SparedBy, t.NotSignedBy = accepted.sorted(), refused.sorted(), would.sorted(), spared.sorted(), unsigned.sorted()
	return t
}

// tally counts words.
type tally map[string]int64

// sorted returns the counts, the largest first.
func (t tally) sorted() []Count {
	cs := make([]Count, 0, len(t))
	for name, n := range t {
		cs = append(cs, Count{name, n})
	}
	slices.SortFunc(cs, func(a, b Count) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name)) })
	return cs
}

// periods returns the periods from first until a time, of which each is as long as long.
func periods(fs []figures.Figure, first, until time.Time, long time.Duration) []Period {
	ps := []Period{}
	for t := first; t.Before(until) && len(ps) <= store.CounterRetention; t = t.Add(long) {
		ps = append(ps, Period{Begin: t})
	}
	for i := range fs {
		at := fs[i].Begin.Sub(first) / long
		if at < 0 || int(at) >= len(ps) {
			continue
		}
		p, k, n := &ps[at], &fs[i].Key, fs[i].Count
		switch {
		case k.Topic == figures.Verdicts:
			p.add(k.VerdictOutcome(), n)
		case k.Topic == figures.Signs && k.Sign.MayBeGenuine():
			p.MayBeGenuine += n
		}
	}
	markOutliers(ps)
	return ps
}

// named adds up the figures of a topic by a name, the most mail that was or would be refused first.
func named(fs []figures.Figure, topic figures.Topic, name func(*figures.Key) string) []Named {
	sums := map[string]*Named{}
	for i := range fs {
		k := &fs[i].Key
		if k.Topic != topic {
			continue
		}
		sumOf(sums, name(k)).add(k.Outcome, fs[i].Count)
	}
	return sortedNames(sums)
}

func sumOf(sums map[string]*Named, name string) *Named {
	if sums[name] == nil {
		sums[name] = &Named{Name: name}
	}
	return sums[name]
}

func sortedNames(sums map[string]*Named) []Named {
	list := make([]Named, 0, len(sums))
	for _, n := range sums {
		list = append(list, *n)
	}
	all := func(n *Named) int64 { return n.Turned() + n.Signed + n.Accepted + n.Ordinary }
	slices.SortFunc(list, func(a, b Named) int {
		return cmp.Or(cmp.Compare(b.Turned(), a.Turned()), cmp.Compare(all(&b), all(&a)), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// nodes returns the nodes that have counted something, or are known.
func (in *Input) nodes(fs []figures.Figure) []Named {
	sums := map[string]*Named{}
	for i := range fs {
		if f := &fs[i]; f.Topic == figures.Verdicts {
			sumOf(sums, f.Node).add(f.Key.VerdictOutcome(), f.Count)
		}
	}
	if in.Status != nil {
		for _, n := range in.Status.Nodes {
			if in.Node == "" || n.Name == in.Node {
				s := sumOf(sums, n.Name)
				s.Seen, s.Silent = n.Seen, n.Silent(in.Now)
			}
		}
	}
	list := sortedNames(sums)
	slices.SortFunc(list, func(a, b Named) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
