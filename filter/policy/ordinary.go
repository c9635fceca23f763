package policy

import (
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// Ordinary decides about a recipient of mail that does not have the null sender. A sender who answers the Return-Path has the address
// from us, so an expired tag is removed as well, and one whose key is missing here. A tag that never verified is made up: an MTA that
// removes tags by their form alone would deliver to the address behind it, past the restrictions of that address. Where many wrong tags
// came, one that covers right ones is removed as these are, see [Guessing]: the MTA must hold the restrictions against the address without
// its tag, as it must for mail with the null sender that is no bounce, which is delivered whatever its tag. An MTA that does not look
// whether there is such a user would return the mail to a forged sender, so there it is deferred.
func (p *Policy) Ordinary(f RecipientFacts, now time.Time) Verdict {
	v := Verdict{Reason: NotProtected, Action: ActionNone, Domain: p.Domain(f.Address.Domain)}
	if v.Domain == nil {
		return v
	}
	v.Tag = p.verify(f.Address, now)
	if removable(v.Tag.Status) {
		return v.with(Untag, p.actions[Untag])
	}
	if s := v.Tag.Status; s != prvs.BadSignature && s != prvs.UnknownKey {
		return v.with(NoReason, ActionNone)
	}
	if p.actions[InvalidTag] == ActionAccept {
		return v.with(InvalidTag, ActionAccept)
	}
	switch cause := p.notEnforced(&v, false, f.Record, prvs.DayOf(now)); {
	case f.Own:
		return v.spared(InvalidTag, OwnMail)
	case p.exempts(f, v.Tag):
		return v.spared(InvalidTag, Listed)
	case cause != NoCause:
		return v.spared(InvalidTag, cause)
	}
	return p.hideFromGuesser(v.with(InvalidTag, p.actions[InvalidTag]), f, !f.AnyUser, ActionAccept)
}

// UntagsOrdinary says whether the tag is removed from a recipient of ordinary mail.
func (v *Verdict) UntagsOrdinary() bool {
	return v.Reason == Untag || v.Cause == Guessing && v.Delivers()
}

// OfTag says whether the verdict about a recipient of ordinary mail is about its tag.
func (v *Verdict) OfTag() bool {
	return v.Reason == Untag || v.Reason == InvalidTag || v.Would == InvalidTag
}
