// Package judge takes the decision about one message with the null sender through the stages of SMTP: what the tag of each recipient
// says at RCPT, what may be refused at DATA, and at the end of the message what its content names and what the record of sent mail says
// about that. Each decision is that of [policy.Policy.Recipient]; this package collects its facts, in as few round trips to the record as
// possible.
//
// A [Case] is one such message. The milter's session drives it with what the MTA says, event by event. [Explain] drives it with a saved
// message, for the commands that say what the daemon would do, and puts the trace into words: what is judged is judged here, once.
package judge

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/evidence"
	"github.com/bouncefilter/bouncefilter/filter/guesses"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// DetailBytes is how much of the body of a bounce is read that needs no proof, in octets: what it reports is in front of what it
// returns.
const DetailBytes = 64 << 10

// Record is what is known of sent mail: a [view.View] in the daemon.
type Record interface {
	evidence.Record
	// Facts returns what is known of the record for bounces to a domain, by the name of its settings.
	Facts(domain string) policy.RecordFacts
	// Barrier waits until every other node has written what it signed before. passed is false if one of them may not have; waited is
	// false if there is no other node.
	Barrier() (passed, waited bool)
}

// Message is what is known about a message when its first recipient comes.
type Message struct {
	Policy *policy.Policy
	Hasher *store.Hasher
	Record Record
	// Guesses counts wrong tags; nil to count none, so that each is answered as if it were the first.
	Guesses *guesses.Table
	Now     time.Time
	Client  netip.Addr // the zero Addr if there is none
	Helo    string
	Sender  string // the envelope sender, as the MTA gave it
	Own     bool   // handed in here
	Daemon  bool   // a bounce that did not come with the null sender
	AnyUser bool   // see [policy.RecipientFacts]
}

// Recipient is one recipient of a case.
type Recipient struct {
	Raw     string // exactly as the MTA gave it
	MTA     string // as the MTA understood it ({rcpt_addr})
	Args    string // ESMTP parameters
	Address prvs.Address
	Verdict policy.Verdict
	Finding evidence.Finding
	// WrongTags and Cover are facts about its tag, see [policy.RecipientFacts].
	WrongTags uint32
	Cover     policy.Cover
	// Reported is for the caller: the verdict was counted and logged.
	Reported bool
}

// Case is one message under judgement. The zero Case has no recipients; its Message must be set first. It is not for concurrent use.
type Case struct {
	Message
	Recipients []Recipient

	// Report is what the content says; nil until it was read, or if it is not needed. Unread says that it cannot be read.
	Report *bounce.Report
	Unread bool

	named        *evidence.Named // what the report names, once the record was asked about it
	asked        bool            // the record was asked about all recipients
	unpassed     bool            // a node did not pass the barrier: what it signed may not be on record
	completeness store.Completeness
	gaps         []policy.Span // of completeness
	lookupError  error         // of the record, when it was asked last
	queried      bool          // there was something to ask it
}

// Read takes what the content says.
func (c *Case) Read(r *bounce.Report) {
	if c.Report, c.Unread = r, r.Unread; r.Unread {
		c.Report = nil
	}
}

// Result is what becomes of a message at one stage.
type Result uint8

const (
	Continue  Result = iota // its content may change the verdict
	Pass                    // nothing is to be judged
	Refused                 // for all recipients, see [Case.Refusal]
	Discarded               // for all recipients
	Delivered               // to at least one recipient
)

// Ordinary decides about a recipient of mail that does not have the null sender.
func (c *Case) Ordinary(r *Recipient) policy.Verdict {
	v := c.Policy.Ordinary(c.Facts(r), c.Now)
	if c.guessed(r, &v) {
		v = c.Policy.Ordinary(c.Facts(r), c.Now)
	}
	return v
}

