package filter

import (
	"strings"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/filter/routes"
	"github.com/bouncefilter/bouncefilter/store"
)

// bounceRecipient decides about one recipient of a bounce at RCPT, without asking the store.
func (s *session) bounceRecipient(rcpt *judge.Recipient) *milter.Response {
	msg := s.message()
	if len(msg.judged.Recipients) >= maxBounceRecipients {
		msg.overflow = !s.rcptReply
		return s.server.replies.tooManyRecipients
	}
	if msg.judged.Rcpt(rcpt, s.rcptReply) {
		s.decided(&rcpt.Verdict, rcpt.Raw, 1)
		return s.server.replies.of(&rcpt.Verdict)
	}
	msg.count++
	return milter.RespContinue
}

// bounceData refuses what may be refused before the content is seen, and lets pass what needs no decision.
func (s *session) bounceData() *milter.Response {
	msg := s.message()
	result := msg.judged.Data()
	switch {
	case msg.overflow:
		return s.server.replies.tooManyRecipients
	case len(msg.judged.Recipients) == 0:
		// All were refused at RCPT, and a client that goes on regardless has no recipient to deliver to.
		return s.tempfail()
	case result == judge.Refused:
		return s.refuseAll()
	case result == judge.Pass:
		return milter.RespAccept
	}
	s.wantOfBounce()
	return milter.RespContinue
}

// wantOfBounce asks for as much of the content as the recipients need.
func (s *session) wantOfBounce() {
	msg := s.message()
	if n := msg.judged.WantsBody(); n > 0 {
		s.read(n)
		return
	}
	s.dropContent()
	if name := msg.state.policy.Settings().HeaderName; name != "" {
		s.conn.WantHeaders([]string{name}) // to remove copies of ours
	} else {
		s.conn.WantHeaders(nil)
	}
}

// bounceEnd decides about a bounce and carries the decision out.
func (s *session) bounceEnd(m milter.Modifier) (*milter.Response, error) {
	msg := s.message()
	c := &msg.judged
	if len(c.Recipients) == 0 {
		return milter.RespAccept, nil
	}
	result := c.End()
	if !msg.test {
		s.noteRoute()
		defer s.noteSource() // below the line about the message
	}
	switch result {
	case judge.Refused:
		return s.refuseAll(), nil
	case judge.Discarded:
		s.report()
		return milter.RespDiscard, nil
	}
	var changes changes
	changes.ofBounce(msg.state.policy, m, c.Recipients, msg.copies)
	if !msg.test {
		s.server.view.Use(store.DayOf(msg.now), c.Used())
	}
	if err := changes.apply(m); err != nil {
		return nil, err
	}
	if !msg.test {
		s.countReport()
		s.tellGenuine()
	}
	s.report()
	return milter.RespAccept, nil
}

// routeRepeats is after how many bounces that look like those of one other route its source is one that repeats.
const routeRepeats = 3

// noteRoute counts a bounce that looks like one of mail that left through another route.
func (s *session) noteRoute() {
	r, ok := s.server.routes.Observe(&s.msg.judged)
	if !ok {
		return
	}
	s.msg.leftThrough, s.msg.leftOn = r.Source, store.DayOf(r.Sent).String()
	s.msg.repeats = r.Bounces >= routeRepeats
	if r.Reached {
		s.msg.route = r.Source
		s.server.stats.otherRoute.Add(1)
	}
	if r.Report {
		s.server.log.Warn("this sender seems to send through another route",
			"sender", angle(r.Sender), "source", r.Source, "count", r.Bounces, "since", formatTime(r.Since),
			"original", angle(r.Original), "remedy", routes.Remedy(r.Sender))
	}
}

// noteSource counts mail with the null sender that nothing proves and that is delivered all the same.
func (s *session) noteSource() {
	if src, report := s.server.sources.Observe(&s.msg.judged); report {
		s.server.log.Info(src.What(), "source", src.Name(), "client", src.Client, "count", src.Count,
			"refused", src.Refused, "since", formatTime(src.Since), "remedy", src.Remedy())
	}
}

// countReport counts what a delivered bounce reports.
func (s *session) countReport() {
	c := &s.msg.judged
	if c.Report == nil {
		return
	}
	for i := range c.Recipients {
		if v := &c.Recipients[i].Verdict; v.Domain != nil && v.Action != policy.ActionDiscard {
			s.server.stats.countReport(v.Domain.Name, c.Report)
			return
		}
	}
}

// refuseAll refuses the message for all its recipients.
func (s *session) refuseAll() *milter.Response {
	s.report()
	return s.server.replies.of(s.msg.judged.Refusal())
}

// ownHeader counts the copies of our header that a message came with.
func (msg *message) ownHeader(name string) {
	if strings.EqualFold(name, msg.state.policy.Settings().HeaderName) {
		msg.copies++
	}
}

// report counts and logs the verdicts: one line for all recipients that were treated alike.
func (s *session) report() {
	rs := s.msg.judged.Recipients
	for i := range rs {
		v := &rs[i].Verdict
		if v.Domain == nil || rs[i].Reported { // not ours, or reported when it was refused at DATA before
			continue
		}
		alike := 0
		for j := i; j < len(rs); j++ {
			o := &rs[j].Verdict
			if !rs[j].Reported && o.Reason == v.Reason && o.Would == v.Would && o.Cause == v.Cause && o.Action == v.Action && o.Domain == v.Domain {
				rs[j].Reported = true
				alike++
			}
		}
		s.decidedBounce(&rs[i], alike)
	}
}

// read lets the content of the message be read, with so much of its body.
func (s *session) read(bodyBytes int) {
	s.dropContent()
	if s.msg.short {
		return
	}
	s.msg.content = newContent(&s.server.contents, s.msg.sender, bodyBytes)
	s.conn.WantContent()
	s.holdContent()
}

// fullBody is how much of the body of a bounce is read that may need proof, in octets.
func fullBody() int { return bounce.DefaultLimits().BodyBytes }
