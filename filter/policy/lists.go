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

// newAddressList makes a list. The entries are folded, and an alias counts for the domain that it stands for.
func newAddressList(entries []string, ds *Domains) addressList {
	l := addressList{addresses: map[string]bool{}, locals: map[string]bool{}, domains: map[string]bool{}}
	for _, e := range entries {
		local, domain, whole := cutAddress(e)
		switch {
		case e == "*":
			l.all = true
		case !whole:
			l.locals[lower(e)] = true
		case local != "":
			l.addresses[ds.Mailbox(prvs.Address{Local: local, Domain: domain}).String()] = true
		case strings.HasPrefix(domain, "."):
			l.below = append(l.below, "."+prvs.FoldDomain(domain[1:]))
		default:
			l.domains[ds.Main(prvs.FoldDomain(domain))] = true
		}
	}
	return l
}

// cutAddress cuts an entry at its last "@"; whole is false if there is none.
func cutAddress(e string) (local, domain string, whole bool) {
	at := strings.LastIndexByte(e, '@')
	if at < 0 {
		return "", "", false
	}
	return e[:at], e[at+1:], true
}

func (l *addressList) empty() bool {
	return !l.all && len(l.addresses) == 0 && len(l.locals) == 0 && len(l.domains) == 0 && len(l.below) == 0
}

// has says whether one of the mailboxes that an address may mean (see [Policy.Mailboxes]) is on the list. Entries that are a local part
// alone count only if locals is true.
func (l *addressList) has(mailboxes []prvs.Address, locals bool) bool {
	if domain := mailboxes[0].Domain; l.all || l.domains[domain] || underAny(l.below, domain) {
		return true
	}
	for _, a := range mailboxes {
		if locals && l.locals[a.Local] || l.addresses[a.Local+"@"+a.Domain] {
			return true
		}
	}
	return false
}

// listed says whether an address is on a list. Local parts alone are those of our domains.
func (p *Policy) listed(l *addressList, a prvs.Address) bool {
	return !l.empty() && l.has(p.Mailboxes(a), p.ours(a))
}

// exemptRules is [Exemptions] in a form that is quick to ask.
type exemptRules struct {
	recipients addressList
	senders    addressList
	networks   []netip.Prefix
	helo       map[string]bool
	heloBelow  []string
}

func newExemptRules(e Exemptions, ds *Domains) exemptRules {
	r := exemptRules{
		recipients: newAddressList(e.Recipients, ds),
		senders:    newAddressList(e.Senders, ds),
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
		if s, err := prvs.ParseAddress(f.Sender); err == nil && p.listed(&r.senders, s) {
			return true
		}
	}
	a := f.Address
	if tag.Status != prvs.Untagged && !tag.Original.IsNull() {
		a = tag.Original
	}
	return p.listed(&r.recipients, a)
}

// skipRule is a [SkipPair] in a form that is quick to ask.
type skipRule struct{ senders, recipients addressList }

func newSkipRules(pairs []SkipPair, ds *Domains) []skipRule {
	rules := make([]skipRule, 0, len(pairs))
	for _, pair := range pairs {
		rules = append(rules, skipRule{newAddressList(pair.Senders, ds), newAddressList(pair.Recipients, ds)})
	}
	return rules
}

// pairs says whether a recipient is one to whom mail of the sender is not signed.
func (p *Policy) pairs(sender, recipient prvs.Address) bool {
	for i := range p.skip {
		r := &p.skip[i]
		if p.listed(&r.senders, sender) && p.listed(&r.recipients, recipient) {
			return true
		}
	}
	return false
}

// skips says whether mail of the sender is not signed to some recipients.
func (p *Policy) skips(sender prvs.Address) bool {
	for i := range p.skip {
		if p.listed(&p.skip[i].senders, sender) {
			return true
		}
	}
	return false
}

// ExemptRecipient says whether the address, without a tag, is one of the exempt recipients.
func (p *Policy) ExemptRecipient(a prvs.Address) bool { return p.listed(&p.exempt.recipients, a) }

// ours says whether the address is in one of our domains.
func (p *Policy) ours(a prvs.Address) bool { return p.Domain(a.Domain) != nil }

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
