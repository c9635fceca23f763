package filter

import (
	"context"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

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
	if err := s.identify(m); err != nil {
		return nil, err
	}
	expires := store.Day(signed.Expiry)
	tag := store.Record{
		Key:     s.server.hasher.Tag(msg.from.Fold().String(), expires, signed.Number),
		Expires: expires,
		Count:   uint32(msg.count),
	}
	s.record(&v, append(s.sentRecords(), tag)...)
	if err := m.ChangeFrom(signed.Address, ""); err != nil {
		return nil, err
	}
	s.decided(&v, msg.first, msg.count)
	return nil, nil
}

// identify gives the message a Message-ID if it has none.
//
// QUIRK: Sendmail adds its own only on delivery, and Postfix none for clients that are not on its own host
// (local_header_rewrite_clients): what comes back would not be known.
func (s *session) identify(m milter.Modifier) error {
	msg := &s.msg
	p := msg.state.policy
	if len(msg.sent.ids) > 0 || !p.set.AddMessageID || m.Actions()&milter.OptAddHeader == 0 {
		return nil
	}
	id := newMessageID(p.set.Hostname)
	msg.sent.ids = append(msg.sent.ids, foldID(id))
	return m.AddHeader(sentHeaders[0], "<"+id+">")
}

// remembered returns the last day on which what happens now is on record.
func (s *session) remembered() store.Day {
	return store.DayOf(s.msg.now) + store.Day(s.msg.state.policy.set.Proofs.Retention)
}

// leaveUnsigned notes that a message is not signed, and why. Bounces to a sender whose mail would be signed but for a list
// are expected to come without a tag: the record remembers it, whatever becomes of the lists.
func (s *session) leaveUnsigned(v *Verdict) {
	msg := &s.msg
	rs := s.sentRecords()
	if v.Reason == DoNotTag || v.Reason == ExcludedSender {
		for _, a := range msg.sent.addresses(msg.state.policy, msg.from) {
			rs = append(rs, store.Record{Key: s.server.hasher.Unsigned(a), Expires: s.remembered()})
		}
	}
	s.record(v, rs...)
	s.decided(v, msg.first, msg.count)
}

// warnUnsigned tells that a message which would be signed elsewhere leaves through a listener that only verifies.
func (s *session) warnUnsigned() {
	if v := s.senderVerdict(); v.Reason == Signed {
		v.Reason, v.Action = VerifyOnly, s.msg.state.policy.actions[VerifyOnly]
		s.decided(&v, s.msg.first, s.msg.count)
	}
}

// sentRecords returns what is recorded of the message, but for its tag.
func (s *session) sentRecords() []store.Record {
	msg := &s.msg
	addresses := msg.sent.addresses(msg.state.policy, msg.from)
	return msg.sent.records(s.server.hasher, addresses, uint32(msg.count), s.remembered())
}

// record writes what a message leaves behind. The mail goes out whether or not the store answers: Guard keeps it on
// disk, or notes a gap, and a gap means that bounces are verified by signature alone.
func (s *session) record(v *Verdict, rs ...store.Record) {
	if len(rs) == 0 {
		return
	}
	domain := ""
	if v.Domain != nil {
		domain = v.Domain.Name
	}
	_ = s.server.store.Record(context.Background(), store.DayOf(s.msg.now), domain, rs...)
}
