package backtest

import (
	"context"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/evidence"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// clockMargin is how much later than its bounce a message may seem to be sent: its Date is that of the sender's clock.
const clockMargin = 24 * time.Hour

// soon is how long after a message most of its bounces come. Postfix and Sendmail try for five days.
const soon = 8 * 24 * time.Hour

// record is the record of sent mail, as the daemon would have made it until the time that is judged.
type record struct {
	*memory.Store
	policy *policy.Policy
	hasher *store.Hasher
	keep   time.Duration

	since time.Time // since when it is complete for the mailbox that is judged; zero if nothing of it is known

	logSince time.Time            // since when it is for all
	saved    map[string]time.Time // since when it is for a mailbox whose sent mail was saved, by [policy.Policy.BareMailbox]
	wrote    map[string]time.Time // when a mailbox wrote to an address last, by both
	first    map[string]time.Time // when a mailbox wrote to a correspondent first, by both
}

// Lookup implements [judge.Record].
func (r *record) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	a, err := r.Store.Lookup(ctx, today, qs)
	a.Complete = store.Completeness{Since: r.since}
	return a, err
}

// Facts implements [judge.Record]. Mail was sent before the record began: what it lacks from then means nothing.
func (r *record) Facts(string) policy.RecordFacts {
	return policy.RecordFacts{Began: time.Unix(1, 0), Signing: true, SigningSince: 1}
}

// Barrier implements [judge.Record].
func (r *record) Barrier() (passed, waited bool) { return true, false }

// covered returns since when all mail of a mailbox is known, zero if none is.
func (r *record) covered(a prvs.Address) time.Time {
	since := r.saved[r.policy.BareMailbox(a).String()]
	if since.IsZero() || !r.logSince.IsZero() && r.logSince.Before(since) {
		return r.logSince
	}
	return since
}

// add records a message, as the daemon does when it leaves.
func (r *record) add(m *sentMail) error {
	p := r.policy
	var s evidence.Sent
	for _, id := range m.ids {
		s.Header(p, "Message-ID", id)
	}
	for _, a := range m.author {
		s.Header(p, a[0], a[1])
	}
	var to []prvs.Address
	for _, t := range m.to {
		if a, err := prvs.ParseAddress(t); err == nil && a.Domain != "" {
			s.Recipient(a)
			to = append(to, a)
		}
	}
	sender := r.sender(m)
	addresses := s.Addresses(p, sender)
	if len(addresses) == 0 {
		return nil // of another domain
	}
	expires := store.DayOf(m.time.Add(r.keep))
	rs := s.Records(r.hasher, addresses, uint32(max(1, len(to))), expires)
	facts := policy.SenderFacts{Sender: sender}
	for _, a := range to {
		facts.DoNotTag = facts.DoNotTag || p.DoNotTag(sender, a)
	}
	v := p.Sender(facts)
	domain := ""
	if v.Domain != nil {
		domain = v.Domain.Name
	}
	for _, a := range addresses {
		if v.Reason == policy.DoNotTag || v.Reason == policy.ExcludedSender {
			rs = append(rs, store.Record{Key: r.hasher.Unsigned(a), Expires: expires})
		}
		bare := r.bare(a)
		for _, t := range to {
			r.wrote[bare+" "+t.Fold().String()] = m.time
			correspondent := bare + " " + evidence.Correspondent(t.Domain)
			if r.first[correspondent].IsZero() {
				r.first[correspondent] = m.time
			}
		}
	}
	return r.Store.Record(context.Background(), store.DayOf(m.time), domain, rs...)
}

// cover notes since when the sent mail of a mailbox is known.
func (r *record) cover(m *sentMail, olderInFolder bool, keepFrom time.Time) {
	if m.folder == "" {
		return
	}
	since := m.time
	if olderInFolder {
		since = keepFrom
	}
	for _, a := range m.author {
		address, err := prvs.ParseAddress(bounce.Address(a[1]))
		if err != nil || r.policy.Domain(address.Domain) == nil {
			continue
		}
		bare := r.policy.BareMailbox(address).String()
		if had := r.saved[bare]; had.IsZero() || since.Before(had) {
			r.saved[bare] = since
		}
	}
}

// bare returns the shortest mailbox that an address may mean.
func (r *record) bare(address string) string {
	a, _ := prvs.ParseAddress(address) // made of one
	return r.policy.BareMailbox(a).String()
}

// sender returns the envelope sender without a tag.
func (r *record) sender(m *sentMail) prvs.Address {
	a, err := prvs.ParseAddress(m.from())
	if err != nil {
		return prvs.Address{}
	}
	return untagged(r.policy, a)
}

// untagged returns an address without its tag, also if that is not one of this site.
func untagged(p *policy.Policy, a prvs.Address) prvs.Address {
	if v := p.Verify(a, 0); v.Status != prvs.Untagged && !v.Original.IsNull() {
		return v.Original
	}
	return a
}

// wroteTo says whether a mailbox wrote to one of the recipients that a report names shortly before.
func (r *record) wroteTo(a prvs.Address, report *bounce.Report, at time.Time) bool {
	bare := r.policy.BareMailbox(a).String()
	for i := range report.Recipients {
		to, err := prvs.ParseAddress(report.Recipients[i].Address)
		if err != nil {
			continue
		}
		if when, ok := r.wrote[bare+" "+to.Fold().String()]; ok && at.Sub(when) < soon {
			return true
		}
	}
	return false
}
