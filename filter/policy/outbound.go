package policy

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// Origin is what the MTA said about where a message came from.
type Origin struct {
	Authenticated bool       // {auth_authen} is set; {auth_author} can be set by any client
	Daemon        string     // {daemon_name}
	Client        netip.Addr // the zero Addr if there is none
	Local         bool       // the MTA's sendmail command: localhost, port 0
}

type outboundRules struct {
	Outbound
	daemons map[string]bool
}

func newOutboundRules(o Outbound) outboundRules {
	r := outboundRules{Outbound: o, daemons: make(map[string]bool, len(o.Daemons))}
	for _, d := range o.Daemons {
		r.daemons[d] = true
	}
	return r
}

// Outbound says whether mail of this origin was sent from here.
func (p *Policy) Outbound(o Origin) bool {
	r := &p.outbound
	switch {
	case r.Authenticated && o.Authenticated:
		return true
	case r.Local && o.Local:
		return true
	case o.Daemon != "" && r.daemons[o.Daemon]:
		return true
	}
	// The MTA's own sendmail command comes from 127.0.0.1 as well and has a switch of its own.
	return !o.Local && inAny(r.Networks, o.Client)
}

// Address makes out what address is meant: as the client wrote it, or, if that cannot be parsed or is in none of our
// domains, as the MTA understood it ({mail_addr}, {rcpt_addr}). A trailing dot of the domain, which MTAs remove, is removed.
// ok is false if it is no address.
func (p *Policy) Address(raw, mta string) (a prvs.Address, ok bool) {
	a, err := prvs.ParseAddress(raw)
	a.Domain = strings.TrimSuffix(a.Domain, ".")
	if err == nil && (a.IsNull() || p.ours(a)) {
		return a, true
	}
	if q, err := prvs.ParseAddress(mta); err == nil && q.Domain != "" {
		q.Domain = strings.TrimSuffix(q.Domain, ".")
		return q, true
	}
	return a, err == nil
}

// SenderFacts is what is known about the sender of an outbound message.
type SenderFacts struct {
	Sender   prvs.Address
	Unusable bool // the sender could not be parsed
	DoNotTag bool // a recipient must not be shown a tag of this sender, see [Policy.DoNotTag]
}

// Sender decides whether the envelope sender of an outbound message is signed.
func (p *Policy) Sender(f SenderFacts) Verdict {
	reason, d := p.sender(f)
	return Verdict{Reason: reason, Action: p.actions[reason], Domain: d}
}

func (p *Policy) sender(f SenderFacts) (Reason, *Domain) {
	switch {
	case f.Unusable:
		return UnusableSender, nil
	case f.Sender.IsNull():
		return NullSender, nil
	}
	d := p.Domain(f.Sender.Domain)
	err := prvs.CanSign(f.Sender)
	switch {
	case errors.Is(err, prvs.ErrNoDomain):
		return UnusableSender, nil
	case d == nil:
		return ForeignDomain, nil
	case errors.Is(err, prvs.ErrTagged), isSRS(f.Sender.Local):
		return AlreadyTagged, d
	case errors.Is(err, prvs.ErrTooLong):
		return TooLong, d
	case err != nil:
		return UnusableSender, d
	case p.listed(&p.unsigned, f.Sender):
		return ExcludedSender, d
	case f.DoNotTag:
		return DoNotTag, d
	}
	return Signed, d
}

// MayBeBounce says whether mail of this sender, which is not the null one, is read to find out whether it is a bounce.
func (p *Policy) MayBeBounce(sender prvs.Address) bool {
	return p.daemons.has(p.Mailboxes(sender), true)
}

// DoNotTag says whether a recipient is on the do-not-tag list, at a known destination if these count, or one to whom mail of this sender
// is not signed.
func (p *Policy) DoNotTag(sender, recipient prvs.Address) bool {
	return p.listed(&p.doNotTag, recipient) || p.knows(recipient) || p.pairs(sender, recipient)
}

// Signs says whether mail of this address is signed when it goes to ordinary recipients; only then can a bounce to it be
// expected to carry a tag.
func (p *Policy) Signs(a prvs.Address) bool {
	reason, _ := p.sender(SenderFacts{Sender: a})
	return reason == Signed
}

func inAny(nets []netip.Prefix, a netip.Addr) bool {
	if !a.IsValid() {
		return false
	}
	a = a.Unmap()
	for _, n := range nets {
		if n.Contains(a) {
			return true
		}
	}
	return false
}
