package policy

import (
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// Guessing of tags. The signature of a tag has 24 bits, so a guesser who gets an answer for each finds the right one. To defer right and
// wrong tags alike would stop the guesser, and lock genuine bounces out for as long as the guessing goes on. To defer wrong ones alone
// would tell the guesser as much as to refuse them. So right tags are answered as ever, and beyond a number of wrong ones a day the answers
// to these change: most are deferred, and the others, which a keyed hash chooses, are accepted like a right one. Such a tag covers right
// ones: it must be answered like a right tag at every stage, in every way to write its address, and at all times.
//
// A bounce to a tag that covers right ones is dropped: nothing proves it, so it would have been refused. Mail with another sender is never
// dropped. It is delivered to the address behind the tag, as with a right one: its sender may write to that address anyway. Where the MTA
// would accept it for a user that there is not, it is deferred, and there it tells a right tag from a wrong one.

// Cover says how far a wrong tag covers right ones.
type Cover uint8

const (
	CoverNone     Cover = iota // it does not
	CoverUnissued              // like a tag with a right signature that was not issued, or has expired
	CoverIssued                // like a right tag
)

// TellsMore says whether a wrong tag is refused for what it is, after so many different ones today, this one included: see
// WrongTags of [RecipientFacts].
func (p *Policy) TellsMore(wrongTags uint32) bool {
	return uint64(wrongTags) <= uint64(p.set.WrongTagsPerDay)
}

// IsWrongTag says whether the verdict is about a tag that may be a guess: it is refused, or would be, had not so many of them come.
func (v *Verdict) IsWrongTag() bool {
	return v.Tag.Status == prvs.BadSignature && (v.Refuses() || v.Cause == Guessing)
}

// hideFromGuesser changes a verdict that would tell a guesser something: about a wrong tag, or about a right one that was not issued, which
// it may be later. All other verdicts are returned as they are, also if what proves a bounce is used up: it may count again at the next attempt.
//
// accepted says that a right tag is accepted, so that a wrong one that covers it must be; like is what is done with it then.
//
// Before a bounce to a wrong tag is dropped, no other node is waited for: the wait would tell it from a right one.
func (p *Policy) hideFromGuesser(v Verdict, f RecipientFacts, accepted bool, like Action) Verdict {
	unissued := (v.Reason == NotIssued || v.Reason == Expired) && v.Refuses() // a day to come has the digits of one long past
	if p.TellsMore(f.WrongTags) || v.Cause != NoCause || v.Reason == OverBudget || !v.IsWrongTag() && !unissued {
		return v
	}
	v.Cause, v.Action, v.ByAbsence = Guessing, Guessing.Action(), false
	v.Covers = !unissued && f.Cover != CoverNone
	if v.Covers && accepted {
		v.Action = like
	}
	return v
}

// Signers returns the addresses, folded, that a tag may have been made for, given the Sender of the result of [Policy.Verify] and the
// domain of the tagged address: what [prvs.Ring.Verify] tries.
func (p *Policy) Signers(sender prvs.Address, domain string) []prvs.Address {
	senders := append([]prvs.Address{sender}, sender.WithoutExtensions(p.set.Keys.Options().Delimiters)...)
	list := make([]prvs.Address, 0, len(senders))
	for _, a := range senders {
		list = append(list, p.Mailbox(a))
	}
	if folded := prvs.FoldDomain(domain); folded != list[0].Domain { // an alias, with its tags of before
		for _, a := range senders {
			list = append(list, prvs.Address{Local: a.Local, Domain: folded}.Fold())
		}
	}
	return list
}

// IssuedSince says whether a tag with this day of expiry can have been issued by now and be valid, and since when it can.
func (p *Policy) IssuedSince(expiry prvs.Day, now time.Time) (since time.Time, valid bool) {
	first, today := expiry-prvs.Day(p.set.Keys.Options().ValidDays()), prvs.DayOf(now)
	return first.Time(), first <= today && today <= expiry
}