// Rcpt judges a recipient by its tag alone and adds it to the case. If replies are possible at RCPT and the verdict refuses there, it is
// not added: refused is true and r.Verdict says why.
func (c *Case) Rcpt(r *Recipient, replies bool) (refused bool) {
	r.Verdict = c.verdict(r)
	if c.guessed(r, &r.Verdict) {
		r.Verdict = c.verdict(r)
	}
	if replies && r.Verdict.Refuses() && c.Policy.RefusesAt(&r.Verdict) == policy.StageRcpt {
		return true
	}
	c.Recipients, c.asked = append(c.Recipients, *r), false
	return false
}

// verdict asks the policy about a recipient.
func (c *Case) verdict(r *Recipient) policy.Verdict { return c.Policy.Recipient(c.Facts(r), c.Now) }

// Facts returns what is known about a recipient.
func (c *Case) Facts(r *Recipient) policy.RecipientFacts {
	domain := ""
	if d := c.Policy.Domain(r.Address.Domain); d != nil {
		domain = d.Name
	}
	record := c.Record.Facts(domain)
	record.CompleteSince, record.Gaps = c.completeness.Since, c.gaps
	record.NodeSilent = record.NodeSilent || c.unpassed
	f := policy.RecipientFacts{
		Address: r.Address, Client: c.Client, Helo: c.Helo, Sender: c.Sender, Own: c.Own, Daemon: c.Daemon,
		WrongTags: r.WrongTags, Cover: r.Cover, AnyUser: c.AnyUser,
		Issued: r.Finding.Issued, Use: r.Finding.Use, Proof: r.Finding.Proof, Unproven: r.Finding.Unproven, Record: record,
	}
	if n := c.named; n != nil {
		f.Content, f.Unclear, f.Anonymous, f.Sent = n.Content, n.Unclear, n.Anonymous(), n.Sent
	}
	return f
}

// allowance is how many messages like this a recipient may get in a day that nothing proves; 0 if it is not within any allowance.
func (c *Case) allowance() uint64 {
	if c.named == nil {
		return 0
	}
	return c.Policy.Allowance(c.named.Content, c.named.Unclear, c.named.Anonymous())
}

// Data decides what may be decided before the content is seen: [Continue], [Pass] or [Refused].
func (c *Case) Data() Result {
	for i := range c.Recipients {
		// A tag that the record has something against is for the content to prove, which is read for nothing else then.
		v := &c.Recipients[i].Verdict
		if d := v.Domain; d != nil && (d.RefuseUntaggedAtData || v.Reason == policy.Valid && !c.Policy.Settings().ReadAll) {
			c.ask()
			break
		}
	}
	open, refused := 0, 0
	for i := range c.Recipients {
		v := &c.Recipients[i].Verdict
		switch {
		case v.Refuses() && c.Policy.RefusesAt(v) <= policy.StageData:
			refused++
		case v.Reason != policy.NotProtected:
			open++
		}
	}
	switch {
	case refused > 0 && refused == len(c.Recipients):
		return Refused
	case open == 0 && refused == 0:
		return Pass
	}
	return Continue
}

// WantsBody returns how many octets of the body the recipients need; 0 if the content is not needed.
func (c *Case) WantsBody() int {
	wanted := 0
	for i := range c.Recipients {
		v := &c.Recipients[i].Verdict
		switch {
		case c.Policy.NeedsProof(v):
			return bounce.DefaultLimits().BodyBytes
		case v.Domain != nil && c.Policy.Settings().ReadAll:
			wanted = DetailBytes
		}
	}
	return wanted
}

// End decides at the end of the message, with c.Report if the content was read: [Refused], [Discarded] or [Delivered].
func (c *Case) End() Result {
	if !c.asked || c.Report != nil || c.Unread {
		c.ask()
	}
	verdicts := make([]*policy.Verdict, len(c.Recipients))
	for i := range c.Recipients {
		verdicts[i] = &c.Recipients[i].Verdict
	}
	c.Policy.SeveralRecipients(verdicts)
	discarded := 0
	for _, v := range verdicts {
		switch {
		case v.Refuses():
			return Refused
		case v.Action == policy.ActionDiscard:
			discarded++
		}
	}
	if discarded == len(verdicts) {
		return Discarded
	}
	return Delivered
}

