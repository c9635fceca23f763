package filter

import (
	"context"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/evidence"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

func (s *session) senderVerdict() policy.Verdict {
	msg := s.message()
	return msg.state.policy.Sender(policy.SenderFacts{Sender: msg.from, Unusable: msg.badFrom, DoNotTag: msg.doNotTag})
}

// sign decides whether the sender of an outbound message is signed, records what its bounces will be proven by, and adds to the changes.
func (s *session) sign(m milter.Modifier, c *changes) policy.Verdict {
	msg := s.message()
	v := s.senderVerdict()
	if v.Reason != policy.Signed {
		switch v.Reason {
		case policy.DoNotTag, policy.ExcludedSender, policy.TooLong: // other mail may be forwarded, with a signature of its author
			c.identity = s.identify(m)
		}
		s.leaveUnsigned(&v)
		return v
	}
	signed, err := msg.state.policy.Sign(msg.from, v.Domain.Form, prvs.DayOf(msg.now))
	if err != nil || m.Version() < 6 || m.Actions()&milter.OptChangeFrom == 0 {
		// Mail that leaves unsigned would have its bounces refused.
		v.Reason, v.Action = policy.CannotSign, policy.ActionDefer
		return v
	}
	v.Tag = prvs.Result{Number: signed.Number, Expiry: signed.Expiry, Original: msg.from}
	c.sender, c.identity = signed.Address, s.identify(m)
	expires := store.Day(signed.Expiry)
	tag := store.Record{
		Key:     s.server.hasher.Tag(msg.state.policy.Mailbox(msg.from).String(), expires, signed.Number),
		Expires: expires,
		Count:   uint32(msg.count),
	}
	s.record(&v, append(s.sentRecords(), tag)...)
	return v
}

// identify sees to it that a message of one of our domains leaves with one Message-ID that bounces can name. That is in the domain of its
// sender, which is known to be one; the name of the host may be a short one.
//
// QUIRK: Sendmail adds its own only on delivery, and Postfix none for clients that are not on its own host
// (local_header_rewrite_clients): what comes back would not be known. Neither replaces one that is empty or there twice.
func (s *session) identify(m milter.Modifier) evidence.Identity {
	msg := s.message()
	if !msg.state.policy.Settings().AddMessageID {
		return evidence.Identity{}
	}
	return msg.sent.Identify(prvs.FoldDomain(msg.from.Domain), m.Actions()&milter.OptAddHeader != 0, m.Actions()&milter.OptChangeHeader != 0)
}

// recordedUntil returns the last day on which what happens now is on record.
func (s *session) recordedUntil() store.Day {
	return store.DayOf(s.msg.now) + store.Day(s.msg.state.policy.Settings().Proofs.Retention)
}

// leaveUnsigned notes that a message is not signed, and why. Bounces to a sender whose mail would be signed but for a list
// are expected to come without a tag: it is recorded, whatever becomes of the lists.
func (s *session) leaveUnsigned(v *policy.Verdict) {
	msg := s.message()
	rs := s.sentRecords()
	if v.Reason == policy.DoNotTag || v.Reason == policy.ExcludedSender {
		for _, a := range msg.sent.Addresses(msg.state.policy, msg.from) {
			rs = append(rs, store.Record{Key: s.server.hasher.Unsigned(a), Expires: s.recordedUntil()})
		}
	}
	s.record(v, rs...)
}

// warnUnsigned logs that a message which would be signed elsewhere leaves through a listener that only verifies.
func (s *session) warnUnsigned() {
	if v := s.senderVerdict(); v.Reason == policy.Signed {
		v.Reason, v.Action = policy.VerifyOnly, s.msg.state.policy.Action(policy.VerifyOnly)
		s.decided(&v, s.msg.first, s.msg.count)
	}
}

// sentRecords returns what is recorded of the message, but for its tag.
func (s *session) sentRecords() []store.Record {
	msg := s.message()
	addresses := msg.sent.Addresses(msg.state.policy, msg.from)
	return msg.sent.Records(s.server.hasher, addresses, uint32(msg.count), s.recordedUntil())
}

// record writes what a message leaves behind. The mail goes out whether or not the store answers: Guard journals it on
// disk, or notes a gap, and a gap means that bounces are verified by signature alone.
func (s *session) record(v *policy.Verdict, rs ...store.Record) {
	if len(rs) == 0 || s.msg.test {
		return
	}
	domain := ""
	if v.Domain != nil {
		domain = v.Domain.Name
	}
	_ = s.server.store.Record(context.Background(), store.DayOf(s.msg.now), domain, rs...)
}
