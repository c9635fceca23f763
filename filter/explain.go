package filter

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// Record is what is on record about sent mail, as [Explain] asks it. A [store.Store] is one.
type Record interface {
	Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error)
	FirstSigned(ctx context.Context) (map[string]store.Day, error)
	Broadcasts(ctx context.Context, topic string, today store.Day) ([]store.Broadcast, error)
}

// Delivery is a saved message with the envelope that it came or would come in. It is taken to come from outside, from a client
// that is on no list.
type Delivery struct {
	Report    *bounce.Report
	Sender    string // "" for the null sender
	Recipient string
	Time      time.Time
}

// Explanation tells how a verdict is reached.
type Explanation struct {
	Verdict Verdict
	Steps   []string // sentences, the last of which tells the verdict
	Reply   Reply    // if the message is refused or deferred
}

func (x *Explanation) say(format string, args ...any) {
	x.Steps = append(x.Steps, fmt.Sprintf(format, args...))
}

// Explain tells what a daemon with this policy, secret and record would do with the message for this recipient, and why. It
// changes nothing: a proof is not used up by it.
func Explain(ctx context.Context, p *Policy, r Record, h *store.Hasher, d Delivery) *Explanation {
	x := &Explanation{}
	sender, _ := p.Address("<"+d.Sender+">", "")
	a, ok := p.Address("<"+d.Recipient+">", "")
	if !ok {
		x.say("The recipient <%s> is not an address: it is left to the MTA.", d.Recipient)
		return x
	}
	daemon := false
	switch {
	case sender.IsNull():
		x.say("The envelope sender is the null sender <>, so this is judged as a bounce.")
	case p.MayBeBounce(sender) && isBounce(d.Report):
		x.say("The envelope sender <%s> is one that bounces come from (mailer_daemons.senders), and this is one.", d.Sender)
		daemon = true
	default:
		x.Verdict = p.Ordinary(a, d.Time)
		x.ordinary(d.Sender)
		return x
	}
	facts := RecipientFacts{Address: a, Sender: d.Sender, Daemon: daemon}
	v := p.Recipient(facts, d.Time)
	if v.Reason == Valid {
		facts.Revoked = x.revocations(ctx, r, h, store.DayOf(d.Time))
		v = p.Recipient(facts, d.Time)
	}
	if v.Domain == nil {
		x.Verdict = v
		x.say("The recipient's domain %q is none of ours: the MTA decides.", a.Domain)
		return x
	}
	x.say("The recipient's domain %s is ours, in mode %s.", v.Domain.Name, v.Domain.Mode)
	x.tag(&v)
	if by := facts.Revoked.Of(&v.Tag); by != nil {
		x.say("It is revoked, since %s: %s.", by.At.UTC().Format(time.RFC3339), by)
	}
	if first, err := r.FirstSigned(ctx); err == nil {
		facts.SigningSince, facts.Signing = first[v.Domain.Name]
		v = p.Recipient(facts, d.Time)
	}
	if v.Refuses() && p.RefusesAt(&v) == StageRcpt && !daemon {
		x.verdict(&v, StageRcpt)
		return x
	}
	var e *evidence
	if v.Reason != Untagged || !v.Domain.RefuseUntaggedAtData {
		found := evidenceOf(d.Report)
		e = &found
		x.evidence(p, &v, d.Report, e)
	} else {
		x.say("The domain refuses untagged bounces at DATA, so that the content is not seen.")
	}
	q := inquiry{hasher: h, today: store.DayOf(d.Time), failed: failedRecipients(d.Report)}
	f, memory := x.record(ctx, p, r, &q, &v, a, e)
	facts.Issued, facts.Use, facts.Proof, facts.Complete = f.issued, f.tag, f.proof, memory
	v = p.Recipient(facts, d.Time)
	stage := p.RefusesAt(&v)
	if daemon {
		stage = StageEndOfMessage // what it is shows only there
	}
	x.verdict(&v, stage)
	return x
}

func (x *Explanation) ordinary(sender string) {
	x.say("The envelope sender <%s> is not the null sender, so this is ordinary mail, which is not judged.", sender)
	if x.Verdict.Reason == Untag {
		x.say("The recipient's tag is removed: it is delivered to <%s>.", x.Verdict.Tag.Original)
	}
}

// tag tells what the recipient's tag says.
func (x *Explanation) tag(v *Verdict) {
	t := &v.Tag
	switch t.Status {
	case prvs.Untagged:
		if isSRS(t.Original.Local) {
			x.say("The recipient is an SRS address, whose own hash is for the server to check that forwards mail.")
			return
		}
		x.say("The recipient carries no tag.")
	case prvs.Valid:
		x.say("The recipient carries a tag for <%s> with a right signature of key %d, valid until the end of %s (UTC).", t.Original, t.Number, t.Expiry)
	case prvs.Expired:
		x.say("The recipient carries a tag for <%s> with a right signature of key %d, which expired at the end of %s (UTC).", t.Original, t.Number, t.Expiry)
	case prvs.BadSignature:
		x.say("The recipient carries a tag whose signature is not that of key %d.", t.Number)
	case prvs.UnknownKey:
		x.say("The recipient carries a tag of key %d, which is not in use.", t.Number)
	case prvs.Unverifiable:
		x.say("The recipient carries a tag of key %d, whose secret is missing here, so that nobody can tell whether it is right.", t.Number)
	default:
		x.say("The recipient carries something like a tag that we never issue.")
	}
}

