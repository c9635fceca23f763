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
	if v.IsWrongTag() {
		r.WrongTags, r.Cover = c.countWrong(r.Address, v.Tag.Original)
	} else {
		r.WrongTags = c.Guesses.Count(c.Policy.BareMailbox(v.Tag.Original).String(), c.Client, store.DayOf(c.Now))
	}
	return !c.Policy.TellsMore(r.WrongTags)
}

// countWrong counts a wrong tag. All ways to write the address of a mailbox count for the same one, so that a tag that covers right ones
// does so in each of them.
func (m *Message) countWrong(tagged, original prvs.Address) (wrongTags uint32, cover bool) {
	tag := m.wrongTag(tagged, original)
	return m.Guesses.Add(&tag, store.DayOf(m.Now), m.Policy.Settings().WrongTagsPerDay), tag.Covers()
}

func (m *Message) wrongTag(tagged, original prvs.Address) guesses.Tag {
	mailbox := m.Policy.BareMailbox(original).String()
	return guesses.Tag{Mailbox: mailbox, Client: m.Client, Key: m.Hasher.WrongTag(mailbox, prvs.TagOf(tagged))}
}

// Covers says whether a recipient has a wrong tag that is answered like a right one where many wrong ones came. Of m, the Policy, Hasher and
// Now must be set.
func Covers(m *Message, recipient string) bool {
	tagged, original, wrong := m.Policy.WrongTag(recipient, m.Now)
	tag := m.wrongTag(tagged, original)
	return wrong && tag.Covers()
}

// Untag is [policy.Policy.Untag] for a lookup of the MTA, whose answer tells a client whether a tag is right. Beyond the wrong tags of a day
// that are answered as ever, those that cover right ones are known, too: the milter drops what comes to them. Of m, the Policy, Hasher,
// Guesses and Now must be set.
func Untag(m *Message, recipient string) (address string, known bool) {
	if address, known = m.Policy.Untag(recipient, m.Now); known {
		return address, true
	}
	tagged, original, wrong := m.Policy.WrongTag(recipient, m.Now)
	if !wrong {
		return "", false
	}
	if n, cover := m.countWrong(tagged, original); m.Policy.TellsMore(n) || !cover {
		return "", false
	}
	return original.String(), true
}
