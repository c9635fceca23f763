package filter

import (
	"context"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// unsignedDays is for how many days a sender whose mail was left unsigned on purpose may be answered without a tag. It
// covers an asynchronous bounce that comes weeks later.
const unsignedDays = 30

func (s *session) senderVerdict() Verdict {
	msg := &s.msg
	return msg.state.policy.Sender(SenderFacts{Sender: msg.from, Unusable: msg.badFrom, DoNotTag: msg.doNotTag})
}

// sign signs the sender of an outbound message, or notes why not. A response ends the message.
//
// CHGFROM goes out with empty arguments: both MTAs then keep SIZE, BODY, SMTPUTF8, RET and ENVID.
func (s *session) sign(m milter.Modifier) (*milter.Response, error) {
	msg := &s.msg
	v := s.senderVerdict()
	if v.Reason != Signed {
		s.leaveUnsigned(&v)
		return nil, nil
	}
	signed, err := msg.state.policy.set.Keys.Sign(msg.from, v.Domain.Form, prvs.DayOf(msg.now))
	if err != nil || m.Version() < 6 || m.Actions()&milter.OptChangeFrom == 0 {
		// Mail that leaves unsigned would have its bounces refused.
		v.Reason, v.Action = CannotSign, ActionDefer
		s.decided(&v, msg.first, msg.count)
		return s.server.replies.of(CannotSign, ActionDefer), nil
	}
	v.Tag = prvs.Result{Number: signed.Number, Expiry: signed.Expiry, Original: msg.from}
	expires := store.Day(signed.Expiry)
	s.record(&v, s.server.hasher.Tag(msg.from.Fold().String(), expires, signed.Number), expires)
	if err := m.ChangeFrom(signed.Address, ""); err != nil {
		return nil, err
	}
	s.decided(&v, msg.first, msg.count)
	return nil, nil
}

// leaveUnsigned notes that a message is not signed, and why. Bounces to a sender whose mail would be signed but for a list
// are expected to come without a tag: the record remembers it, whatever becomes of the lists.
func (s *session) leaveUnsigned(v *Verdict) {
	msg := &s.msg
	if v.Reason == DoNotTag || v.Reason == ExcludedSender {
		s.record(v, s.server.hasher.Unsigned(msg.from.Fold().String()), store.DayOf(msg.now)+unsignedDays)
	}
	s.decided(v, msg.first, msg.count)
}

// record writes one record. The mail goes out whether or not the store answers: Guard notes the gap, and a gap means that
// bounces are verified by signature alone.
func (s *session) record(v *Verdict, key store.Key, expires store.Day) {
	_ = s.server.store.Record(context.Background(), store.DayOf(s.msg.now), store.Record{Key: key, Domain: v.Domain.Name, Expires: expires})
}
