package prvs

import (
	"strings"

	"golang.org/x/net/idna"
)

// labels maps the U-labels of internationalized domains to A-labels (RFC 5891 section 4, with the mapping of UTS 46).
var labels = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false))

// FoldDomain returns a domain in the one form that all its spellings share: in lower case, and with A-labels ("xn--...") in place of
// U-labels, which are equivalent (RFC 5890 section 2.3.2.1). Hosts without SMTPUTF8 write the one what others write as the other. A name
// that is no internationalized domain name is only brought into lower case. A leading "*." stays, for lists of domains.
//
// If the domain is ASCII in lower case, FoldDomain allocates nothing.
func FoldDomain(domain string) string {
	domain = strings.ToLower(domain)
	if isASCII(domain) {
		return domain
	}
	name, below := strings.CutPrefix(domain, "*.")
	ascii, err := labels.ToASCII(name)
	if _, problem := scanDomain(ascii, 0, len(ascii)); err != nil || problem != "" || !isASCII(ascii) {
		return domain
	}
	if below {
		return "*." + ascii
	}
	return ascii
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
