package filter

import (
	"time"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// Method is what proved that a bounce answers mail that was sent from here: the method of the header, see [header].
type Method string

// The methods that prove a [Genuine] bounce. A correspondent does not: an outsider can know to whom a sender has written.
const (
	ByTag       Method = "tag"        // its tag, which is on record
	BySignature Method = "signature"  // its tag by the signature alone, because the store did not answer
	ByMessageID Method = "message-id" // a Message-ID that is on record as sent by its recipient
)

// Genuine is a bounce that is delivered, and proven to answer mail that was sent from here.
type Genuine struct {
	Time    time.Time // when its transaction began
	QueueID string    // of the bounce at the MTA; empty if the MTA has none
	Domain  string    // ours, as configured
	Sender  string    // of the mail that bounced: the recipient of the bounce, without its tag
	Method  Method
	Report  *bounce.Report
}

// tellGenuine hands on what is proven of a bounce that is delivered, once for each mailbox that gets it.
func (s *session) tellGenuine() {
	c := &s.msg.judged
	r := c.Report
	if s.server.genuine == nil || !judge.IsBounce(r) || r.Weak && !r.Failure {
		return
	}
	told := make(map[prvs.Address]bool, len(c.Recipients))
	for i := range c.Recipients {
		rcpt := &c.Recipients[i]
		method, proven := provenBy(&rcpt.Verdict)
		if !proven {
			continue
		}
		sender := rcpt.Address
		if rcpt.Verdict.Tag.Original != (prvs.Address{}) {
			sender = rcpt.Verdict.Tag.Original
		}
		if told[sender.Fold()] {
			continue
		}
		told[sender.Fold()] = true
		s.server.genuine(Genuine{
			Time: s.msg.now, QueueID: cut(s.msg.queueID), Domain: rcpt.Verdict.Domain.Name, Sender: sender.String(), Method: method, Report: r,
		})
	}
}

// provenBy says what proves a bounce to a recipient who gets it. proven is false for bounces that are delivered without proof.
func provenBy(v *policy.Verdict) (m Method, proven bool) {
	switch {
	case !v.Delivers():
		return "", false
	case v.Reason == policy.Valid && v.BySignature:
		return BySignature, true
	case v.Reason == policy.Valid:
		return ByTag, true
	case v.Reason == policy.ValidMessage:
		return ByMessageID, true
	}
	return "", false
}
