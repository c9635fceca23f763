// Package policy decides: facts in, verdict out. It does no I/O and reads no clock, so that every row of the decision can be read and
// tested here, and so that the milter and the commands that explain its verdicts cannot differ.
//
// [New] makes a [Policy] from [Settings]. [Policy.Recipient] judges one recipient of a bounce, [Policy.Ordinary] one of other mail,
// and [Policy.Sender] the sender of outbound mail. What is said about a verdict (log word, metric label, SMTP reply, header, sentence)
// is in two tables: [Reason] in reason.go and [Cause] in cause.go.
//
// The package knows nothing of the milter protocol or of stores: what the record of sent mail says comes in as [RecipientFacts].
package policy

import (
	"slices"
)

// Policy is made once from [Settings], never changes, and may be used from many goroutines.
type Policy struct {
	set      Settings
	domains  *Domains
	outbound outboundRules
	exempt   exemptRules
	doNotTag addressList
	known    addressList // of recipients; see [KnownDestinations]
	skip     []skipRule
	unsigned addressList // senders that are not signed
	daemons  addressList // senders, other than the null one, whose mail may be a bounce
	actions  [reasonCount]Action

	authservIDs []string // in lower case
}

// New checks the settings and makes a Policy from them. The error lists everything that is wrong.
func New(s Settings) (*Policy, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	if s.WrongTagsPerDay == 0 {
		s.WrongTagsPerDay = DefaultWrongTagsPerDay
	}
	p := &Policy{set: s, domains: NewDomains(s.Domains)}
	p.outbound = newOutboundRules(s.Outbound)
	p.exempt = newExemptRules(s.Exempt, p.domains)
	p.doNotTag = newAddressList(s.DoNotTag.Recipients, p.domains)
	p.known = newKnownList(s.DoNotTag.Known, p.domains)
	p.skip = newSkipRules(s.Skip, p.domains)
	p.unsigned = newAddressList(s.DoNotTag.Senders, p.domains)
	p.daemons = newAddressList(s.MailerDaemons.Senders, p.domains)
	for _, id := range s.AuthservIDs {
		p.authservIDs = append(p.authservIDs, lower(id))
	}
	for r := range p.actions {
		p.actions[r] = Reason(r).defaultAction()
	}
	for r, a := range s.Actions {
		p.actions[r] = a
	}
	return p, nil
}

// Settings returns what the policy was made from. It must not be changed.
func (p *Policy) Settings() *Settings { return &p.set }

// Action returns what is done with a message or recipient for the reason, as configured.
func (p *Policy) Action(r Reason) Action { return p.actions[r] }

// Quarantines says whether a reason leads to quarantine.
func (p *Policy) Quarantines() bool { return slices.Contains(p.actions[:], ActionQuarantine) }

// Trusts says whether Authentication-Results with this authserv-id, given in lower case, are this site's own.
func (p *Policy) Trusts(authservID string) bool { return slices.Contains(p.authservIDs, authservID) }

// NeedsHelo says whether the HELO name matters.
func (p *Policy) NeedsHelo() bool { return p.exempt.needsHelo() }
