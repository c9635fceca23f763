package filter

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/evidence"
	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// This file makes the observation of each verdict, which is both counted and logged, so that a report of the log has the figures of the store.

// decided counts and logs one verdict. One about a test is not counted.
func (s *session) decided(v *policy.Verdict, rcpt string, recipients int) {
	o := s.observe(v, rcpt)
	s.tell(v, &o, recipients)
}

// decidedBounce is decided for recipients of a bounce that was judged to its end, of whom r is the first.
func (s *session) decidedBounce(r *judge.Recipient, recipients int) {
	o := s.observe(&r.Verdict, r.Raw)
	msg := s.msg
	o.LeftThrough, o.LeftOn = msg.leftThrough, msg.leftOn
	if o.Route = msg.route; !msg.told && proven(&r.Verdict) {
		msg.told = true
		o.Failures = failuresOf(msg.judged.Report)
	}
	if o.Sign = s.signOf(r, o.Outcome()); o.Sign == figures.OwnHost {
		o.OwnHost = ownHost(msg.judged.Report)
	}
	s.tell(&r.Verdict, &o, recipients)
}

// tell counts and logs an observation. What the log has at level debug alone is not counted, see [levelOf].
func (s *session) tell(v *policy.Verdict, o *figures.Observation, recipients int) {
	level := levelOf(v)
	if !s.msg.test {
		s.server.stats.count(v)
		s.server.stats.countSign(v, o.Sign)
		if level == slog.LevelInfo {
			s.server.figures.Observe(o)
		}
	}
	s.server.logVerdict(context.Background(), s, level, v, o, recipients)
}

// levelOf returns the level of the line about a verdict.
func levelOf(v *policy.Verdict) slog.Level {
	switch {
	case v.Action == policy.ActionNone && v.Domain == nil && v.Reason != policy.UnusableSender:
		return slog.LevelDebug // mail that is none of our business
	case v.Cause == policy.Guessing && !v.Delivers():
		return slog.LevelDebug // a line said that many come, see [Server.manyWrongTags]
	}
	return slog.LevelInfo
}

// observe makes the observation of a verdict, without what only the content and the record of a bounce tell.
func (s *session) observe(v *policy.Verdict, rcpt string) figures.Observation {
	msg := s.msg
	o := figures.Observation{
		At: s.server.now(), Message: messages[msg.kind], Reason: v.Reason.String(), Action: v.Action.String(), Cause: v.Cause.String(),
		Local: s.local, QueueID: msg.queueID, Sender: msg.sender, Recipient: rcpt,
	}
	if !s.local {
		o.Client = s.client
	}
	if v.Domain != nil {
		o.Domain = v.Domain.Name
	}
	if v.Would != policy.NoReason && v.Would != v.Reason {
		o.Would = v.Would.String()
	}
	if r := msg.judged.Report; r != nil {
		o.Kind, o.Family, o.ReportingMTA = string(r.Kind), r.Family, r.ReportingMTA
	}
	if v.Reason == policy.Signed {
		o.Destinations = msg.destinations
	}
	return o
}

// noteDestination notes the domain of a recipient of outbound mail.
func (msg *message) noteDestination(a prvs.Address) {
	if len(msg.destinations) >= figures.MaxDestinations {
		return
	}
	if d := figures.Destination(a.Domain); d != "" && !slices.Contains(msg.destinations, d) {
		msg.destinations = append(msg.destinations, d)
	}
}

// proven says whether a bounce is known to answer mail that was sent from here.
func proven(v *policy.Verdict) bool {
	return v.Delivers() && (v.Reason == policy.Valid || v.Reason == policy.ValidMessage || v.Reason == policy.ValidCorrespondent)
}

// failuresOf returns the recipients whom a report says mail has not reached, or not yet, by domain and status, and who holds mail because of
// the tag.
func failuresOf(r *bounce.Report) (list []figures.Failure) {
	if r == nil {
		return nil
	}
	add := func(f figures.Failure) {
		for i := range list {
			if have := &list[i]; have.Destination == f.Destination && have.Status == f.Status && have.BecauseOfTag == f.BecauseOfTag {
				have.Count++
				return
			}
		}
		if len(list) < figures.MaxFailures {
			list = append(list, f)
		}
	}
	for i := range r.Recipients {
		rcpt := &r.Recipients[i]
		if !judge.IsBounce(r) || !rcpt.Undelivered() {
			continue
		}
		add(figures.Failure{
			Destination: figures.Destination(domainOf(rcpt.Address)), Status: statusOf(rcpt), BecauseOfTag: rcpt.BlamesTag, Count: 1,
		})
	}
	if r.HeldBy != "" {
		add(figures.Failure{Destination: figures.Destination(domainOf(r.HeldBy)), BecauseOfTag: true, Count: 1})
	}
	for i := range list {
		if list[i].Destination == "" {
			list[i].Destination = figures.Other
		}
	}
	return list
}

// statusOf returns the status of a recipient as failures have it.
func statusOf(rcpt *bounce.Recipient) string {
	for _, s := range [...]string{rcpt.Exact, rcpt.Status, string(rcpt.Class())} {
		if s != "" && figures.IsStatus(s) {
			return s
		}
	}
	return ""
}

// domainOf returns the domain of an address as another server has written it.
func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

// signOf says what speaks for a bounce with that outcome, if it is or would be refused. The first sign that there is counts.
func (s *session) signOf(r *judge.Recipient, outcome figures.Outcome) figures.Sign {
	v, c := &r.Verdict, &s.msg.judged
	switch {
	case !outcome.Turned():
		return figures.NoSign
	case v.Reason == policy.NoBounce || v.Would == policy.NoBounce:
		return figures.NoBounce
	case c.Report != nil && namesOwnHost(c.Policy, c.Report):
		return figures.OwnHost
	case s.msg.repeats:
		return figures.Repeats
	case (v.Cause == policy.MonitorMode || v.Cause == policy.NewDomain) && evidence.NeverSends(context.Background(), c.Policy, c.Hasher, r.Address, c.Facts(r).Record, prvs.DayOf(c.Now), c.Record):
		return figures.NeverSends
	}
	return figures.NoSign
}

// ownHost names the host from which the mail came that a report returns, by its address if it has no name.
func ownHost(r *bounce.Report) string {
	address, name := r.VerifiedHandOver()
	if name == "" {
		return address.String()
	}
	return name
}

// namesOwnHost says whether the mail that a report returns came from a host of ours, as far as the site that reports has found out
// itself. Spam in our name comes from hosts that only say so.
func namesOwnHost(p *policy.Policy, r *bounce.Report) bool {
	address, name := r.VerifiedHandOver()
	return p.OwnHost(name, address)
}
