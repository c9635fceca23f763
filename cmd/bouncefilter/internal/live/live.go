// Package live asks running servers whether they answer as they should: the daemon, in the role of an MTA, and the MTA, in the role of
// another site. Nothing is delivered.
package live

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/control"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/probe"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// Step is one question to a running server, and its answer.
type Step struct {
	Where   string `json:"where"`   // "milter tcp:127.0.0.1:8766", "MTA 127.0.0.1:25"
	What    string `json:"what"`    // what is tried
	Command string `json:"command"` // the SMTP command that was answered
	Reply   string `json:"reply"`
	OK      bool   `json:"ok"`
	Skipped bool   `json:"skipped,omitempty"` // the question was not asked, for the reason in the remark
	Remark  string `json:"remark,omitempty"`  // why it is not, or why it is although a reader may wonder
}

// Options says who is asked about whom, and what the answers are compared with.
type Options struct {
	Site   *site.Site
	Record *control.Record
	Now    time.Time
	User   prvs.Address // of one of the site's domains, who exists
	SMTP   string       // host:port of the MTA
	// Connections returns how many connections of MTAs the daemon has served.
	Connections func(context.Context) (uint64, error)
	// Mark marks the questions as tests, which the daemon neither counts nor records; see [filter.Server.BeginTest].
	Mark string
}

// params returns the parameters of MAIL.
func (o *Options) params() string {
	if o.Mark == "" {
		return ""
	}
	return "ENVID=" + o.Mark
}

// live asks, and collects the answers.
type live struct {
	Options
	steps []Step
}

// client is the SMTP client that the milter sees: bounces come from an address for documentation (RFC 5737).
func client(login string) probe.Client {
	return probe.Client{Name: "client.example.net", Address: netip.MustParseAddr("192.0.2.1"), Login: login}
}

// Run asks the daemon on all its listeners, and then the MTA, and returns what they have answered.
func Run(ctx context.Context, o Options) []Step {
	l := &live{Options: o}
	for _, ln := range o.Site.Config.Listeners {
		l.milter(ctx, ln)
	}
	l.mta(ctx)
	return l.steps
}

// unknownUser is an address of the user's domain that does not exist.
func (l *live) unknownUser() prvs.Address {
	return prvs.Address{Local: "nobody." + strings.ToLower(rand.Text()[:12]), Domain: l.User.Domain}
}

// tagged returns the signed form of an address, as of today.
func (l *live) tagged(a prvs.Address) (prvs.Signed, error) {
	form := prvs.Standard
	if d := l.Site.Policy.Domain(a.Domain); d != nil {
		form = d.Form
	}
	return l.Site.Policy.Settings().Keys.Sign(a, form, prvs.DayOf(l.Now))
}

// forged returns a tagged address with another signature: one that the daemon refuses or defers, however many wrong ones came today.
func (l *live) forged(tagged string) string {
	i := strings.Index(tagged, "prvs=") + len("prvs=KDDD")
	other := ""
	for _, digit := range "0123456789abcdef" {
		if other = tagged[:i] + string(digit) + tagged[i+1:]; other != tagged && !l.Record.CoversTags(other, l.Now) {
			break
		}
	}
	return other
}

// forgedBounce answers a message that was never sent.
func forgedBounce(to string) string {
	id := strings.ToLower(rand.Text()) + "@client.example.net"
	return "From: MAILER-DAEMON@client.example.net\nTo: " + to + "\nSubject: Undelivered Mail Returned to Sender\n" +
		"Message-ID: <check." + id + ">\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"=check\"\n" +
		"\n--=check\n\nThis is the check of bouncefilter, in the form of a bounce.\n" +
		"\n--=check\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; client.example.net\n\n" +
		"Final-Recipient: rfc822; check@client.example.net\nAction: failed\nStatus: 5.1.1\n" +
		"\n--=check\nContent-Type: text/rfc822-headers\n\nMessage-ID: <" + id + ">\n\n--=check--\n"
}

// milterPrefix begins the Where of questions to the daemon.
const milterPrefix = "milter "

// milter asks the daemon on one of its addresses.
func (l *live) milter(ctx context.Context, ln config.Listener) {
	where := milterPrefix + ln.Address.String()
	signed, err := l.tagged(l.User)
	if err != nil {
		l.steps = append(l.steps, Step{Where: where, What: "sign " + l.User.String(), Remark: err.Error()})
		return
	}
	valid, plain := strings.Trim(signed.Address, "<>"), l.User.String()
	for _, question := range []struct {
		what  string
		to    string
		until probe.Stage
	}{
		{"another site asks whether the user exists", plain, probe.Rcpt},
		{"a bounce to a tag made with the keys of this configuration", valid, probe.Rcpt},
		{"a forged bounce to a forged tag", l.forged(valid), probe.EndOfMessage},
		{"a forged bounce without a tag", plain, probe.EndOfMessage},
	} {
		l.steps = append(l.steps, l.askMilter(ctx, ln, where, question.what, probe.Message{To: question.to, Text: forgedBounce(question.to), Params: l.params()}, question.until))
		if l.steps[len(l.steps)-1].Reply == "" {
			return // the daemon does not run, or not there
		}
	}
	if ln.Role.Signs() {
		l.steps = append(l.steps, l.signing(ctx, ln, where))
	}
}

