package evidence

import (
	"context"
	"slices"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// NeverSends says whether mail of an address of ours was not signed in the last lifetime of a tag, nor left unsigned on purpose, of which
// there would be a record. It asks the record once: all tags that can have been issued in that time are known. It says no if the domain
// has not been signing for so long, if the record may lack mail of that time, and if there is no answer.
func NeverSends(ctx context.Context, p *policy.Policy, h *store.Hasher, a prvs.Address, facts policy.RecordFacts, today prvs.Day, s Record) bool {
	o := p.Settings().Keys.Options()
	if !facts.Signing || facts.SigningSince > today-prvs.Day(o.Lifetime) {
		return false
	}
	a = Sender(a, p.Verify(a, today))
	numbers := p.Settings().Keys.Numbers(a.Domain)
	var qs []store.Query
	for _, mailbox := range p.Mailboxes(a) {
		sender := mailbox.String()
		qs = append(qs, store.Query{Key: h.Unsigned(sender)})
		for expires := today; expires <= today+prvs.Day(o.ValidDays()); expires++ {
			for _, n := range numbers {
				qs = append(qs, store.Query{Key: h.Tag(sender, store.Day(expires), n), Expires: store.Day(expires)})
			}
		}
	}
	if len(qs) > maxQueries {
		return false
	}
	answer, err := s.Lookup(ctx, store.Day(today), qs)
	if err != nil {
		return false
	}
	if slices.Contains(answer.Found, true) {
		return false
	}
	facts.CompleteSince, facts.Gaps = answer.Complete.Since, Gaps(answer.Complete)
	lifetime := policy.Span{From: (today - prvs.Day(o.Lifetime)).Time(), Until: (today + 1).Time()}
	return !p.MayBeMissing(facts, lifetime, today)
}
