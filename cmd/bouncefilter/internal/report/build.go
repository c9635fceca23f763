package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/store"
)

// Build makes a report. It does no I/O, reads no clock and changes nothing of its input.
func Build(in Input) *Report {
	evidence := between(in.Days, in.evidenceBegins(), in.end().Add(time.Nanosecond)) // of all nodes: each refuses bounces of all
	known := first(in.Days)
	in.Days, in.Hours = in.chosen(in.Days), in.chosen(in.Hours)
	r := &Report{
		Made: in.Now.UTC(), From: in.From.UTC(), Until: in.Until.UTC(), Origin: "store",
		Domain: in.Domain, Node: in.Node, Log: in.Log,
	}
	if in.Log != nil {
		r.Origin = "log"
	}
	of := in.Days
	if in.ByHour {
		of = in.Hours
	}
	now := between(of, in.From, in.Until)
	before := between(of, in.before(), in.From)

	r.Totals = totals(now)
	r.Days, r.Hours = []Period{}, []Period{}
	if !in.ByHour {
		r.Days = periods(now, store.DayOf(in.From).Time(), in.Until, 24*time.Hour)
	}
	if len(in.Hours) > 0 {
		first := in.end().Add(-(store.HourRetention - 1) * time.Hour).Truncate(time.Hour)
		if in.From.After(first) {
			first = in.From
		}
		r.Hours = periods(between(in.Hours, first, in.Until), first.UTC(), earlier(in.Until, in.end().Add(time.Nanosecond)), time.Hour)
	}
	r.Nodes = in.nodes(now)
	r.Families = named(now, figures.Families, func(k *figures.Key) string { return k.Family })
	r.Sources = named(now, figures.Sources, func(k *figures.Key) string { return k.Name })
	r.Reporters = named(now, figures.Reporters, func(k *figures.Key) string { return k.Name })
	ways := waysOf(evidence)
	r.Routes = routesOf(now, ways)
	r.Failures = in.failures(now, before)
	r.Samples = in.samples()

	j := judgement{in: &in, evidence: byDomain(evidence), ways: ways, known: known, nodes: in.ofNodes(), signs: slices.ContainsFunc(evidence, signedMail)}
	r.Domains = j.domains(now)
	r.Verdict = j.overall(r.Domains)
	r.Next, r.AllNext = in.steps(r), in.again("--next")
	return r
}

// chosen returns the figures of the node and the domain that the report is about. Families do not tell domains apart.
func (in *Input) chosen(fs []figures.Figure) []figures.Figure {
	if in.Node == "" && in.Domain == "" {
		return fs
	}
	return slices.DeleteFunc(slices.Clone(fs), func(f figures.Figure) bool {
		return in.Node != "" && f.Node != in.Node || in.Domain != "" && f.Domain != in.Domain
	})
}

// before is when as long a time before the time of the report begins.
func (in *Input) before() time.Time { return in.From.Add(in.From.Sub(in.Until)) }

// end is until when the figures tell something: now or, of a log, its last line.
func (in *Input) end() time.Time {
	if in.Log != nil && in.Log.Verdicts > 0 {
		return in.Log.Last
	}
	return in.Now
}

// evidenceBegins is since when figures tell whether it is safe to enforce.
func (in *Input) evidenceBegins() time.Time {
	return store.DayOf(in.end()).Time().AddDate(0, 0, 1-EvidenceDays(in.Lifetime))
}

// first returns the time of the first figure; the zero time if there is none.
func first(fs []figures.Figure) (t time.Time) {
	for i := range fs {
		if t.IsZero() || fs[i].Begin.Before(t) {
			t = fs[i].Begin
		}
	}
	return t
}

func signedMail(f figures.Figure) bool {
	return f.Topic == figures.Verdicts && f.VerdictOutcome() == figures.Signed
}

func between(fs []figures.Figure, from, until time.Time) []figures.Figure {
	var of []figures.Figure
	for _, f := range fs {
		if !f.Begin.Before(from) && f.Begin.Before(until) {
			of = append(of, f)
		}
	}
	return of
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// samples returns the last notes, the last one first.
func (in *Input) samples() []Sample {
	var notes []figures.Note
	for _, n := range in.Notes {
		if (in.Node == "" || n.Node == in.Node) && (in.Domain == "" || n.Domain == in.Domain) && !n.Time.Before(in.From) && n.Time.Before(in.Until) {
			notes = append(notes, n)
		}
	}
	slices.SortFunc(notes, func(a, b figures.Note) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.Node, b.Node), cmp.Compare(a.QueueID, b.QueueID))
	})
	samples := []Sample{}
	for _, n := range notes[:min(len(notes), in.Samples)] {
		samples = append(samples, Sample{n, in.inspect(&n)})
	}
	return samples
}
