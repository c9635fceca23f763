package live

import (
	"context"
	"fmt"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/probe"
	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
)

// mta asks the MTA about recipients of bounces, as another site does that asks whether a user exists. The session ends before
// a message is handed over.
func (l *live) mta(ctx context.Context) {
	where := "MTA " + l.SMTP
	fail := func(what string, err error) {
		l.steps = append(l.steps, Step{Where: where, What: what, Remark: err.Error()})
	}
	before, uncounted := l.Connections(ctx)
	s, err := probe.DialSMTP(ctx, l.SMTP)
	if err != nil {
		fail("a client connects", err)
		return
	}
	defer func() { _ = s.Quit() }() // all that matters was answered
	begin := Step{Where: where, What: "a bounce begins", Command: "MAIL FROM:<>"}
	command := begin.Command
	if s.Has("DSN") { // an MTA that does not take the mark hands none on: what it asks the daemon is counted
		command = strings.TrimSpace(command + " " + l.params())
	}
	if begin.Reply, err = s.Command(command); err != nil {
		fail(begin.What, fmt.Errorf("%s: %w", begin.Command, err))
		return
	}
	if begin.OK = isPositive(begin.Reply); !begin.OK {
		begin.Remark = "every MTA must accept bounces (RFC 5321 section 4.5.5); the MTA's log says why it does not, such as a milter that it cannot reach"
	}
	l.steps = append(l.steps, begin)
	if !begin.OK {
		return // replies to RCPT would say nothing
	}
	if err := l.recipients(ctx, where, s); err != nil {
		fail("a client asks about recipients", err)
		return
	}
	step := Step{Where: where, What: "the MTA asks the milter", Command: "MAIL FROM:<>", OK: true}
	if uncounted != nil {
		step.OK, step.Skipped, step.Remark = false, true, fmt.Sprintf("not seen: %v", uncounted)
		l.steps = append(l.steps, step)
		return
	}
	after, err := l.Connections(ctx)
	if err != nil {
		fail(step.What, err)
		return
	}
	if step.Reply = fmt.Sprintf("%d connections to the milter before, %d after", before, after); after <= before {
		step.OK = false
		step.Remark = "smtpd_milters of Postfix or INPUT_MAIL_FILTER of Sendmail does not name bouncefilter for this port, or the MTA keeps connections open"
	}
	l.steps = append(l.steps, step)
}

// answerJudge says whether a reply is as it should be, and what is to be said about it.
type answerJudge func(reply string) (ok bool, remark string)

// accepted is true of replies that accept; others get the remark.
func accepted(remark string) answerJudge {
	return func(reply string) (bool, string) {
		if isPositive(reply) {
			return true, ""
		}
		return false, remark
	}
}

// isPositive is true of positive replies (RFC 5321 section 4.2.1).
func isPositive(reply string) bool { return strings.HasPrefix(reply, "2") }

// recipients asks about recipients with and without tags.
func (l *live) recipients(ctx context.Context, where string, s *probe.SMTP) error {
	unknownUser := l.unknownUser()
	signedUser, err := l.tagged(l.User)
	if err != nil {
		return err
	}
	signedUnknown, err := l.tagged(unknownUser)
	if err != nil {
		return err
	}
	unknown := ""
	for _, question := range []struct {
		what, command string
		judge         answerJudge
	}{
		{"another site asks whether the user exists", rcptTo(l.User.String()),
			accepted("other sites will not accept this user's mail; if there is no such user, name one with --user")},
		{"the user's address with a tag", rcptTo(signedUser.Address), accepted("bounces of signed mail are refused: let the MTA know tagged recipients")},
		{"an address that does not exist", rcptTo(unknownUser.String()), func(reply string) (bool, string) {
			unknown = reply
			return true, ""
		}},
		{"the same with a tag", rcptTo(signedUnknown.Address), func(reply string) (bool, string) {
			switch {
			case isPositive(reply) == isPositive(unknown):
				return true, ""
			case isPositive(reply):
				return false, "mail to users that do not exist is accepted when it carries a tag: the MTA will have to bounce it"
			}
			return false, "without a tag the answer is " + unknown
		}},
		{"the user's address with a forged tag", rcptTo(l.forged(signedUser.Address)), func(reply string) (bool, string) {
			to := l.forged(signedUser.Address)
			return l.forgedAtMTA(s, l.explain(ctx, l.Record.Role(), probe.Message{To: to, Text: forgedBounce(to)}), reply)
		}},
	} {
		reply, err := s.Command(question.command)
		if err != nil {
			return fmt.Errorf("%s: %w", question.command, err)
		}
		step := Step{Where: where, What: question.what, Command: question.command, Reply: reply}
		step.OK, step.Remark = question.judge(reply)
		l.steps = append(l.steps, step)
	}
	return nil
}

func rcptTo(address string) string { return "RCPT TO:<" + strings.Trim(address, "<>") + ">" }

// forgedAtMTA judges the reply to a forged tag, of which the configuration says what is to be done.
func (l *live) forgedAtMTA(s *probe.SMTP, want *judge.Explanation, reply string) (ok bool, remark string) {
	p := l.Site.Policy
	switch {
	case want.Reply.Code != 0 && want.Stage == policy.StageRcpt && strings.Contains(reply, want.Reply.Text): // Sendmail puts the address between code and text
		return true, ""
	case strings.Contains(reply, guessed.Text):
		return true, guessedRemark
	case !isPositive(reply):
		return false, "refused, but not by bouncefilter"
	case want.Reply.Code == 0:
		return true, whyAccepted(&want.Verdict)
	case p.Outbound(policy.Origin{Client: s.Client()}):
		return true, fmt.Sprintf("accepted, since %s is in outbound.networks: bounces from there are this site's own", s.Client())
	case want.Stage > policy.StageRcpt:
		return true, "accepted for now: the content may prove a bounce, so that a wrong tag is refused at the end of the message"
	}
	return false, "this should be refused: the MTA does not ask the milter"
}
