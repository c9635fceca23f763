package filter

import (
	"net/netip"
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// Policy decides. It is made once from [Settings], never changes, and may be used from many goroutines. Its methods do
// no I/O and read no clock.
type Policy struct {
	set      Settings
	domains  map[string]*Domain
	outbound outboundRules
	exempt   exemptRules
	doNotTag addressList
	skip     []skipRule
	unsigned addressList // senders that are not signed
	daemons  addressList // senders, other than the null one, whose mail may be a bounce
	actions  [reasonCount]Action
}

// NewPolicy checks the settings and makes a Policy from them. The error lists everything that is wrong.
func NewPolicy(s Settings) (*Policy, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	p := &Policy{set: s, domains: make(map[string]*Domain, len(s.Domains))}
	for i := range s.Domains {
		d := s.Domains[i]
		d.Name = lower(d.Name)
		p.domains[d.Name] = &d
	}
	p.outbound = newOutboundRules(s.Outbound)
	p.exempt = newExemptRules(s.Exempt)
	p.doNotTag = newAddressList(s.DoNotTag.Recipients)
	p.skip = newSkipRules(s.Skip)
	p.unsigned = newAddressList(s.DoNotTag.Senders)
	p.daemons = newAddressList(s.MailerDaemons.Senders)
	for r := range p.actions {
		switch reasons[r].outcome {
		case NoOpinion:
			p.actions[r] = ActionNone
		case Accept:
			p.actions[r] = ActionAccept
		case Refuse:
			p.actions[r] = ActionReject
		case Defer:
			p.actions[r] = ActionDefer
		}
	}
	p.actions[Signed] = ActionSign
	// Dropping the recipients that cannot be proven keeps the bounce for the one that can: refusing the whole message
	// would lose it.
	p.actions[SeveralRecipients] = ActionDiscard
	for r, a := range s.Actions {
		p.actions[r] = a
	}
	return p, nil
}

// Domain returns the settings of a domain of ours, or nil.
func (p *Policy) Domain(name string) *Domain { return p.domains[name] }

// Settings returns what the policy was made from. It must not be changed.
func (p *Policy) Settings() *Settings { return &p.set }

// Issued is what the store said about a tag.
type Issued uint8

const (
	IssuedUnknown Issued = iota // the store was not asked or did not answer
	IssuedYes
	IssuedNo
)

// RecipientFacts is what is known about one recipient of a message with the null sender.
type RecipientFacts struct {
	Address prvs.Address // as the client gave it, or as the MTA qualified it
	Client  netip.Addr   // the zero Addr if there is none
	Helo    string       // only if the policy needs it
	Sender  string       // the envelope sender
	Own     bool         // handed in here: authenticated, internal network, local
	Daemon  bool         // a bounce that did not come with the null sender, see [MailerDaemons]
	// Issued says whether the tag is in the record, or, for a recipient without a tag, whether mail of it was left
	// unsigned on purpose.
	Issued Issued
	// Use is how much a tag was used that is on record.
	Use TagUse
	// Revoked is what is revoked; nil for nothing.
	Revoked *Revocations
	// Proof is what the content of the bounce and the record prove.
	Proof Proof
	// Memory says since when the record is complete.
	Complete store.Completeness
	// Doubt says that mail may have been signed lately which is not on the record yet.
	Doubt bool
	// Began is the earliest time, as far as known here, at which the record began; the zero time if none is known.
	Began time.Time
	// SigningSince is the day of the domain's first signature, if there was one.
	SigningSince store.Day
	Signing      bool
}

// Verdict is the decision about one recipient, or about one outbound message.
type Verdict struct {
	Reason      Reason
	Would       Reason // the reason it would have been refused for, if mode, grace or an exemption prevented it
	Action      Action
	Domain      *Domain     // ours; nil if the address is not in one
	Tag         prvs.Result // what its tag says
	BySignature bool        // the store could not be asked, the signature alone decided
	ByAbsence   bool        // it is refused for good, and would not be were something on record that is not
}

// Refuses says whether the verdict keeps the message from the recipient with an SMTP reply.
func (v *Verdict) Refuses() bool { return v.Action == ActionReject || v.Action == ActionDefer }

// Recipient decides about one recipient of a message with the null sender.
func (p *Policy) Recipient(f RecipientFacts, now time.Time) Verdict {
	v := Verdict{Domain: p.domains[lower(f.Address.Domain)]}
	if v.Domain == nil {
		v.Reason, v.Action = NotProtected, ActionNone
		return v
	}
	v.Tag = p.verify(f.Address, now)
	reason := p.judge(&v, f)
	switch {
	case reasons[reason].outcome == Accept:
		v.Reason, v.Action = reason, p.actions[reason]
	case v.Tag.Status == prvs.Unverifiable:
		v.Reason, v.Would, v.Action = Grace, reason, ActionAccept // it may be the tag of a key that is only missing here
	case f.Own || p.exempts(f, v.Tag):
		v.Reason, v.Would, v.Action = Exempt, reason, ActionAccept
	case v.Tag.Status == prvs.Valid && (reason == NotIssued || reason == OverBudget) && !p.remembers(reason, f.Complete, v.Tag.Expiry):
		v.Reason, v.Would, v.Action = Grace, reason, ActionAccept
	case reason == Untagged && p.mayHaveLeftUnsigned(f, store.DayOf(now)), reason.provable() && p.mayBeProven(f, store.DayOf(now)):
		v.Reason, v.Would, v.Action = Grace, reason, ActionAccept
	case v.Domain.Mode == ModeMonitor:
		v.Reason, v.Would, v.Action = reason, reason, ActionMonitor
	case v.Domain.Mode == ModeAuto && !p.Enforces(v.Domain, f.SigningSince, f.Signing, store.DayOf(now)):
		v.Reason, v.Would, v.Action = Grace, reason, ActionMonitor
	case f.Daemon && !p.set.MailerDaemons.Refuse:
		v.Reason, v.Would, v.Action = reason, reason, ActionTag
	default:
		v.Reason, v.Action = reason, p.actions[reason]
		v.ByAbsence = (v.Action == ActionReject || v.Action == ActionDiscard) && p.reliesOnAbsence(reason, f)
		if v.ByAbsence && f.Doubt {
			v.Action, v.ByAbsence = ActionDefer, false
		}
	}
	return v
}

// reliesOnAbsence says whether the reason would be another one, were something on record that is not.
func (p *Policy) reliesOnAbsence(reason Reason, f RecipientFacts) bool {
	return reason == NotIssued || reason == OverBudget || reason.provable() && f.Proof == ProofAbsent ||
		reason == Untagged && f.Issued == IssuedNo && p.leavesUnsigned(f.Address)
}

// verify tests the tag of an address. What looks like one in an SRS address, and was not made for all of it, belongs to the
// sender that the address names.
func (p *Policy) verify(a prvs.Address, now time.Time) prvs.Result {
	r := p.set.Keys.Verify(a, prvs.DayOf(now))
	if isSRS(a.Local) && r.Status != prvs.Valid && r.Status != prvs.Expired {
		return prvs.Result{Status: prvs.Untagged, Original: a, Sender: a}
	}
	return r
}

// judge says what the tag, the content and the record prove, before modes and exemptions.
func (p *Policy) judge(v *Verdict, f RecipientFacts) Reason {
	reason := p.judgeTag(v, f)
	if !reason.provable() {
		return reason
	}
	switch f.Proof {
	case ProofMessage:
		return ValidMessage
	case ProofCorrespondent:
		return ValidCorrespondent
	case ProofSpent:
		if reason != Revoked {
			return OverBudget
		}
	}
	return reason
}

// judgeTag says what the tag proves, or the lack of one.
func (p *Policy) judgeTag(v *Verdict, f RecipientFacts) Reason {
	switch v.Tag.Status {
	case prvs.Valid:
		v.BySignature = f.Issued == IssuedUnknown
		switch {
		case f.Revoked.Of(&v.Tag) != nil:
			return Revoked
		case f.Issued == IssuedNo:
			return NotIssued
		case f.Issued == IssuedYes && !p.answersMore(f.Use):
			return OverBudget
		}
		return Valid
	case prvs.Untagged:
		// Mail that we leave unsigned is answered without a tag.
		if f.Issued == IssuedYes || !p.signs(f.Address) {
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

// remembers says whether the record is complete for all days on which a tag with this day of expiry can have been
// issued. A tag that was issued while tags lived longer is older than it looks; for its budget, which is generous, that does not
// matter, but for a clock that is ahead.
func (p *Policy) remembers(reason Reason, m store.Completeness, expiry prvs.Day) bool {
	o := p.set.Keys.Options()
	days := o.Window()
	if reason == OverBudget {
		days = min(days, o.Lifetime+o.Rotation)
	}
	return !m.Since.IsZero() && prvs.DayOf(m.Since) < expiry-prvs.Day(days)
}

// mayHaveLeftUnsigned says whether mail of the recipient may have been left unsigned on purpose without a record of it.
func (p *Policy) mayHaveLeftUnsigned(f RecipientFacts, today store.Day) bool {
	return p.leavesUnsigned(f.Address) && (f.Issued == IssuedUnknown || p.mayBeMissing(f, today))
}

// leavesUnsigned says whether there is mail of the sender that is left unsigned on purpose.
func (p *Policy) leavesUnsigned(a prvs.Address) bool { return !p.doNotTag.empty() || p.skips(a) }

// mayBeProven says whether the record may have known, or may know, what the bounce names.
func (p *Policy) mayBeProven(f RecipientFacts, today store.Day) bool {
	return f.Proof == ProofUnknown || f.Proof == ProofAbsent && p.mayBeMissing(f, today)
}

// mayBeMissing says whether a record of mail sent lately may be missing: the store vouches for nothing, or its record had a
// gap after the domain began to sign, or has begun anew.
func (p *Policy) mayBeMissing(f RecipientFacts, today store.Day) bool {
	if f.Complete.Since.IsZero() {
		return true
	}
	since := store.DayOf(f.Complete.Since)
	anew := f.Signing && since > f.SigningSince || !f.Began.IsZero() && f.Complete.Since.After(f.Began)
	return anew && today <= since+store.Day(p.set.Proofs.Retention)
}

// Ordinary decides about a recipient of mail that is no bounce. Whoever answers the Return-Path has the address from us,
// so an expired tag is removed as well, and one whose key is missing here; a tag that never verified is left to the MTA.
func (p *Policy) Ordinary(a prvs.Address, now time.Time) Verdict {
	v := Verdict{Reason: NotProtected, Action: ActionNone, Domain: p.domains[lower(a.Domain)]}
	if v.Domain == nil {
		return v
	}
	v.Tag = p.verify(a, now)
	switch v.Tag.Status {
	case prvs.Valid, prvs.Expired, prvs.Unverifiable:
		v.Reason, v.Action = Untag, p.actions[Untag]
	default:
		v.Reason, v.Action = None, ActionNone
	}
	return v
}

// EnforcesFrom returns the first day on which mode auto enforces, for a domain that has been signing since the day since.
func (p *Policy) EnforcesFrom(since store.Day) store.Day {
	o := p.set.Keys.Options()
	return since + store.Day(o.Lifetime+o.Rotation-1) + 1
}

// Enforces says whether bounces of the domain are refused on the day today.
func (p *Policy) Enforces(d *Domain, since store.Day, signing bool, today store.Day) bool {
	switch d.Mode {
	case ModeEnforce:
		return true
	case ModeAuto:
		return signing && today >= p.EnforcesFrom(since)
	}
	return false
}

// RefusesAt says at which stage the verdict may be given to the client. A missing tag waits for the content, which may
// prove the bounce, and because a callout must see 250 at RCPT.
func (p *Policy) RefusesAt(v *Verdict) Stage {
	switch {
	case v.Reason == Untagged && v.Domain.RefuseUntaggedAtData:
		return StageData
	case reasons[v.Reason].stage == StageRcpt && p.set.RefuseBadTagAtData:
		return StageData
	}
	return reasons[v.Reason].stage
}

// NeedsProof says whether the content may change the verdict.
func (p *Policy) NeedsProof(v *Verdict) bool {
	return v.Reason.provable() || v.Reason == Grace && v.Would.provable()
}

// SeveralRecipients changes the verdicts of a message with the null sender whose recipients were not all treated alike:
// some may have it, others must not, and DATA and end of message know one reply for all. If one of them is only deferred,
// nothing is changed: the whole message is deferred and comes again.
func (p *Policy) SeveralRecipients(vs []*Verdict) {
	refused := 0
	for _, v := range vs {
		if v.Action == ActionDefer {
			return
		}
		if v.Refuses() {
			refused++
		}
	}
	if refused == 0 || refused == len(vs) {
		return
	}
	action := p.actions[SeveralRecipients]
	for _, v := range vs {
		if v.Refuses() {
			v.Reason, v.Would, v.Action = SeveralRecipients, v.Reason, action
		}
	}
}
