package prvs

import (
	"strings"
	"unicode/utf8"

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
	if !fitsDNS(name) {
		return domain
	}
	ascii, err := labels.ToASCII(name)
	if _, problem := scanDomain(ascii, 0, len(ascii)); err != nil || problem != "" || !isASCII(ascii) {
		return domain
	}
	if below {
		return "*." + ascii
	}
	return ascii
}

// The longest name and the longest label in characters that are mapped to A-labels: twice the octets that DNS allows (RFC 1035 section
// 2.3.4), because a character may be written as two, a letter and its mark, which the mapping makes one.
const (
	maxDomain = 2 * 253
	maxLabel  = 2 * 63
)

// fitsDNS says whether a name can be one of DNS. To encode a label takes time in proportion to the square of its length (RFC 3492), so
// that its length is looked at first.
func fitsDNS(name string) bool {
	if len(name) > utf8.UTFMax*maxDomain {
		return false
	}
	all, label := 0, 0
	for _, c := range name {
		all, label = all+1, label+1
		if c == '.' || c == '\u3002' || c == '\uff0e' || c == '\uff61' { // the full stops of UTS 46
			label = 0
		}
		if all > maxDomain || label > maxLabel {
			return false
		}
	}
	return true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
