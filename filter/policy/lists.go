package policy

import (
	"net/netip"
	"strings"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// addressList holds addresses, local parts and domains as [Exemptions] describes them.
type addressList struct {
	addresses map[string]bool // user@example.com
	locals    map[string]bool // user, in all our domains
	domains   map[string]bool // example.com
	below     []string        // .example.com: the domain and all below it
	all       bool            // *: every address
}

func newAddressList(entries []string) addressList {
	l := addressList{addresses: map[string]bool{}, locals: map[string]bool{}, domains: map[string]bool{}}
	for _, e := range entries {
		e = lower(e)
		switch i := strings.LastIndexByte(e, '@'); {
		case e == "*":
			l.all = true
		case i < 0:
			l.locals[e] = true
		case i > 0:
			l.addresses[e] = true
		case strings.HasPrefix(e, "@."):
			l.below = append(l.below, e[1:])
		default:
			l.domains[e[1:]] = true
		}
	}
	return l
}

func (l *addressList) empty() bool {
	return !l.all && len(l.addresses) == 0 && len(l.locals) == 0 && len(l.domains) == 0 && len(l.below) == 0
}

// has says whether the address is on the list. Entries that are a local part alone count only if locals is true.
func (l *addressList) has(a prvs.Address, locals bool) bool {
	if l.empty() {
		return false
	}
	a = a.Fold()
	if l.all || l.domains[a.Domain] || underAny(l.below, a.Domain) {
		return true
	}
	for _, a := range WithoutExtension(a) {
		if locals && l.locals[a.Local] || l.addresses[a.Local+"@"+a.Domain] {
			return true
		}
	}
	return false
}

// WithoutExtension returns the address, and, if it has one, the address without its extension. With several "+" either the
// first or the last one may begin it: VERP adds user+recipient=domain to whatever the sender was.
func WithoutExtension(a prvs.Address) []prvs.Address {
	as := []prvs.Address{a}
	first, last := strings.IndexByte(a.Local, '+'), strings.LastIndexByte(a.Local, '+')
	if last > 0 {
		as = append(as, prvs.Address{Local: a.Local[:last], Domain: a.Domain})
	}
	if first > 0 && first != last {
		as = append(as, prvs.Address{Local: a.Local[:first], Domain: a.Domain})
	}
	return as
}

// exemptRules is [Exemptions] in a form that is quick to ask.
type exemptRules struct {
	recipients addressList
	senders    addressList
	networks   []netip.Prefix
	helo       map[string]bool
	heloBelow  []string
}

func newExemptRules(e Exemptions) exemptRules {
	r := exemptRules{
		recipients: newAddressList(e.Recipients),
		senders:    newAddressList(e.Senders),
		networks:   e.Networks,
		helo:       map[string]bool{},
	}
	for _, h := range e.Helo {
		if h = lower(h); strings.HasPrefix(h, ".") {
			r.heloBelow = append(r.heloBelow, h)
		} else {
			r.helo[h] = true
		}
	}
	return r
}

// needsHelo says whether the HELO name is of interest.
func (r *exemptRules) needsHelo() bool { return len(r.helo) > 0 || len(r.heloBelow) > 0 }

// exempts says whether the message or the recipient is on a list. A tagged recipient is looked up without its tag.
func (p *Policy) exempts(f RecipientFacts, tag prvs.Result) bool {
	r := &p.exempt
	if inAny(r.networks, f.Client) {
		return true
	}
	if r.needsHelo() {
		h := lower(f.Helo)
		if r.helo[h] || underAny(r.heloBelow, h) {
			return true
		}
	}
	if !r.senders.empty() {
		if s, err := prvs.ParseAddress(f.Sender); err == nil && r.senders.has(s, p.Domain(lower(s.Domain)) != nil) {
			return true
		}
	}
	a := f.Address
	if tag.Status != prvs.Untagged && !tag.Original.IsNull() {
		a = tag.Original
	}
	return r.recipients.has(a, p.Domain(lower(a.Domain)) != nil)
}

// skipRule is a [SkipPair] in a form that is quick to ask.
type skipRule struct{ senders, recipients addressList }

func newSkipRules(pairs []SkipPair) []skipRule {
	rules := make([]skipRule, 0, len(pairs))
	for _, pair := range pairs {
		rules = append(rules, skipRule{newAddressList(pair.Senders), newAddressList(pair.Recipients)})
	}
	return rules
}

// pairs says whether a recipient is one to whom mail of the sender is not signed.
func (p *Policy) pairs(sender, recipient prvs.Address) bool {
	for i := range p.skip {
		r := &p.skip[i]
		if r.senders.has(sender, p.ours(sender)) && r.recipients.has(recipient, p.ours(recipient)) {
			return true
		}
	}
	return false
}

// skips says whether mail of the sender is not signed to some recipients.
func (p *Policy) skips(sender prvs.Address) bool {
	for i := range p.skip {
		if p.skip[i].senders.has(sender, p.ours(sender)) {
			return true
		}
	}
	return false
}

// ExemptRecipient says whether the address, without a tag, is one of the exempt recipients.
func (p *Policy) ExemptRecipient(a prvs.Address) bool { return p.exempt.recipients.has(a, p.ours(a)) }

// ours says whether the address is in one of our domains.
func (p *Policy) ours(a prvs.Address) bool { return p.Domain(lower(a.Domain)) != nil }

// underAny says whether the name is one of the domains, written with a leading dot, or below it.
func underAny(domains []string, name string) bool {
	for _, d := range domains {
		if strings.HasSuffix(name, d) || name == d[1:] {
			return true
		}
	}
	return false
}

// lower folds ASCII and everything else that has a lower case, without allocation if nothing changes.
func lower(s string) string { return strings.ToLower(s) }
