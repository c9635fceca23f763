package policy

import (
	"iter"
	"strings"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// Domain is one domain we sign for and whose bounces are judged, or all domains below one.
type Domain struct {
	// Name is the domain in any spelling (see [prvs.FoldDomain]), or "*.example.com" for all domains below example.com, but not itself. Where
	// several names fit an address, the domain itself goes first, then the longest one. In a [Policy] it is folded.
	Name string
	// Aliases are other domains with the same mailboxes: user@alias.example and user@example.com are one, so that a tag or a record of
	// one counts for the other. They are domains themselves, in any spelling. Domains below one have none.
	Aliases []string

	Mode Mode
	Form prvs.Form // of the tags that are issued; both forms are always understood
	// RefuseUntaggedAtData refuses an untagged bounce at DATA, before its content has been seen. It saves the
	// transfer and gives up every proof that the content could give.
	RefuseUntaggedAtData bool
}

// Domains finds the settings of the domains of ours, whatever their number, and knows which addresses are one mailbox. It never changes.
type Domains struct {
	list  []*Domain
	exact map[string]*Domain // by folded name, aliases included
	below map[string]*Domain // by what follows "*."
}

// NewDomains makes Domains. Of two domains with the same name the first one counts.
func NewDomains(list []Domain) *Domains {
	ds := &Domains{list: make([]*Domain, 0, len(list)), exact: make(map[string]*Domain, len(list)), below: map[string]*Domain{}}
	add := func(m map[string]*Domain, name string, d *Domain) bool {
		if m[name] != nil {
			return false
		}
		m[name] = d
		return true
	}
	for _, d := range list {
		d.Name = prvs.FoldDomain(d.Name)
		if parent, below := strings.CutPrefix(d.Name, "*."); below {
			if add(ds.below, parent, &d) {
				ds.list = append(ds.list, &d)
			}
			continue
		}
		if add(ds.exact, d.Name, &d) {
			ds.list = append(ds.list, &d)
		}
		for _, alias := range d.Aliases {
			add(ds.exact, prvs.FoldDomain(alias), &d)
		}
	}
	return ds
}

// Find returns the settings of a domain of ours, given in any spelling, or nil. The name of a [Domain] finds it, too.
func (ds *Domains) Find(name string) *Domain {
	name = prvs.FoldDomain(name)
	if d := ds.exact[name]; d != nil || len(ds.below) == 0 {
		return d
	}
	for {
		var found bool
		if _, name, found = strings.Cut(name, "."); !found {
			return nil
		}
		if d := ds.below[name]; d != nil {
			return d
		}
	}
}

// Main returns the domain that an alias stands for. Every other domain is returned as it is.
func (ds *Domains) Main(domain string) string {
	folded := prvs.FoldDomain(domain)
	if d := ds.exact[folded]; d != nil && d.Name != folded {
		return d.Name
	}
	return domain
}

// Mailbox returns the one form that all ways share to write the address of a mailbox of ours: folded, and with the domain in place of
// an alias. An extension stays.
func (ds *Domains) Mailbox(a prvs.Address) prvs.Address {
	a = a.Fold()
	a.Domain = ds.Main(a.Domain)
	return a
}

// Sign returns an address of ours with the tag of its mailbox. The domain stays as it is written. The errors are those of
// [prvs.Ring.Sign].
func (ds *Domains) Sign(keys *prvs.Ring, a prvs.Address, form prvs.Form, today prvs.Day) (prvs.Signed, error) {
	mailbox := prvs.Address{Local: a.Local, Domain: ds.Main(a.Domain)}
	signed, err := keys.Sign(mailbox, form, today)
	if err == nil && mailbox.Domain != a.Domain {
		signed.Address = signed.Address[:strings.LastIndexByte(signed.Address, '@')+1] + a.Domain
	}
	return signed, err
}

// Verify says what the tag of an address says, see [prvs.Ring.Verify]. The tag of an alias is that of its mailbox, which is the
// Sender of the result, or one that was made before the domain became an alias.
func (ds *Domains) Verify(keys *prvs.Ring, a prvs.Address, today prvs.Day) prvs.Result {
	mailbox := prvs.Address{Local: a.Local, Domain: ds.Main(a.Domain)}
	r := keys.Verify(mailbox, today)
	if mailbox.Domain == a.Domain {
		return r
	}
	if r.Status == prvs.BadSignature || r.Status == prvs.UnknownKey {
		if before := keys.Verify(a, today); before.Status == prvs.Valid || before.Status == prvs.Expired {
			return before
		}
	}
	if r.Status == prvs.Untagged {
		r.Sender.Domain = a.Domain
	}
	if !r.Original.IsNull() {
		r.Original.Domain = a.Domain
	}
	return r
}

// Domain returns the settings of the domain of ours that a name means, in any spelling, or nil.
func (p *Policy) Domain(name string) *Domain { return p.domains.Find(name) }

// Domains returns the names and the settings of all domains of ours, in the order of the settings.
func (p *Policy) Domains() iter.Seq2[string, *Domain] {
	return func(yield func(string, *Domain) bool) {
		for _, d := range p.domains.list {
			if !yield(d.Name, d) {
				return
			}
		}
	}
}

// CountDomains returns how many there are.
func (p *Policy) CountDomains() int { return len(p.domains.list) }

// Mailbox is [Domains.Mailbox]: what is recorded and looked up about an address is recorded about its mailbox.
func (p *Policy) Mailbox(a prvs.Address) prvs.Address { return p.domains.Mailbox(a) }

// Mailboxes returns the mailboxes that an address may mean: with its extension, and without, from the longest to the shortest. If its
// domain is an alias, the same follow with the alias, for what was recorded before it became one.
func (p *Policy) Mailboxes(a prvs.Address) []prvs.Address {
	mailbox, delimiters := p.Mailbox(a), p.set.Keys.Options().Delimiters
	list := append([]prvs.Address{mailbox}, mailbox.WithoutExtensions(delimiters)...)
	if folded := a.Fold(); folded.Domain != mailbox.Domain {
		list = append(append(list, folded), folded.WithoutExtensions(delimiters)...)
	}
	return list
}

// BareMailbox returns the mailbox of an address up to its first extension: the shortest that it may mean, which all extensions and
// aliases of it share.
func (p *Policy) BareMailbox(a prvs.Address) prvs.Address {
	mailbox := p.Mailbox(a)
	if shorter := mailbox.WithoutExtensions(p.set.Keys.Options().Delimiters); len(shorter) > 0 {
		return shorter[len(shorter)-1]
	}
	return mailbox
}

// Sign is [Domains.Sign] with the keys of the policy.
func (p *Policy) Sign(a prvs.Address, form prvs.Form, today prvs.Day) (prvs.Signed, error) {
	return p.domains.Sign(p.set.Keys, a, form, today)
}

// Verify is [Domains.Verify] with the keys of the policy.
func (p *Policy) Verify(a prvs.Address, today prvs.Day) prvs.Result {
	return p.domains.Verify(p.set.Keys, a, today)
}
