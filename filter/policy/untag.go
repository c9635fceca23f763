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
	_, tag := p.tagOf(recipient, now)
	if !removable(tag.Status) {
		return "", false
	}
	return tag.Original.String(), true
}

// WrongTag says whether a recipient of ours has a tag with a wrong signature, and returns the recipient as an address, and what its tag says.
func (p *Policy) WrongTag(recipient string, now time.Time) (a prvs.Address, tag prvs.Result, wrong bool) {
	a, tag = p.tagOf(recipient, now)
	return a, tag, tag.Status == prvs.BadSignature
}

// tagOf returns a recipient as an address and what its tag says: nothing if it is none of ours.
func (p *Policy) tagOf(recipient string, now time.Time) (prvs.Address, prvs.Result) {
	a, err := prvs.ParseAddress(recipient)
	if err != nil || p.Domain(a.Domain) == nil {
		return prvs.Address{}, prvs.Result{}
	}
	return a, p.verify(a, now)
}