// Refusal returns the verdict whose reply the client gets for all recipients. If one of them is only deferred, all are: the client
// comes back, and nothing is lost.
func (c *Case) Refusal() *policy.Verdict {
	var first *policy.Verdict
	for i := range c.Recipients {
		v := &c.Recipients[i].Verdict
		if v.Refuses() && (first == nil || v.Action == policy.ActionDefer && first.Action != policy.ActionDefer) {
			first = v
		}
	}
	return first
}

// ask completes the verdicts with what the record says about tags and about what the report names. Before something is refused for want
// of a record, the other nodes must pass the barrier, and what they may have recorded meanwhile is looked up.
func (c *Case) ask() {
	c.lookUp()
	if slices.ContainsFunc(c.Recipients, func(r Recipient) bool { return r.Verdict.ByAbsence }) {
		passed, waited := c.Record.Barrier()
		if c.unpassed = !passed; waited || !passed {
			c.lookUp()
		}
	}
	c.asked = true
}

// lookUp asks the record in one round trip. It takes a second one if a tag turns out not to be on record, so that proofs are looked
// for where they are needed alone.
func (c *Case) lookUp() {
	if c.named == nil && c.Report != nil {
		n := evidence.Of(c.Report, c.Policy)
		c.named = &n
	}
	if proofOpen := c.lookUpOnce(); proofOpen {
		c.lookUpOnce()
	}
}

// lookUpOnce says whether there is a recipient for whom a proof is needed and was not asked for.
func (c *Case) lookUpOnce() (proofOpen bool) {
	q := evidence.NewInquiry(c.Policy, c.Hasher, store.DayOf(c.Now), c.Report)
	for i := range c.Recipients {
		r := &c.Recipients[i]
		switch {
		case r.Verdict.Domain == nil:
		case c.Policy.NeedsProof(&r.Verdict):
			q.Ask(r.Address, r.Verdict.Tag, c.named)
		default:
			q.Ask(r.Address, r.Verdict.Tag, nil)
		}
	}
	findings, completeness, err := q.Answer(context.Background(), c.Record)
	c.completeness, c.gaps, c.lookupError, c.queried = completeness, evidence.Gaps(completeness), err, !q.Empty()
	for i := range c.Recipients {
		r := &c.Recipients[i]
		if r.Verdict.Domain == nil {
			continue
		}
		asked := c.Policy.NeedsProof(&r.Verdict)
		r.Finding, findings = findings[0], findings[1:]
		if c.Unread {
			r.Finding.Proof = policy.ProofUnread
		}
		r.Verdict = c.verdict(r)
		proofOpen = proofOpen || c.named != nil && !asked && c.Policy.NeedsProof(&r.Verdict)
	}
	return proofOpen
}

// Used returns what is recorded about a bounce that is delivered: for the tags that it came to and for the messages that prove it. What
// is not recorded, because the store does not answer, lets one more be delivered.
func (c *Case) Used() []store.Record {
	var rs []store.Record
	for i := range c.Recipients {
		r := &c.Recipients[i]
		if r.Verdict.Reason == policy.ValidMessage || r.Verdict.Reason == policy.ValidCorrespondent {
			rs = append(rs, r.Finding.ProofUsed)
		}
		if r.Verdict.Cause == policy.Allowance {
			rs = append(rs, r.Finding.AllowanceUsed)
		}
		if r.Verdict.Domain != nil && r.Verdict.Action != policy.ActionDiscard {
			rs = append(rs, r.Finding.TagUsed...)
		}
	}
	return rs
}

// MayBeBounce says whether what did not come with the null sender, and was read, may be a bounce nevertheless.
func (c *Case) MayBeBounce() bool { return c.Unread || IsBounce(c.Report) }

// IsBounce says whether a report is that of a bounce.
func IsBounce(r *bounce.Report) bool {
	return r != nil && (r.Kind == bounce.DSN || r.Kind == bounce.Bounce)
}