// evidence tells what the message names.
func (x *Explanation) evidence(p *Policy, v *Verdict, r *bounce.Report, e *evidence) {
	switch {
	case !p.NeedsProof(v) && v.Tag.Status != prvs.Valid:
	case len(e.messages) > 0:
		x.say("It answers, by its content, <%s>.", strings.Join(e.messages, ">, or <"))
	case len(e.domains) > 0:
		x.say("It is an automatic message that names no message which it answers; it comes from %s.", r.From)
	default:
		x.say("It names no message that it answers.")
	}
}

// record asks the record and tells what it knows.
func (x *Explanation) record(ctx context.Context, p *Policy, r Record, q *inquiry, v *Verdict, a prvs.Address, e *evidence) (finding, store.Completeness) {
	q.ask(a, v.Tag, e)
	found, memory, err := q.answer(ctx, vouched{r, q.hasher}, p)
	f := found[0]
	switch {
	case err != nil:
		x.say("The record does not answer: %v.", err)
	case len(q.queries) > 0 && memory.Since.IsZero():
		x.say("The record does not vouch for being complete.")
	case len(q.queries) > 0:
		x.say("The record is complete since %s.", memory.Since.UTC().Format(time.RFC3339))
	}
	switch {
	case v.Tag.Status == prvs.Valid && f.issued == IssuedYes:
		x.use(p, f.tag)
	case v.Tag.Status == prvs.Valid && f.issued == IssuedNo:
		x.say("The tag is not on record.")
	case f.issued == IssuedYes:
		x.say("Mail of this sender was left unsigned on purpose, so that its bounces carry no tag.")
	}
	sender := q.about[0].senders[0]
	switch {
	case f.message != "":
		x.say("<%s> is on record as sent by <%s> to %d recipients, and has proven %d bounces of at most %d.",
			f.message, sender, f.counted[0], f.counted[1], p.provenAtMost(f.counted[0]))
	case f.domain != "":
		x.say("<%s> wrote to %s lately, and got %d of at most %d automatic replies without a reference today.",
			sender, f.domain, f.counted[0], p.set.Proofs.RepliesPerDay)
	case f.proof == ProofAbsent && len(e.messages) > 0:
		x.say("None of what it answers is on record as sent by <%s> in the last %d days.", sender, p.set.Proofs.Retention)
	case f.proof == ProofAbsent:
		x.say("<%s> has not written there in the last %d days.", sender, p.set.Proofs.Retention)
	}
	return f, memory
}

// use tells how much a tag was used.
func (x *Explanation) use(p *Policy, u TagUse) {
	failed := ""
	if u.Failed+u.NewFailed > 0 {
		failed = fmt.Sprintf(" They named %d failed recipients of at most %d, and this one names %d more.",
			u.Failed, failedAtMost(u.Recipients), u.NewFailed)
	}
	x.say("The tag is on record. The tag was sent to %d recipients, and has been answered by %d bounces of at most %d.%s",
		u.Recipients, u.Bounces, p.provenAtMost(u.Recipients), failed)
}

// revocations asks what is revoked.
func (x *Explanation) revocations(ctx context.Context, r Record, h *store.Hasher, today store.Day) *Revocations {
	ns, err := r.Broadcasts(ctx, RevocationTopic, today)
	if err != nil {
		x.say("Whether the tag is revoked could not be found out: %v.", err)
		return nil
	}
	return NewRevocations(h, ns, func(string, error) {})
}

// verdict tells the end of it.
func (x *Explanation) verdict(v *Verdict, stage Stage) {
	x.Verdict = *v
	if v.Would != None && v.Would != v.Reason {
		x.say("It would be %s: %s", v.Would, v.Would.Sentence())
	}
	x.say("Verdict: %s, %s. %s", v.Reason, v.Action, v.Reason.Sentence())
	if !v.Refuses() {
		return
	}
	outcome := Refuse
	if v.Action == ActionDefer {
		outcome = Defer
	}
	x.Reply = v.Reason.Reply(outcome)
	stages := [...]string{StageRcpt: "RCPT", StageData: "DATA", StageEndOfMessage: "the end of the message"}
	x.say("The client is told at %s: %s", stages[stage], x.Reply)
}

// vouched is a record that vouches for nothing unless it was written under our secret, see checkWitness.
type vouched struct {
	Record
	hasher *store.Hasher
}

// Lookup asks the record.
func (v vouched) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	n := len(qs)
	a, err := v.Record.Lookup(ctx, today, append(qs[:n:n], store.Query{Key: v.hasher.KeyCheck()}))
	if err != nil {
		return a, err
	}
	if !a.Found[n] {
		a.Complete = store.Completeness{}
	}
	a.Found, a.Counts = a.Found[:n], a.Counts[:n]
	return a, nil
}
