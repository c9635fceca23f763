package filter

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// bounceRecipient decides about one recipient of a bounce at RCPT, without asking the store.
func (s *session) bounceRecipient(rcpt recipient) *milter.Response {
	msg := &s.msg
	if len(msg.recipients) >= maxBounceRecipients {
		msg.overflow = !s.rcptReply
		return s.server.replies.tooManyRecipients
	}
	v := s.judge(rcpt.address, finding{}, store.Completeness{})
	if s.rcptReply && v.Refuses() && msg.state.policy.RefusesAt(&v) == StageRcpt {
		s.decided(&v, rcpt.raw, 1)
		return s.server.replies.of(v.Reason, v.Action)
	}
	rcpt.verdict = v
	msg.count++
	msg.recipients, msg.asked = append(msg.recipients, rcpt), false
	return milter.RespContinue
}

// judge asks the policy about a recipient.
func (s *session) judge(a prvs.Address, f finding, m store.Completeness) Verdict {
	return s.msg.state.policy.Recipient(s.facts(a, f, m), s.msg.now)
}

// facts collects what is known about a recipient.
func (s *session) facts(a prvs.Address, f finding, m store.Completeness) RecipientFacts {
	msg := &s.msg
	since, signing := s.server.signingSince(lower(a.Domain))
	return RecipientFacts{
		Address:      a,
		Client:       s.client,
		Helo:         s.helo,
		Sender:       msg.sender,
		Own:          msg.own,
		Daemon:       msg.kind == kindDaemon,
		Issued:       f.issued,
		Use:          f.tag,
		Revoked:      s.server.revoked.Load(),
		Proof:        f.proof,
		Complete:     m,
		Doubt:        msg.unheard || s.server.doubtful(),
		Began:        s.server.recordBegan(),
		SigningSince: since,
		Signing:      signing,
	}
}

// bounceData refuses what may be refused before the content is seen, and lets pass what needs no decision.
func (s *session) bounceData() *milter.Response {
	msg := &s.msg
	open, refused := 0, 0
	for i := range msg.recipients {
		// A tag that the record has something against is for the content to prove, which is read for nothing else then.
		v := &msg.recipients[i].verdict
		if d := v.Domain; d != nil && (d.RefuseUntaggedAtData || v.Reason == Valid && !msg.state.policy.set.ReadAll) {
			s.askStore(nil)
			break
		}
	}
	for i := range msg.recipients {
		v := &msg.recipients[i].verdict
		switch {
		case v.Refuses() && msg.state.policy.RefusesAt(v) <= StageData:
			refused++
		case v.Reason != NotProtected:
			open++
		}
	}
	switch {
	case msg.overflow:
		return s.server.replies.tooManyRecipients
	case len(msg.recipients) == 0:
		// All were refused at RCPT, and a client that goes on regardless has nobody to deliver to.
		return s.tempfail()
	case refused == len(msg.recipients):
		return s.refuseAll()
	case open == 0 && refused == 0:
		return milter.RespAccept
	}
	s.wantOfBounce()
	return milter.RespContinue
}

// wantOfBounce asks for as much of the content as the recipients need.
func (s *session) wantOfBounce() {
	msg := &s.msg
	p := msg.state.policy
	bodyBytes := 0
	for i := range msg.recipients {
		v := &msg.recipients[i].verdict
		switch {
		case p.NeedsProof(v):
			s.read(bounce.DefaultLimits().BodyBytes)
			return
		case v.Domain != nil && p.set.ReadAll:
			bodyBytes = detailBytes
		}
	}
	if bodyBytes > 0 {
		s.read(bodyBytes)
		return
	}
	msg.content = nil
	if name := p.set.HeaderName; name != "" {
		s.conn.Want([]string{name}, false) // to remove copies of ours
	} else {
		s.conn.Want(nil, false)
	}
}

// isBounce says whether what did not come with the null sender is a bounce nevertheless.
func isBounce(r *bounce.Report) bool {
	return r != nil && (r.Kind == bounce.DSN || r.Kind == bounce.Bounce)
}

