package policy

import (
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// Untag returns the address that a tagged recipient of ours means, for an MTA that asks whether it knows the recipient
// before it asks the milter. known is false for everything else: other domains, addresses without a tag, tags that do not
// verify. A tag that has expired is known, because the content of a bounce may prove it still.
//
// It needs nothing but the keys, so that the MTA's decision about a recipient does not hang on the store.
func (p *Policy) Untag(recipient string, now time.Time) (address string, known bool) {
	a, err := prvs.ParseAddress(recipient)
	if err != nil {
		return "", false
	}
	if p.Domain(a.Domain) == nil {
		return "", false
	}
	tag := p.verify(a, now)
	if !removable(tag.Status) {
		return "", false
	}
	return tag.Original.String(), true
}
