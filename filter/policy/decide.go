package policy

import (
	"net/netip"
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// Issued is what the record says about a tag.
type Issued uint8

const (
	IssuedUnknown Issued = iota // the store was not asked or did not answer
	IssuedYes
	IssuedNo
)

// Proof is what the content of a bounce proves about one recipient, together with the record of sent mail.
type Proof uint8

const (
	ProofNone          Proof = iota // it names nothing that could be on record, or was not read
	ProofUnread                     // it cannot be read
	ProofUnknown                    // it names something, but the store does not answer
	ProofAbsent                     // it names something that is not on record
	ProofMessage                    // it answers a message that the recipient sent
	ProofCorrespondent              // it is an automatic reply from a domain that the recipient wrote to lately
	ProofSpent                      // one of the two, but that has proven as many bounces as it can
)

// Content is what a message with the null sender is by its content.
type Content uint8

const (
	ContentUnknown Content = iota // it was not read, or not yet
	ContentBounce                 // it says that a message was not delivered, or was delivered late
	ContentReply                  // an automatic reply, a receipt, or the challenge of a challenge-response system
	ContentOther                  // none of these: mail of a program, an invitation, a report about abuse
)

// RecordFacts is what a daemon knows of the record of sent mail apart from what the record says about one bounce.
type RecordFacts struct {
	// CompleteSince says since when the record is complete; the zero time if nothing vouches for it.
	CompleteSince time.Time
	// Gaps are later times of which records may be missing, and earlier ones.
	Gaps []Span
	// Began is the earliest time, as far as known here, at which the record began; the zero time if none is known.
	Began time.Time
	// SigningSince is the day of the first signature of the recipient's domain, if Signing.
	SigningSince prvs.Day
	Signing      bool
	// NodeSilent says that a node may have signed mail lately that is not on record yet.
	NodeSilent bool
	// Revoked is what is revoked; nil for nothing.
	Revoked *Revocations
}

// RecipientFacts is what is known about one recipient of a message that is judged as a bounce.
type RecipientFacts struct {
	Address prvs.Address // as the client gave it, or as the MTA qualified it
	Client  netip.Addr   // the zero Addr if there is none
	Helo    string       // only if the policy needs it
	Sender  string       // the envelope sender
	Own     bool         // handed in here: authenticated, internal network, local
	Daemon  bool         // a bounce that did not come with the null sender, see [MailerDaemons]
	// Issued says whether the tag is on record, or, for a recipient without a tag, whether mail of it was left
	// unsigned on purpose.
	Issued Issued
	// Use is how much a tag was used that is on record.
	Use TagUse
	// Content is what the message is. Unclear says that only weak signs say so, and Anonymous that it names no message that it
	// answers: then nothing tells it from backscatter, nor backscatter from it.
	Content            Content
	Unclear, Anonymous bool
	// Unproven is how many messages of its sort the recipient got today within its allowance.
	Unproven uint32
	// WrongTags is how many different wrong tags came today to the mailbox or, if that is more, a tenth of how many came from the network of
	// the client; the one at hand counts if it is wrong. Cover says whether the one at hand covers right ones then.
	WrongTags uint32
	Cover     Cover
	// AnyUser says that the MTA takes each recipient for a user whose tag covers right ones: what it accepts without need, it returns.
	AnyUser bool
	// Proof is what the content of the bounce and the record prove.
	Proof Proof
	// Sent is when the messages were sent that the bounce names, as far as it tells.
	Sent   Span
	Record RecordFacts
}

// Verdict is the decision about one recipient, or about one outbound message. It carries the trace of the decision: what the tag
// says, what is proven (Would, or else Reason), the cause for which that is not held against it, and the action. [Verdict.Trace] puts
// it into words.
type Verdict struct {
	Reason      Reason
	Would       Reason // the reason it would be refused for, were there not the cause
	Cause       Cause  // why it is not refused, or not for good
	Action      Action
	Domain      *Domain     // ours; nil if the address is not in one
	Tag         prvs.Result // what its tag says
	BySignature bool        // the store could not be asked, the signature alone decided
	ByAbsence   bool        // it is refused for good, and would not be were something on record that is not
	Covers      bool        // its tag is wrong and covers right ones, where many wrong ones came: see [Guessing]
	Spent       bool        // it would have been delivered within the allowance of its recipient, which is used up for the day
}

// Refuses says whether the verdict keeps the message from the recipient with an SMTP reply.
func (v *Verdict) Refuses() bool { return v.Action == ActionReject || v.Action == ActionDefer }

// Delivers says whether the recipient gets the message.
func (v *Verdict) Delivers() bool { return !v.Refuses() && v.Action != ActionDiscard }

// Recipient decides about one recipient of a message that is judged as a bounce: what is proven, whether that may be wrong or needs
// no proof, and what the domain's mode and the configured actions make of it. The first row that fits decides.
func (p *Policy) Recipient(f RecipientFacts, now time.Time) Verdict {
	today := prvs.DayOf(now)
	v := Verdict{Domain: p.Domain(f.Address.Domain)}
	if v.Domain == nil {
		return v.with(NotProtected, ActionNone)
	}
	v.Tag = p.verify(f.Address, now)

	proven := p.proven(&v, f)
	if reasons[proven].outcome == Accept && p.actions[proven] == ActionAccept {
		return v.with(proven, ActionAccept)
	}
	if cause := p.mayBeWrong(&v, proven, f, today); cause != NoCause {
		return v.spared(proven, cause)
	}
	if cause := p.notEnforced(&v, f.Daemon, f.Record, today); cause != NoCause {
		return v.spared(proven, cause)
	}
	v = v.with(proven, p.actions[proven])
	if allowance := p.allowance(proven, f); allowance > 0 && !v.Delivers() {
		if uint64(f.Unproven) < allowance {
			return v.spared(proven, Allowance)
		}
		v.Spent = true
	}
	v.ByAbsence = (v.Action == ActionReject || v.Action == ActionDiscard) && p.reliesOnAbsence(proven, f)
	if v.ByAbsence && f.Record.NodeSilent {
		v.Cause, v.Action, v.ByAbsence = SilentNode, SilentNode.Action(), false
	}
	if f.Daemon { // what does not have the null sender is not dropped
		return p.hideFromGuesser(v, f, f.Cover == CoverIssued && !f.AnyUser, MailerDaemon.Action())
	}
	return p.hideFromGuesser(v, f, f.Cover == CoverIssued, ActionDiscard)
}

// proven says what the tag, the content and the record prove. A bounce to an address without a tag that needs none is [Exempt], with
// its cause.
func (p *Policy) proven(v *Verdict, f RecipientFacts) Reason {
	reason := p.provenByTag(v, f)
	if !reason.provable() {
		return reason
	}
	switch {
	case f.Proof == ProofMessage:
		return ValidMessage
	case f.Proof == ProofCorrespondent:
		return ValidCorrespondent
	case f.Content == ContentOther:
		return NoBounce
	case f.Proof == ProofSpent && reason != Revoked:
		return OverBudget
	}
	return reason
}

// provenByTag says what the tag proves, or the lack of one.
func (p *Policy) provenByTag(v *Verdict, f RecipientFacts) Reason {
	switch v.Tag.Status {
	case prvs.Valid:
		v.BySignature = f.Issued == IssuedUnknown
		switch {
		case f.Record.Revoked.Of(&v.Tag) != nil:
			return Revoked
		case f.Issued == IssuedNo:
			return NotIssued
		case f.Issued == IssuedYes && !p.AnswersMore(f.Use):
			return OverBudget
		}
		return Valid
	case prvs.Untagged:
		// Mail that we leave unsigned is answered without a tag.
		switch {
		case f.Issued == IssuedYes:
			v.Cause = LeftUnsigned
			return Exempt
		case !p.Signs(f.Address):
			v.Cause = NeverSigned
			return Exempt
		}
		return Untagged
	case prvs.BadSignature:
		return BadSignature
	case prvs.UnknownKey, prvs.Unverifiable:
		return UnknownKey
	case prvs.Expired:
		return Expired
	default:
		return Malformed
	}
}

// mayBeWrong says why a bounce that would be refused for what is proven must not be, whatever the mode: because that may be wrong, or
// because it needs no proof.
func (p *Policy) mayBeWrong(v *Verdict, proven Reason, f RecipientFacts, today prvs.Day) Cause {
	switch {
	case v.Tag.Status == prvs.Unverifiable:
		return MissingKey
	case f.Own:
		return OwnMail
	case p.exempts(f, v.Tag):
		return Listed
	case v.Tag.Status == prvs.Valid && (proven == NotIssued || proven == OverBudget) && !p.reachesBack(proven, f.Record, v.Tag.Expiry):
		return IncompleteRecord
	case p.mayBeUnsigned(proven, f.Address) && f.Issued == IssuedUnknown:
		return StoreUnavailable
	case p.mayBeUnsigned(proven, f.Address) && p.unsignedMayBeMissing(f, today):
		return IncompleteRecord
	case !proven.provable():
		return NoCause
	case f.Proof == ProofUnread:
		return UnreadContent
	case f.Proof == ProofUnknown:
		return StoreUnavailable
	case f.Proof == ProofAbsent && p.MayBeMissing(f.Record, p.sent(f, v.Tag), today):
		return IncompleteRecord
	}
	return NoCause
}

// notEnforced says why the site does not want the message refused. daemon says that it is a bounce without the null sender.
func (p *Policy) notEnforced(v *Verdict, daemon bool, record RecordFacts, today prvs.Day) Cause {
	switch {
	case v.Domain.Mode == ModeMonitor:
		return MonitorMode
	case v.Domain.Mode == ModeAuto && !p.Enforces(v.Domain, record.SigningSince, record.Signing, today):
		return NewDomain
	case daemon && !p.set.MailerDaemons.Refuse:
		return MailerDaemon
	}
	return NoCause
}

// allowance is how many messages like this the recipient may get in a day, which may be genuine although nothing proves them. A tag that
// was taken out of use is not to be answered.
func (p *Policy) allowance(proven Reason, f RecipientFacts) uint64 {
	switch proven {
	case Untagged, Malformed, BadSignature, UnknownKey, Expired:
		return p.Allowance(f.Content, f.Unclear, f.Anonymous)
	}
	return 0
}

// with returns the verdict with its reason and action.
func (v Verdict) with(r Reason, a Action) Verdict {
	v.Reason, v.Action = r, a
	return v
}

// spared returns the verdict about a bounce that would be refused for what is proven, and is delivered for the cause.
func (v Verdict) spared(proven Reason, c Cause) Verdict {
	v.Would, v.Cause = proven, c
	if r := c.Reason(); r != NoReason {
		return v.with(r, c.Action())
	}
	return v.with(proven, c.Action())
}

// reliesOnAbsence says whether the reason would be another one, were something on record that is not.
func (p *Policy) reliesOnAbsence(reason Reason, f RecipientFacts) bool {
	return reason == NotIssued || reason == OverBudget || reason.provable() && f.Proof == ProofAbsent ||
		p.mayBeUnsigned(reason, f.Address) && f.Issued == IssuedNo
}

// verify says what the tag of an address says. An SRS address has no tag of ours unless its signature is right.
func (p *Policy) verify(a prvs.Address, now time.Time) prvs.Result {
	r := p.Verify(a, prvs.DayOf(now))
	if isSRS(a.Local) && r.Status != prvs.Valid && r.Status != prvs.Expired {
		return prvs.Result{Status: prvs.Untagged, Original: a, Sender: a}
	}
	return r
}

// mayBeUnsigned says whether a bounce to this address that lacks a tag may answer mail that was left unsigned on purpose.
func (p *Policy) mayBeUnsigned(proven Reason, a prvs.Address) bool {
	return proven == Untagged && (!p.doNotTag.empty() || !p.known.empty() || p.skips(a))
}

// removable says whether a tag is removed from a recipient: one of ours, and one that may be.
func removable(s prvs.Status) bool {
	return s == prvs.Valid || s == prvs.Expired || s == prvs.Unverifiable
}

// Untags says whether a message that is delivered is delivered to the address without the tag. No mailbox has the name of a tag that is
// wrong, so that what is accepted in spite of it goes to the address behind it.
func (v *Verdict) Untags() bool {
	if removable(v.Tag.Status) {
		return true
	}
	return v.Tag.Status != prvs.Untagged && !v.Tag.Original.IsNull() && v.Action != ActionNone
}

// EnforcesFrom returns the first day on which mode auto enforces, for a domain that has been signing since the day since.
func (p *Policy) EnforcesFrom(since prvs.Day) prvs.Day {
	o := p.set.Keys.Options()
	return since + prvs.Day(o.Lifetime+o.Rotation-1) + 1
}

// Enforces says whether bounces of the domain are refused on the day today.
func (p *Policy) Enforces(d *Domain, since prvs.Day, signing bool, today prvs.Day) bool {
	switch d.Mode {
	case ModeEnforce:
		return true
	case ModeAuto:
		return signing && today >= p.EnforcesFrom(since)
	}
	return false
}

// RefusesAt says at which stage the verdict may be given to the client. A tag that is missing or wrong waits for the content, which may
// prove the bounce, and because a callout must see 250 at RCPT.
func (p *Policy) RefusesAt(v *Verdict) Stage {
	switch v.Reason {
	case Untagged:
		if v.Domain.RefuseUntaggedAtData {
			return StageData
		}
	case BadSignature, UnknownKey, InvalidTag:
		if p.set.RefuseBadTagAtRcpt && !v.Covers { // a right tag waits for the record
			return StageRcpt
		}
	}
	return reasons[v.Reason].stage
}

// NeedsProof says whether the content may change the verdict.
func (p *Policy) NeedsProof(v *Verdict) bool {
	return v.Reason.provable() || v.Would.provable() && (v.Reason == Grace || p.set.ReadAll && v.Cause == OwnMail)
}

// SeveralRecipients changes the verdicts of a message with the null sender whose recipients were not all treated alike:
// some may have it, others must not, and DATA and end of message know one reply for all. If one of them is only deferred,
// nothing is changed: the whole message is deferred and comes again. A wrong tag that is deferred for [Guessing] will
// be no better then.
func (p *Policy) SeveralRecipients(vs []*Verdict) {
	refused := 0
	for _, v := range vs {
		if v.Action == ActionDefer && !(v.Cause == Guessing && v.IsWrongTag()) {
			return
		}
		if v.Refuses() {
			refused++
		}
	}
	if refused == 0 || refused == len(vs) {
		return
	}
	for _, v := range vs {
		if v.Refuses() {
			v.Would = v.Reason
			*v = v.with(SeveralRecipients, p.actions[SeveralRecipients])
		}
	}
}
