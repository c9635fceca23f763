package judge

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/evidence"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// Delivery is a saved message with the envelope that it came or would come in.
type Delivery struct {
	Sender        string // "" for the null sender
	Recipient     string
	Client        netip.Addr // the zero Addr for one that is on no list
	Helo          string
	Authenticated bool
	Role          policy.Role // of the listener that the message comes to
	// Content reads the message with so many octets of its body.
	Content func(bodyBytes int) *bounce.Report
}

// Content returns the content of a saved message for [Delivery]: as the daemon reads it, with the envelope sender in front. An mbox
// "From " line and a Return-Path field, which the last MTA has put there, are left out.
func Content(message []byte, sender string) func(bodyBytes int) *bounce.Report {
	for _, prefix := range []string{"From ", "Return-Path:"} {
		if len(message) >= len(prefix) && strings.EqualFold(string(message[:len(prefix)]), prefix) {
			_, message, _ = bytes.Cut(message, []byte("\n"))
		}
	}
	text := append([]byte("Return-Path: <"+sender+">\n"), message...)
	return func(bodyBytes int) *bounce.Report {
		limits := bounce.DefaultLimits()
		limits.BodyBytes = bodyBytes
		r, _ := bounce.Read(bytes.NewReader(text), limits) // from memory
		return r
	}
}

// Explanation is a verdict with its trace in words.
type Explanation struct {
	Verdict policy.Verdict
	Steps   []string // sentences, the last of which says the verdict, or the reply
	Stage   policy.Stage
	Reply   policy.Reply // if the message is refused or deferred at that stage
}

func (x *Explanation) say(format string, args ...any) {
	x.Steps = append(x.Steps, fmt.Sprintf(format, args...))
}

// Explain drives a case with a saved message, as the daemon does for an MTA, and says what becomes of it and why. Policy, Hasher,
// Record and Now of m must be set. It changes nothing: a proof is not used up by it.
func Explain(m Message, d Delivery) *Explanation {
	x := &Explanation{}
	p := m.Policy
	a, ok := p.Address("<"+d.Recipient+">", "")
	if !ok {
		x.say("The recipient <%s> is not an address: it is left to the MTA.", d.Recipient)
		return x
	}
	sender, usable := p.Address("<"+d.Sender+">", "")
	m.Own = p.Outbound(policy.Origin{Authenticated: d.Authenticated, Client: d.Client})
	m.Sender, m.Client, m.Helo = "<"+d.Sender+">", d.Client, d.Helo
	c := &Case{Message: m}
	r := &Recipient{Raw: "<" + d.Recipient + ">", Address: a}
	switch p.Kind(d.Role, sender, usable, m.Own) {
	case policy.Bounce:
		x.say("The envelope sender is the null sender <>, so this may be a bounce.")
		x.nullSender(c, r, d)
	case policy.Daemon:
		x.mailerDaemon(c, r, d)
	default:
		if !d.Role.Verifies() {
			x.say("It comes to a listener that only signs: nothing is judged, and tags stay in the recipients.")
			return x
		}
		x.ordinary(c, c.Ordinary(r), d.Sender)
	}
	return x
}

// nullSender explains the verdict about a message with the null sender.
func (x *Explanation) nullSender(c *Case, r *Recipient, d Delivery) {
	refused := c.Rcpt(r, true)
	if r.Verdict.Domain == nil {
		x.Verdict = r.Verdict
		x.say("The recipient's domain %q is none of ours: the MTA decides.", r.Address.Domain)
		return
	}
	x.Steps = append(x.Steps, r.Verdict.TraceTag(c.Facts(r).Record.Revoked)...)
	if refused {
		x.verdict(&r.Verdict, policy.StageRcpt)
		return
	}
	r = &c.Recipients[0]
	before := r.Verdict
	if c.Data() == Refused {
		if r.Verdict.Reason == policy.Untagged {
			x.say("The domain refuses untagged bounces at DATA, so that the content is not seen.")
		}
		x.record(c, r)
		x.verdict(&r.Verdict, policy.StageData)
		return
	}
	if n := c.WantsBody(); n > 0 {
		c.Read(d.Content(n))
	}
	x.end(c, &before)
}

