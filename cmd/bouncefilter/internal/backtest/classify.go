package backtest

import (
	"context"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/evidence"
	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// classify says what the verdict means, given what is known of sent mail. The daemon records each message that leaves. Saved mail may
// lack some: what the daemon would refuse for that is looked at once more.
func (j *judging) classify(m *Message, c *judge.Case, from *candidate, recipient prvs.Address, report *bounce.Report) {
	v := &c.Recipients[0].Verdict
	isBounce := judge.IsBounce(report)
	switch {
	case v.Reason == policy.ValidMessage || v.Reason == policy.ValidCorrespondent:
		m.Class, m.Sure = Reply, true
		if isBounce {
			m.Class, m.Why = Genuine, WhyMessage
			j.toTag(m, from)
		}
	case v.Cause == policy.OwnMail:
		m.Class, m.Why, m.Sure = Reply, WhyOwn, true
		if isBounce {
			m.Class = Genuine
		}
	case v.Reason == policy.NoBounce || v.Would == policy.NoBounce:
		m.Class, m.Sure = NoBounce, !from.unknown
	case v.Reason == policy.Exempt && isBounce && j.answersSent(recipient, report, c.Now):
		m.Class, m.Why, m.Sure = Genuine, WhyMessage, true // which the tag would have proven, whatever its recipient is exempt from
		j.toTag(m, from)
	case v.Reason == policy.Exempt:
		m.Class, m.Sure = Unproven, true
	case isBounce && j.record.wroteTo(recipient, report, from.time):
		m.Class, m.Why = Genuine, WhyRecipient
		j.toTag(m, from)
	case from.unknown && !isBounce:
		j.cannotTell(m, WhyNoPath)
	case v.Cause == policy.IncompleteRecord:
		j.missing(m, report, from)
	case v.Delivers():
		m.Class, m.Sure = Unproven, true
	default:
		j.refused(m, c, from, report)
	}
}

// answersSent says whether a report names a message that its recipient has sent.
func (j *judging) answersSent(recipient prvs.Address, report *bounce.Report, at time.Time) bool {
	named := evidence.Of(report, j.policy)
	q := evidence.NewInquiry(j.policy, j.hasher, store.DayOf(at), report)
	q.Ask(recipient, prvs.Result{}, &named)
	findings, _, err := q.Answer(context.Background(), j.record)
	return err == nil && findings[0].Proof == policy.ProofMessage
}

// toTag says that a bounce would have come to the tag that its message had.
func (j *judging) toTag(m *Message, from *candidate) {
	if from.sender == "" {
		m.Reason, m.Action, m.Cause, m.Would = policy.Valid.String(), policy.ActionAccept.String(), "", ""
		if m.Content = policy.ValidMessage.String(); m.Why != WhyMessage {
			m.Content = policy.Untagged.String()
		}
	}
}

func (j *judging) cannotTell(m *Message, why Why) {
	m.Class, m.Why, m.Sure = CannotTell, why, false
	m.Reason, m.Cause, m.Would, m.Action = "", "", "", ""
}

// missing is about what names a message that may have been sent before, or beside, the mail that is known. The hosts that the message has
// passed tell, if it was returned with its Received fields.
func (j *judging) missing(m *Message, report *bounce.Report, from *candidate) {
	path := report.Path()
	switch {
	case j.names(report, path):
		j.cannotTell(m, WhyOwnHost)
	case len(path) == 0:
		j.cannotTell(m, WhyNoSent)
	default:
		m.Class, m.Why = Backscatter, WhyPath
		m.Reason, m.Cause, m.Would, m.Action = policy.Untagged.String(), "", "", j.policy.Action(policy.Untagged).String()
		if from.sender != "" && !j.policy.Settings().MailerDaemons.Refuse {
			m.Class, m.Would, m.Cause, m.Action = Unproven, m.Reason, policy.MailerDaemon.String(), policy.MailerDaemon.Action().String()
		}
	}
}

// names says whether a report names a host of the site where that tells that the message was sent from here. Spammers also forge the right
// side of a Message-ID, but not what an MTA writes about the way of a message.
func (j *judging) names(report *bounce.Report, path []string) bool {
	if len(path) > 0 {
		return j.ours(path...) || j.ours(report.ReceivedFrom)
	}
	return j.ours(report.ReceivedFrom, report.ReportingMTA, hostOfID(report.Original().MessageID))
}

// hostOfID returns the right side of a Message-ID.
func hostOfID(id string) string { return id[strings.LastIndexByte(id, '@')+1:] }

// refused is about what the daemon would refuse.
func (j *judging) refused(m *Message, c *judge.Case, from *candidate, report *bounce.Report) {
	m.Class, m.Why = Backscatter, WhyAbsent
	path := report.Path()
	// A log of the whole week before has each message to which this could be a bounce.
	logged := !j.record.logSince.IsZero() && j.record.logSince.Before(from.time.Add(-soon))
	named := report.Original().MessageID != ""
	if !named {
		m.Why = WhyNone
	}
	_, verified := report.VerifiedHandOver()
	switch {
	case j.ours(verified): // it may have left past the mail server that writes the log
		j.cannotTell(m, WhyOwnHost)
	case logged:
		m.Sure = true
	case j.names(report, path):
		j.cannotTell(m, WhyOwnHost)
	case len(path) > 0:
		m.Sure = named
		if !named {
			m.Why = WhyPath
		}
	case !named && (j.record.since.IsZero() || j.record.since.After(from.time.Add(-soon))):
		j.cannotTell(m, WhyNoSent)
	}
}

// logOnly is about a message with the null sender of which only a log tells.
func (j *judging) logOnly(l *logged) {
	for _, to := range l.to {
		recipient, ok := j.recipient([]string{to.address})
		if !ok || to.remote {
			continue
		}
		if l.refused {
			j.s.counts.Rejected++
			return
		}
		m := Message{QueueID: l.queueID, MessageID: l.messageID, Time: l.first, Client: l.client, Recipient: j.policy.Mailbox(recipient).String(),
			Class: CannotTell, Why: WhyLogUnknown}
		if l.address.IsValid() {
			m.Client = l.address.String()
		}
		bare := j.policy.BareMailbox(recipient).String()
		switch when := j.record.first[bare+" "+site(l.client)]; {
		case l.origin == here:
			m.Class, m.Why, m.Sure = Genuine, WhyOwn, true
			m.Reason, m.Cause, m.Action = policy.Exempt.String(), policy.OwnMail.String(), policy.ActionAccept.String()
		case !when.IsZero() && when.Before(l.first):
			m.Why = WhyLogKnown
		}
		j.messages = append(j.messages, m)
		return
	}
}
