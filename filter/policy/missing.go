package policy

import (
	"slices"
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// The absence of a record proves something only about a time of which the record is complete. This file says whether it is, for a tag and
// for the messages that a bounce names.

// reachesBack says whether the record is complete for all days on which a tag with this day of expiry can have been
// issued. A tag that was issued while tags lived longer is older than it looks; for its budget, which is generous, that does not
// matter, but for a clock that is ahead.
func (p *Policy) reachesBack(reason Reason, r RecordFacts, expiry prvs.Day) bool {
	window := p.window(reason)
	if r.CompleteSince.IsZero() || prvs.DayOf(r.CompleteSince) >= expiry-window {
		return false
	}
	issued := days(expiry-window, expiry)
	return !slices.ContainsFunc(r.Gaps, func(g Span) bool { return g.overlaps(issued) })
}

// window is how many days before its expiry a tag can have been issued, as far as it matters for a reason.
func (p *Policy) window(reason Reason) prvs.Day {
	o := p.set.Keys.Options()
	window := o.Window()
	if reason == OverBudget {
		window = min(window, o.Lifetime+o.Rotation)
	}
	return prvs.Day(window)
}

// sent says when the messages were sent that a bounce names. A tag with the right signature tells it better than what the bounce says.
func (p *Policy) sent(f RecipientFacts, tag prvs.Result) Span {
	if tag.Status == prvs.Expired {
		return days(tag.Expiry-p.window(Expired), tag.Expiry)
	}
	return f.Sent
}

// clocks is how much later or earlier a message may have been sent than the clocks of its way tell.
const clocks = 10 * time.Minute

// MayBeMissing says whether a record of mail that was sent at a time may be missing: nothing vouches for the record, it has begun anew
// later, after the domain began to sign, or it has a gap then. If it is not known when the mail was sent, it may be any time from which
// records are kept.
func (p *Policy) MayBeMissing(r RecordFacts, sent Span, today prvs.Day) bool {
	if r.CompleteSince.IsZero() {
		return true
	}
	missing := func(g Span) bool {
		if today > prvs.DayOf(g.Until)+prvs.Day(p.set.Proofs.Retention) {
			return false
		}
		return !sent.Known() || g.overlaps(sent.wider(clocks))
	}
	return p.begunAnew(r) && missing(Span{Until: r.CompleteSince}) || slices.ContainsFunc(r.Gaps, missing)
}

// begunAnew says whether mail was sent before the record began.
func (p *Policy) begunAnew(r RecordFacts) bool {
	return r.Signing && prvs.DayOf(r.CompleteSince) > r.SigningSince || !r.Began.IsZero() && r.CompleteSince.After(r.Began)
}

// unsignedMayBeMissing says whether the record of mail that was left unsigned on purpose may be missing. Of a sender's mail of one day only
// the first is sure to make it.
func (p *Policy) unsignedMayBeMissing(f RecipientFacts, today prvs.Day) bool {
	sent := f.Sent
	if sent.Known() {
		sent = sent.wider(clocks).wholeDays()
	}
	return p.MayBeMissing(f.Record, sent, today)
}

// IncompleteUntil says until which day bounces of a domain are accepted that name a message and do not tell when it was sent, because the
// record may lack it. incomplete is false if it is complete; until is 0 if that cannot be told.
func (p *Policy) IncompleteUntil(r RecordFacts, today prvs.Day) (until prvs.Day, incomplete bool) {
	if !p.MayBeMissing(r, Span{}, today) {
		return 0, false
	}
	if r.CompleteSince.IsZero() {
		return 0, true
	}
	if p.begunAnew(r) {
		until = prvs.DayOf(r.CompleteSince)
	}
	for _, g := range r.Gaps {
		until = max(until, prvs.DayOf(g.Until))
	}
	return until + prvs.Day(p.set.Proofs.Retention), true
}