// bounceEnd asks the store once about all recipients, decides, and carries the decision out.
func (s *session) bounceEnd(m milter.Modifier) (*milter.Response, error) {
	msg := &s.msg
	if len(msg.recipients) == 0 {
		return milter.RespAccept, nil
	}
	if !msg.asked || msg.report != nil || msg.unread {
		s.askStore(msg.report)
	}
	s.noteRoute()
	verdicts := make([]*Verdict, len(msg.recipients))
	refused, discarded := 0, 0
	for i := range msg.recipients {
		verdicts[i] = &msg.recipients[i].verdict
	}
	msg.state.policy.SeveralRecipients(verdicts)
	for _, v := range verdicts {
		switch {
		case v.Refuses():
			refused++
		case v.Action == ActionDiscard:
			discarded++
		}
	}
	switch {
	case refused > 0:
		return s.refuseAll(), nil
	case discarded == len(verdicts):
		s.report()
		return milter.RespDiscard, nil
	}
	if err := s.deliver(m); err != nil {
		return nil, err
	}
	s.countAnswers()
	s.countReport()
	s.report()
	return milter.RespAccept, nil
}

// askStore completes the verdicts with what the store knows about tags and about what the report names. Before something is refused
// for want of a record, the other nodes are heard, and what they may have recorded meanwhile is looked up.
func (s *session) askStore(r *bounce.Report) {
	s.lookUp(r)
	byAbsence := func(r recipient) bool { return r.verdict.ByAbsence }
	if slices.ContainsFunc(s.msg.recipients, byAbsence) {
		if s.msg.unheard = !s.server.heardOthers(); s.msg.unheard || s.server.hasOthers() {
			s.lookUp(r)
		}
	}
	s.msg.asked = true
}

// lookUp asks the store in one round trip. It takes a second one if a tag turns out not to be on record, so that proofs are looked
// for where they are needed alone.
func (s *session) lookUp(r *bounce.Report) {
	var e *evidence
	if r != nil {
		found := evidenceOf(r)
		e = &found
	}
	if proofOpen := s.askStoreOnce(e); proofOpen {
		s.askStoreOnce(e)
	}
}

// askStoreOnce says whether there is a recipient for whom a proof is needed and was not asked for.
func (s *session) askStoreOnce(e *evidence) (proofOpen bool) {
	msg := &s.msg
	p := msg.state.policy
	q := inquiry{hasher: s.server.hasher, today: store.DayOf(msg.now), failed: failedRecipients(msg.report)}
	for i := range msg.recipients {
		rcpt := &msg.recipients[i]
		switch {
		case rcpt.verdict.Domain == nil:
		case p.NeedsProof(&rcpt.verdict):
			q.ask(rcpt.address, rcpt.verdict.Tag, e)
		default:
			q.ask(rcpt.address, rcpt.verdict.Tag, nil)
		}
	}
	findings, memory, _ := q.answer(context.Background(), reliable{s.server}, p)
	msg.memory = memory
	for i := range msg.recipients {
		rcpt := &msg.recipients[i]
		if rcpt.verdict.Domain == nil {
			continue
		}
		asked := p.NeedsProof(&rcpt.verdict)
		rcpt.finding, findings = findings[0], findings[1:]
		if msg.unread {
			rcpt.finding.proof = ProofUnknown
		}
		rcpt.verdict = s.judge(rcpt.address, rcpt.finding, memory)
		proofOpen = proofOpen || e != nil && !asked && p.NeedsProof(&rcpt.verdict)
	}
	return proofOpen
}

// countAnswers counts the bounces that are delivered, for the tags that they came to and for the messages that prove them. What is
// not counted, because the store does not answer, lets one more be delivered.
func (s *session) countAnswers() {
	var rs []store.Record
	for i := range s.msg.recipients {
		rcpt := &s.msg.recipients[i]
		if rcpt.verdict.Reason == ValidMessage || rcpt.verdict.Reason == ValidCorrespondent {
			rs = append(rs, rcpt.finding.use)
		}
		if rcpt.verdict.Domain != nil && rcpt.verdict.Action != ActionDiscard {
			rs = append(rs, rcpt.finding.answered...)
		}
	}
	s.server.notes.add(store.DayOf(s.msg.now), rs)
}

