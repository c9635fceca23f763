package sendmail

import (
	"fmt"
	"slices"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// inASCII returns the site as Sendmail can know it.
//
// QUIRK: octets beyond ASCII are operators in Sendmail's rules. Internationalized domains are in sendmail.cf as A-labels alone.
func inASCII(site mta.Site) mta.Site {
	site.Domains = slices.DeleteFunc(slices.Clone(site.Domains), func(d string) bool {
		return slices.ContainsFunc([]byte(d), func(c byte) bool { return c >= 0x80 })
	})
	return site
}

// maxTested is how many domains the sendmail command is asked about: it may look each of them up in the DNS. The files say the rest.
const maxTested = 100

// testedDomains returns the domains that the sendmail command is asked about.
func testedDomains(domains []string) []string { return domains[:min(len(domains), maxTested)] }

// maxShown is how many lines about domains are shown to an operator who is to add them by hand.
const maxShown = 20

// shown shortens lines of which there is one for each domain.
func shown(lines []string) []string {
	if len(lines) <= maxShown {
		return lines
	}
	return append(slices.Clone(lines[:maxShown]), fmt.Sprintf("and %d more such lines, one for each domain", len(lines)-maxShown))
}
