package policy

import "github.com/bouncefilter/bouncefilter/prvs"

// Guessing of tags. The signature of a tag has 24 bits, so a guesser who gets an answer for each finds the right one. To defer right and
// wrong tags alike would stop the guesser, and lock genuine bounces out for as long as the guessing goes on. To defer wrong ones alone
// would tell the guesser as much as to refuse them. So right tags are answered as ever, and beyond a number of wrong ones a day the answers
// to these change: most are deferred, and the others, which a keyed hash chooses, are accepted like a right one, and dropped. An accepted
// tag is then right with a chance of 1 in 2^20, and asking again gives the same answer.

// TellsMore says whether a wrong tag is refused for what it is, to a mailbox or from a network that had so many different ones today, this
// one included.
func (p *Policy) TellsMore(wrongTags uint32) bool {
	return uint64(wrongTags) <= uint64(p.set.WrongTagsPerDay)
}

// IsWrongTag says whether the verdict is about a tag that may be a guess: it is refused, or would be, had not so many of them come.
func (v *Verdict) IsWrongTag() bool {
	return v.Tag.Status == prvs.BadSignature && (v.Refuses() || v.Cause == Guessing)
}

// hideFromGuesser changes a verdict that would tell a guesser something: about a wrong tag, or about a right one that was not issued, and may be
// later. All other verdicts are returned as they are.
//
// Before a wrong tag is dropped, no other node is waited for: the wait would tell it from a right one.
func (p *Policy) hideFromGuesser(v Verdict, f RecipientFacts) Verdict {
	if p.TellsMore(f.WrongTags) || v.Cause != NoCause || !v.IsWrongTag() && !(v.Reason == NotIssued && v.Refuses()) {
		return v
	}
	v.Cause, v.Action, v.ByAbsence = Guessing, Guessing.Action(), false
	if f.Cover && v.IsWrongTag() {
		v.Action = ActionDiscard
	}
	return v
}