// countReport counts what a delivered bounce reports.
func (s *session) countReport() {
	if s.msg.report == nil {
		return
	}
	for i := range s.msg.recipients {
		if v := &s.msg.recipients[i].verdict; v.Domain != nil && v.Action != ActionDiscard {
			s.msg.state.stats[v.Domain].countReport(s.msg.report)
			return
		}
	}
}

// refuseAll refuses the message for all its recipients. If one of them is only deferred, all are: the client comes back,
// and nothing is lost.
func (s *session) refuseAll() *milter.Response {
	s.report()
	var first *Verdict
	for i := range s.msg.recipients {
		v := &s.msg.recipients[i].verdict
		if v.Refuses() && (first == nil || v.Action == ActionDefer && first.Action != ActionDefer) {
			first = v
		}
	}
	return s.server.replies.of(first.Reason, first.Action)
}

// deliver applies the verdicts of a message that at least one recipient gets.
func (s *session) deliver(m milter.Modifier) error {
	msg := &s.msg
	var mark *Verdict // the verdict that the header tells: the most serious one
	for i := range msg.recipients {
		r := &msg.recipients[i]
		v := &r.verdict
		switch {
		case v.Action == ActionDiscard:
			if err := deleteRecipient(m, r); err != nil {
				return err
			}
			continue
		case v.Tag.Status == prvs.Valid || v.Tag.Status == prvs.Expired || v.Tag.Status == prvs.Unverifiable,
			v.Reason == ValidMessage && v.Tag.Status == prvs.Malformed && !v.Tag.Original.IsNull():
			if err := replaceRecipient(m, r); err != nil {
				return err
			}
		}
		if v.Domain != nil && (mark == nil || seriousness(v) > seriousness(mark)) {
			mark = v
		}
	}
	if mark == nil {
		return nil
	}
	if mark.Action == ActionQuarantine {
		if err := m.Quarantine("bouncefilter: " + mark.Reason.String()); err != nil && !errors.Is(err, milter.ErrModificationNotAllowed) {
			return err
		}
	}
	return s.writeHeader(m, mark)
}

// seriousness orders verdicts for the one header of a message.
func seriousness(v *Verdict) int {
	switch {
	case v.Action == ActionQuarantine:
		return 3
	case v.Action == ActionTag || v.Action == ActionMonitor:
		return 2
	case v.Would != None:
		return 1
	}
	return 0
}

// ownHeader counts the copies of our header that a message came with.
func (msg *message) ownHeader(name string) {
	if strings.EqualFold(name, msg.state.policy.set.HeaderName) {
		msg.copies++
	}
}

// writeHeader removes the copies of our header that the message came with, last one first because Postfix renumbers
// them, and adds ours at the top.
func (s *session) writeHeader(m milter.Modifier, v *Verdict) error {
	p := s.msg.state.policy
	name := p.set.HeaderName
	if name == "" {
		return nil
	}
	if m.Actions()&milter.OptChangeHeader != 0 {
		for i := s.msg.copies; i > 0; i-- {
			if err := m.ChangeHeader(i, name, ""); err != nil {
				return err
			}
		}
	}
	if m.Actions()&milter.OptAddHeader == 0 {
		return nil
	}
	return m.InsertHeader(0, name, p.Header(v))
}

// report counts and logs the verdicts: one line for all recipients that were treated alike.
func (s *session) report() {
	rs := s.msg.recipients
	for i := range rs {
		v := &rs[i].verdict
		if v.Domain == nil || rs[i].told { // not ours, or told when it was refused at DATA before
			continue
		}
		alike := 0
		for j := i; j < len(rs); j++ {
			o := &rs[j].verdict
			if !rs[j].told && o.Reason == v.Reason && o.Would == v.Would && o.Action == v.Action && o.Domain == v.Domain {
				rs[j].told = true
				alike++
			}
		}
		s.decided(v, rs[i].raw, alike)
	}
}
