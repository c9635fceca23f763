package policy

import (
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/prvs"
)

// KnownDestination is a destination that says publicly that it compares the envelope sender with a list of addresses, so that it does not
// know a sender whose address has a tag.
type KnownDestination struct {
	Recipients string // its addresses, written as in [DoNotTagLists]
	What       string // what it is, and what it compares
	Source     string // where it says so
	Seen       string // the day on which the source was read, YYYY-MM-DD
}

// Has says whether all addresses of a domain, in lower case, are those of the destination.
func (d KnownDestination) Has(domain string) bool {
	at := strings.TrimPrefix(d.Recipients, "@")
	return at == domain || strings.HasPrefix(at, ".") && underAny([]string{at}, domain)
}

// knownDestinations are sorted by their addresses. An entry needs a source in which the operator of the destination, or its source code,
// says that the envelope sender is compared. Destinations that compare the From field do not belong here: the tag is not in it.
var knownDestinations = [...]KnownDestination{
	{"@.apache.org", "mailing lists; posts are compared with the subscribers by the envelope sender",
		"https://infra.apache.org/email_lists.html", "2026-11-30"},
	{"@egate.pranke.com", "EDI gateway; takes mail from registered envelope senders alone",
		"https://pranke.com/en/tag/batv/", "2026-11-30"},
	{"@simplelogin.co", "reverse aliases; take mail from the owner's envelope sender alone",
		"https://github.com/simple-login/app/issues/1082", "2026-11-30"},
}

// KnownDestinations returns the destinations to which mail is not signed if [DoNotTagLists] says so.
func KnownDestinations() []KnownDestination { return slices.Clone(knownDestinations[:]) }

// newKnownList makes a list of the known destinations.
func newKnownList(on bool, ds *Domains) addressList {
	var entries []string
	if on {
		for _, d := range knownDestinations {
			entries = append(entries, d.Recipients)
		}
	}
	return newAddressList(entries, ds)
}

// knows says whether a recipient is one of the known destinations, and not in one of our domains.
func (p *Policy) knows(recipient prvs.Address) bool {
	return p.listed(&p.known, recipient) && !p.ours(recipient)
}
