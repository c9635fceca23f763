package filter

import (
	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
)

// ordinaryRecipient decides about one recipient of mail that does not have the null sender.
func (s *session) ordinaryRecipient(rcpt *judge.Recipient) *milter.Response {
	msg := s.message()
	v := msg.judged.Ordinary(rcpt)
	rcpt.Verdict = v
	if v.Refuses() {
		if s.rcptReply && msg.kind != policy.Daemon && msg.state.policy.RefusesAt(&v) == policy.StageRcpt {
			msg.count--
			s.decided(&v, rcpt.Raw, 1)
			return s.server.replies.of(&v)
		}
		if msg.invalids++; msg.invalid == nil {
			msg.invalid = rcpt
		}
	}
	if (v.OfTag() || v.Domain != nil && msg.kind == policy.Daemon) && len(msg.judged.Recipients) < maxTagged {
		msg.judged.Recipients = append(msg.judged.Recipients, *rcpt)
	}
	return milter.RespContinue
}

// refuseInvalid refuses a message with a recipient whose tag is wrong, for all its recipients: there is one reply. It returns nil if
// there is none. The sender, who is not the null one, is told by the client.
func (s *session) refuseInvalid() *milter.Response {
	msg := s.message()
	if msg.invalid == nil {
		return nil
	}
	s.decided(&msg.invalid.Verdict, msg.invalid.Raw, msg.invalids)
	return s.server.replies.of(&msg.invalid.Verdict)
}