// mailerDaemon explains the verdict about a message of a sender that bounces come from. What it is shows only at its end.
func (x *Explanation) mailerDaemon(c *Case, r *Recipient, d Delivery) {
	r.Verdict = c.Ordinary(r)
	if c.Read(d.Content(bounce.DefaultLimits().BodyBytes)); !c.MayBeBounce() {
		c.Report = nil
		x.ordinary(c, r.Verdict, d.Sender)
		return
	}
	what := "this is one"
	if c.Unread {
		what = "this may be one"
	}
	x.say("The envelope sender <%s> is one that bounces come from (mailer_daemons.senders), and %s.", d.Sender, what)
	if r.Verdict.Domain == nil {
		x.Verdict = r.Verdict
		x.say("The recipient's domain %q is none of ours: the MTA decides.", r.Address.Domain)
		return
	}
	c.Daemon = true
	x.Steps = append(x.Steps, r.Verdict.TraceTag(c.Facts(r).Record.Revoked)...)
	c.Recipients = append(c.Recipients, *r)
	x.end(c, nil)
}

// end explains what the content and the record say. before is the verdict about the tag alone, if there was one.
func (x *Explanation) end(c *Case, before *policy.Verdict) {
	c.End()
	r := &c.Recipients[0]
	if c.named != nil && (before == nil || c.Policy.NeedsProof(before) || r.Verdict.Tag.Status == prvs.Valid) {
		x.named(c.named, c.Report)
	}
	if c.Unread {
		x.say("To read its content takes more work than its size allows, so that it is not known what it answers.")
	}
	x.destination(c, r)
	x.record(c, r)
	x.verdict(&r.Verdict, policy.StageEndOfMessage)
}

// destination says of the first destination that blames the tag whether mail to it is signed.
func (x *Explanation) destination(c *Case, r *Recipient) {
	if c.Report == nil {
		return
	}
	to := c.Report.HeldBy
	for i := range c.Report.Recipients {
		if rcpt := &c.Report.Recipients[i]; to == "" && rcpt.BlamesTag {
			to = rcpt.Address
		}
	}
	a, ok := c.Policy.Address("<"+to+">", "")
	switch sender := evidence.Sender(r.Address, r.Verdict.Tag); {
	case to == "" || !ok:
	case c.Policy.DoNotTag(sender, a):
		x.say("<%s> does not know the sender with a tag; mail to it is not signed (do_not_tag, skip).", to)
	default:
		x.say("<%s> does not know the sender with a tag, and mail to it is signed: list it in do_not_tag.recipients, or pair it with the sender in [[skip]].", to)
	}
}

func (x *Explanation) ordinary(c *Case, v policy.Verdict, sender string) {
	x.Verdict = v
	x.say("The envelope sender <%s> is not the null sender, so this is ordinary mail, of which only the recipient's tag is judged.", sender)
	switch {
	case v.Domain == nil:
		x.say("The recipient's domain is none of ours: the MTA decides.")
		return
	case v.Reason == policy.Untag:
		x.say("The recipient's tag is removed: it is delivered to <%s>.", v.Tag.Original)
	default:
		x.Steps = append(x.Steps, v.TraceTag(nil)...)
	}
	if !v.OfTag() {
		x.say("Verdict: none. Ordinary mail to an address without a tag is left to the MTA.")
		return
	}
	x.verdict(&v, c.Policy.RefusesAt(&v))
}

// named says what the message names.
func (x *Explanation) named(n *evidence.Named, r *bounce.Report) {
	what := [...]string{policy.ContentUnknown: "unread", policy.ContentBounce: "a bounce",
		policy.ContentReply: "an automatic reply", policy.ContentOther: "no bounce"}[n.Content]
	if r.Weak {
		what += ", as far as weak signs say"
	}
	names := "answers <" + strings.Join(n.Messages, ">, or <") + ">"
	if n.Anonymous() {
		names = "names no message that it answers; it comes from " + cmp.Or(r.From, "an unknown sender")
	}
	x.say("By its content it is %s, and %s.", what, names)
	if n.Sent.Known() {
		x.say("What it names was sent between %s and %s, as far as it tells.", formatTime(n.Sent.From), formatTime(n.Sent.Until))
	}
}

