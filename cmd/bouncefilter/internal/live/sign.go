package live

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/probe"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// signing hands the daemon a message of the user, as an MTA does after a login, and looks at the sender that it gets. A first
// signed message begins the time after which mode auto enforces, so there must have been one.
func (l *live) signing(ctx context.Context, ln config.Listener, where string) Step {
	step := Step{Where: where, What: "mail of the user, who has logged in, is signed", Command: "MAIL FROM:<" + l.User.String() + ">", OK: true}
	p := l.Site.Policy
	want := p.Sender(policy.SenderFacts{Sender: l.User})
	d := p.Domain(l.User.Domain)
	signing, err := l.Record.HasSigned(ctx, d.Name)
	skip := func(why string) Step {
		step.OK, step.Skipped, step.Remark = false, true, "not tried"+why
		return step
	}
	switch {
	case !p.Settings().Outbound.Authenticated:
		return skip(": clients that log in are not signed (outbound.authenticated)")
	case want.Reason != policy.Signed:
		return skip(fmt.Sprintf(": this sender is not signed (%s)", want.Reason))
	case err != nil || !signing && d.Mode == policy.ModeAuto:
		return skip(", since nothing was signed yet, and a first signed message lets mode auto enforce one lifetime later: send a message through the mail server, and look into the log")
	}
	network, address := ln.Address.Target()
	outcome, err := probe.Deliver(network, address, client("check"), probe.Message{From: l.User.String(), To: "check@client.example.net", Text: ownMessage(l.User.String()), Params: l.params()})
	step.Reply = outcome.Reply
	for _, c := range outcome.Changes {
		if c.Type == milter.ActionChangeFrom {
			step.Reply = "the sender becomes " + c.From
			if a, err := prvs.ParseAddress(strings.Trim(c.From, "<>")); err == nil && p.Settings().Keys.Verify(a, prvs.DayOf(l.Now)).Status == prvs.Valid {
				return step
			}
			step.OK, step.Remark = false, "its tag does not verify with the keys of this configuration: systemctl reload bouncefilter"
			return step
		}
	}
	step.OK, step.Remark = false, "the message is not signed: does the daemon run with this configuration? systemctl reload bouncefilter"
	if err != nil {
		step.Remark = fmt.Sprintf("the daemon does not answer: %v", err)
	}
	return step
}

// ownMessage is a message that is not delivered.
func ownMessage(from string) string {
	return "From: " + from + "\nTo: check@client.example.net\nSubject: check\nMessage-ID: <" + strings.ToLower(rand.Text()) + "@check.invalid>\n\nThis is the check of bouncefilter.\n"
}