// stages are the stages at which the milter may refuse.
var stages = map[probe.Stage]policy.Stage{probe.Rcpt: policy.StageRcpt, probe.Data: policy.StageData, probe.EndOfMessage: policy.StageEndOfMessage}

// askMilter hands a bounce to the daemon, and compares what it says with what the configuration, the keys and the record say.
func (l *live) askMilter(ctx context.Context, ln config.Listener, where, what string, msg probe.Message, until probe.Stage) Step {
	step := Step{Where: where, What: what}
	network, address := ln.Address.Target()
	m, err := probe.DialMilter(network, address, client(""))
	if err != nil {
		step.Remark = fmt.Sprintf("the daemon does not answer: %v", err)
		return step
	}
	outcome, err := m.Message(msg, until, func(command, reply string) { step.Command, step.Reply = command, reply })
	if err = errors.Join(err, m.Close()); err != nil {
		step.Reply, step.Remark = "", fmt.Sprintf("the daemon does not answer: %v", err)
		return step
	}
	want := l.explain(ctx, ln.Role, msg)
	refused := want.Reply.Code != 0 && want.Stage <= stages[until]
	switch {
	case !ln.Role.Verifies() && !outcome.Refused:
		step.OK, step.Remark = true, "this listener only signs"
	case refused && !outcome.Refused:
		step.Remark = fmt.Sprintf("this should be refused (%s): does the daemon run with this configuration? systemctl reload bouncefilter", want.Verdict.Reason)
	case !refused && outcome.Refused:
		step.Remark = fmt.Sprintf("this should be accepted (%s): the daemon has other keys or another configuration; systemctl reload bouncefilter", want.Verdict.Reason)
	case outcome.Refused && outcome.Reply == guessed.String():
		step.OK, step.Remark = true, guessedRemark
	case outcome.Refused && outcome.Reply != want.Reply.String():
		step.Remark = fmt.Sprintf("the reply should be %q: does the daemon run with this configuration?", want.Reply)
	default:
		step.OK = true
		if v := &want.Verdict; v.Would != policy.NoReason && until > probe.Rcpt {
			step.Remark = whyAccepted(v)
		}
	}
	return step
}

// guessed is the reply to a wrong tag where many came, and guessedRemark says why it is right.
var guessed = (&policy.Verdict{Cause: policy.Guessing}).Reply()

const guessedRemark = "many wrong tags came today for this address, or from this network: see bad_tags_per_day"

// whyAccepted says why a forged bounce is accepted.
func whyAccepted(v *policy.Verdict) string {
	switch {
	case v.Would == policy.NoReason:
		return fmt.Sprintf("%s: %s", v.Reason, v.Reason.Sentence())
	case v.Cause == policy.MonitorMode:
		return fmt.Sprintf("it would be refused as %s, but the mode is %s", v.Would, v.Domain.Mode)
	case v.Cause == policy.Listed:
		return fmt.Sprintf("%s (%s): it would be refused as %s; name a user with --user who is not listed", v.Reason, v.Cause, v.Would)
	}
	return fmt.Sprintf("%s (%s): it would be refused as %s", v.Reason, v.Cause, v.Would)
}

// recordTimeout bounds what a question waits for the record, which may wait for other nodes as long as a bounce does.
const recordTimeout = control.BarrierTimeout + 2*time.Second

// explain says what the daemon should do.
func (l *live) explain(ctx context.Context, role policy.Role, msg probe.Message) *judge.Explanation {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	from := client("")
	x, _ := l.Record.Explain(ctx, judge.Delivery{ // an error is in the steps
		Sender: msg.From, Recipient: msg.To, Client: from.Address, Helo: from.Name, Role: role,
		Content: judge.Content([]byte(msg.Text), msg.From),
	}, l.Now)
	return x
}

// Failed says whether a server has not answered as it should.
func Failed(steps []Step) bool {
	return slices.ContainsFunc(steps, func(s Step) bool { return !s.OK && !s.Skipped })
}

// DaemonAnswered says whether the daemon has answered any question that it was asked directly.
func DaemonAnswered(steps []Step) bool {
	return slices.ContainsFunc(steps, func(s Step) bool { return strings.HasPrefix(s.Where, milterPrefix) && s.Reply != "" })
}

// Print prints what was asked and answered.
func Print(out io.Writer, steps []Step) {
	where := ""
	for _, s := range steps {
		if s.Where != where {
			where = s.Where
			fmt.Fprintf(out, "\n%s\n", where)
		}
		mark := "WRONG"
		switch {
		case s.Skipped:
			mark = "skip"
		case s.OK:
			mark = "ok"
		}
		fmt.Fprintf(out, "  %-6s %s\n", mark, s.What)
		if s.Reply != "" {
			fmt.Fprintf(out, "         %s -> %s\n", s.Command, s.Reply)
		}
		if s.Remark == "" {
			continue
		}
		for _, line := range mta.Wrap(s.Remark, mta.Columns-9) {
			fmt.Fprintf(out, "         %s\n", line)
		}
	}
}
