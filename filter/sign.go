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
	today := prvs.DayOf(msg.now)
	var rec store.Record
	var signed prvs.Signed
	switch v.Reason {
	case Signed:
		var err error
		signed, err = msg.state.policy.set.Keys.Sign(msg.from, v.Domain.Form, today)
		if err != nil || m.Version() < 6 || m.Actions()&milter.OptChangeFrom == 0 {
			// Mail that leaves unsigned would have its bounces refused.
			v.Reason, v.Action = CannotSign, ActionDefer
			s.decided(&v, msg.first, msg.count)
			return s.server.replies.of(CannotSign, ActionDefer), nil
		}
		v.Tag = prvs.Result{Number: signed.Number, Expiry: signed.Expiry, Original: msg.from}
		rec.Key = s.server.hasher.Tag(msg.from.Fold().String(), store.Day(signed.Expiry), signed.Number)
		rec.Expires = store.Day(signed.Expiry)
	case DoNotTag:
		rec.Key = s.server.hasher.Unsigned(msg.from.Fold().String())
		rec.Expires = store.Day(today) + unsignedDays
	default:
		s.decided(&v, msg.first, msg.count)
		return nil, nil
	}
	rec.Domain = v.Domain.Name
	// The mail goes out whether or not the store answers: Guard notes the gap, and a gap means that bounces are verified
	// by signature alone.
	_ = s.server.store.Record(context.Background(), store.Day(today), rec)
	if v.Reason == Signed {
		if err := m.ChangeFrom(signed.Address, ""); err != nil {
			return nil, err
		}
	}
	s.decided(&v, msg.first, msg.count)
	return nil, nil
}
