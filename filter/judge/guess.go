package judge

import (
	"github.com/bouncefilter/bouncefilter/filter/guesses"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// guessed counts the tag of a recipient if it is wrong, and notes what is known about the recipient then. changed says that the verdict
// may be another one.
func (c *Case) guessed(r *Recipient, v *policy.Verdict) (changed bool) {
	if c.Guesses == nil || v.Domain == nil || v.Tag.Status == prvs.Untagged {
		return false
	}
	if !v.IsWrongTag() {
		r.WrongTags = c.Guesses.Count(c.Policy.BareMailbox(v.Tag.Original).String(), c.Client, store.DayOf(c.Now))
		return !c.Policy.TellsMore(r.WrongTags)
	}
	if r.WrongTags = c.countWrong(r.Address, &v.Tag); c.Policy.TellsMore(r.WrongTags) {
		return false
	}
	r.Cover = c.cover(r.Address, &v.Tag)
	return true
}

// countWrong counts a wrong tag, for the shortest mailbox that its address may mean.
func (m *Message) countWrong(tagged prvs.Address, tag *prvs.Result) (wrongTags uint32) {
	mailbox := m.Policy.BareMailbox(tag.Original).String()
	t := guesses.Tag{Mailbox: mailbox, Client: m.Client, Key: m.Hasher.WrongTag(mailbox, prvs.TagOf(tagged))}
	return m.Guesses.Add(&t, store.DayOf(m.Now), m.Policy.Settings().WrongTagsPerDay)
}

// cover says how far a wrong tag covers right ones: as if there were another 2^20 right tags for each address that it may have been made
// for, each of which is issued at some time of its first day. Were it to differ from a right one in any way to write the address, or at any
// time, a guesser could tell them by asking in both.
func (m *Message) cover(tagged prvs.Address, tag *prvs.Result) policy.Cover {
	cover, text := policy.CoverNone, prvs.TagOf(tagged)
	since, valid := m.Policy.IssuedSince(tag.Expiry, m.Now)
	for _, signer := range m.Policy.Signers(tag.Sender, tagged.Domain) {
		k := m.Hasher.WrongTag(signer.String(), text)
		switch {
		case !guesses.Covers(k):
		case valid && !m.Now.Before(since.Add(guesses.TimeOfDay(k))):
			return policy.CoverIssued
		default:
			cover = policy.CoverUnissued
		}
	}
	return cover
}

// Untag is [policy.Policy.Untag] for a lookup of the MTA, whose answer tells a client whether a tag is right. Beyond the wrong tags of a day
// that are answered as ever, those that cover right ones are known, too. Of m, the Policy, Hasher,
// Guesses and Now must be set.
func Untag(m *Message, recipient string) (address string, known bool) {
	if address, known = m.Policy.Untag(recipient, m.Now); known {
		return address, true
	}
	tagged, tag, wrong := m.Policy.WrongTag(recipient, m.Now)
	if !wrong || m.Policy.TellsMore(m.countWrong(tagged, &tag)) || m.cover(tagged, &tag) == policy.CoverNone {
		return "", false
	}
	return tag.Original.String(), true
}

// Covers says whether a recipient has a wrong tag that is answered like a right one where many wrong ones came. Of m, the Policy, Hasher and
// Now must be set.
func Covers(m *Message, recipient string) bool {
	tagged, tag, wrong := m.Policy.WrongTag(recipient, m.Now)
	return wrong && m.cover(tagged, &tag) != policy.CoverNone
}
