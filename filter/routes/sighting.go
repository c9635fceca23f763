package routes

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/evidence"
	"github.com/bouncefilter/bouncefilter/filter/internal/bounded"
	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// This file decides which untagged bounces look like bounces of mail that left through another route, and when there are enough of them
// to report the route.

// route is a way on which mail seems to leave.
type route struct {
	sender string // the address that the bounces come to, folded, without its extension
	// source is where the mail came from, see sourceOf.
	source string
}

// sighting is an untagged bounce that looks like one of mail that left another way.
type sighting struct {
	route    route
	sent     time.Time // when the mail was, as far as the report says
	failed   []string  // addresses of the recipients that it did not reach, folded
	original string    // the Message-ID of the mail
}

// see says whether a bounce with this verdict and content looks like one of mail that left another way: it would be
// refused for want of a tag, returns a message that its recipient has written, and the record, which is complete for the time
// when that was sent, does not know it.
func see(p *policy.Policy, v *policy.Verdict, f policy.RecipientFacts, r *bounce.Report, now time.Time) (sighting, bool) {
	if !missed(v) || !judge.IsBounce(r) || f.Proof != policy.ProofAbsent || p.MayBeMissing(f.Record, f.Sent, prvs.DayOf(now)) {
		return sighting{}, false
	}
	sender := p.BareMailbox(f.Address)
	o := returnedBy(p, r, sender)
	if o == nil {
		return sighting{}, false
	}
	sent, earliest := r.ArrivalDate, r.ArrivalDate
	if sent.IsZero() || sent.After(now) {
		// Bounces come within a lifetime. The returned message may say more, but by clocks that nobody vouches for.
		sent, earliest = now, now.AddDate(0, 0, -p.Settings().Keys.Options().Lifetime)
		if _, until, ok := r.Sent(o); ok && until.Before(now) {
			sent = until
		}
	}
	if !f.Record.Signing || prvs.DayOf(earliest) <= f.Record.SigningSince || earliest.Before(f.Record.CompleteSince) {
		return sighting{}, false // it may have left on this way, before there was a record
	}
	source := sourceOf(r)
	if source == "" {
		return sighting{}, false
	}
	// Copies: what is cut out of the report would hold all of it in memory.
	s := sighting{route: route{strings.Clone(sender.String()), source}, sent: sent, original: strings.Clone(o.MessageID)}
	for i := range r.Recipients {
		if a := r.Recipients[i].Address; a != "" && len(s.failed) < routeRecipients {
			s.failed = append(s.failed, strings.Clone(strings.ToLower(a)))
		}
	}
	return s, true
}

// missed says whether a bounce is or would be refused for want of a tag.
func missed(v *policy.Verdict) bool {
	return v.Reason == policy.Untagged || v.Would == policy.Untagged && v.Action == policy.ActionMonitor
}

// returnedBy returns the message with a Message-ID that a report returns and the sender has written, or nil.
func returnedBy(p *policy.Policy, r *bounce.Report, sender prvs.Address) *bounce.Original {
	for i := range r.Originals {
		o := &r.Originals[i]
		if o.Depth != 1 || !o.Returned() || o.MessageID == "" {
			continue
		}
		for _, author := range o.Authors() {
			if a, err := prvs.ParseAddress(author); err == nil && p.BareMailbox(a) == sender {
				return o
			}
		}
	}
	return nil
}

// sourceOf returns what distinguishes a route from forgeries: the host that handed the mail over to the site that reports, or that
// site's server if the mail was written there. Spam in a user's name comes from thousands of hosts, from each once, and the
// receiving server writes down its address; a newsletter service or an application has few. The domain of the Message-ID would
// not do: those who forge the sender forge it as well, many with the sender's own domain, so that all of a botnet would be one
// source. Neighbours count as one.
func sourceOf(r *bounce.Report) string {
	host := r.HandOver()
	a, err := netip.ParseAddr(host)
	if err != nil {
		return strings.Clone(host)
	}
	return bounded.Network(a).String()
}

// When a route is reported. One spammer who sends from one host in a user's name, to one victim or in one run, must not look
// like a route; a route is known by being used again.
const (
	routeBounces    = 5         // one or two mistyped addresses make no route
	routeRecipients = 3         // different ones: a program that writes to one dead address again and again has another fault
	routeDomains    = 2         // of theirs: all that is forged to one site may come through one relay of that site
	routeSpan       = time.Hour // between the first and the last that was sent: a run of spam from one host is soon blocked
)

// tally is what was seen of a route.
type tally struct {
	count       uint64
	failed      []string // different recipients, as many as matter
	domains     []string // of all recipients, as many as matter
	first, last time.Time
}

// with returns the tally with one sighting more.
func (t tally) with(s sighting) tally {
	if t.count == 0 || s.sent.Before(t.first) {
		t.first = s.sent
	}
	if s.sent.After(t.last) {
		t.last = s.sent
	}
	t.count++
	for _, a := range s.failed {
		t.failed = addSome(t.failed, a, routeRecipients)
		t.domains = addSome(t.domains, evidence.Correspondent(a[strings.LastIndexByte(a, '@')+1:]), routeDomains)
	}
	return t
}

func addSome(list []string, s string, most int) []string {
	if len(list) < most && !slices.Contains(list, s) {
		return append(list[:len(list):len(list)], s)
	}
	return list
}

// reached says whether there is enough to report the route.
func (t tally) reached() bool {
	return t.count >= routeBounces && len(t.failed) >= routeRecipients && len(t.domains) >= routeDomains &&
		t.last.Sub(t.first) >= routeSpan
}