// record says what the record knows.
func (x *Explanation) record(c *Case, r *Recipient) {
	f := &r.Finding
	switch {
	case c.lookupError != nil:
		x.say("The record does not answer: %v.", c.lookupError)
	case c.queried && c.completeness.Since.IsZero():
		x.say("The record does not vouch for being complete.")
	case c.queried && len(c.gaps) > 0:
		x.say("The record is complete since %s, but may lack what was sent at these times: %s.", formatTime(c.completeness.Since), c.completeness.GapsText())
	case c.queried:
		x.say("The record is complete since %s.", formatTime(c.completeness.Since))
	}
	switch {
	case r.Verdict.Tag.Status == prvs.Valid && f.Issued == policy.IssuedYes:
		x.use(c.Policy, f.Use)
	case r.Verdict.Tag.Status == prvs.Valid && f.Issued == policy.IssuedNo:
		x.say("The tag is not on record.")
	case f.Issued == policy.IssuedYes:
		x.say("Mail of this sender was left unsigned on purpose, so that its bounces carry no tag.")
	}
	proofs := &c.Policy.Settings().Proofs
	sender := c.Policy.Mailbox(evidence.Sender(r.Address, r.Verdict.Tag))
	switch {
	case f.Message != "":
		x.say("<%s> is on record as sent by <%s> to %s, and has proven %s of at most %d.",
			f.Message, sender, count(f.SentTo, "recipient"), count(f.Proven, "bounce"), c.Policy.ProvenAtMost(f.SentTo))
	case f.Domain != "":
		x.say("<%s> wrote to %s lately, and got %d of at most %d automatic replies without a reference today.",
			sender, f.Domain, f.Replies, proofs.RepliesPerDay)
	case f.Proof == policy.ProofAbsent && c.named != nil && !c.named.Anonymous():
		x.say("None of what it answers is on record as sent by <%s> %s.", sender, c.span())
	case f.Proof == policy.ProofAbsent:
		x.say("<%s> has not written there %s.", sender, c.span())
	}
	if most := c.allowance(); most > 0 && f.Proof != policy.ProofMessage && f.Proof != policy.ProofCorrespondent {
		x.say("<%s> got %d of at most %d messages today that nothing proves.", sender, f.Unproven, most)
	}
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// span says since when the record has all mail that was sent.
func (c *Case) span() string {
	days := c.Policy.Settings().Proofs.Retention
	if since := c.completeness.Since; since.After(c.Now.AddDate(0, 0, -days)) {
		return "since " + formatTime(since)
	}
	return fmt.Sprintf("in the last %d days", days)
}

// use says how much a tag was used.
func (x *Explanation) use(p *policy.Policy, u policy.TagUse) {
	failed := ""
	if u.Failed+u.NewFailed > 0 {
		failed = fmt.Sprintf(" They named %s of at most %d, and this one names %d more.",
			count(u.Failed, "failed recipient"), p.FailedAtMost(u.Recipients), u.NewFailed)
	}
	x.say("The tag is on record. The tag was sent to %s, and has been answered by %s of at most %d.%s",
		count(u.Recipients, "recipient"), count(u.Bounces, "bounce"), p.ProvenAtMost(u.Recipients), failed)
}

// count returns a number of things.
func count(n uint32, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// verdict says how it ends.
func (x *Explanation) verdict(v *policy.Verdict, stage policy.Stage) {
	x.Verdict = *v
	x.Steps = append(x.Steps, v.TraceDecision()...)
	if !v.Refuses() {
		return
	}
	x.Stage, x.Reply = stage, v.Reply()
	stages := [...]string{policy.StageRcpt: "RCPT", policy.StageData: "DATA", policy.StageEndOfMessage: "the end of the message"}
	x.say("The client is answered at %s: %s", stages[stage], x.Reply)
}
