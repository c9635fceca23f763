package sendmail

import (
	"fmt"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// domainClass is the class of our domains, whose tags are taken off.
const domainClass = "BouncefilterDomains"

// The lines of sendmail.mc that are bouncefilter's stand between these two.
const (
	blockBegin = `dnl bouncefilter begin: lines of "bouncefilter setup sendmail", which changes and removes them`
	blockEnd   = `dnl bouncefilter end`
)

// untagRules are for rule set 0, where an address is resolved: for the delivery, for the check of unknown users, for aliases
// and the virtusertable, and for bounces that Sendmail makes itself. The milter still sees the tag. "=" separates no tokens in
// Sendmail, hence the regex, which compares without regard to case: relays fold that of tags. Tabs separate the two sides of a
// rule.
const untagRules = `Kbouncefilter regex -q -s1 ^prvs=[0-9]{4}[0-9a-f]{6}=(.+)$
LOCAL_RULE_0
R$+ < @ $={` + domainClass + `} . >	$: $( bouncefilter $1 $) < @ $2 . >
R$+ < @ $={` + domainClass + `} >	$: $( bouncefilter $1 $) < @ $2 >
`

// filterLine names the milter. F=T: while it is down clients are told to try again, so that nothing leaves unsigned.
func filterLine(site mta.Site) string {
	return fmt.Sprintf("INPUT_MAIL_FILTER(`bouncefilter', `S=%s, F=T, T=C:10s;S:10s;R:10s;E:5m')dnl", Address(preferred(site)))
}

// preferred returns the listener that Sendmail is to use: one for both directions, as it knows no other, and a unix socket if
// there is one.
func preferred(site mta.Site) mta.Listener {
	best, bestRank := site.Listeners[0], -1
	for _, l := range site.Listeners {
		rank := 0
		if l.Sign && l.Verify {
			rank += 2
		}
		if strings.HasPrefix(Address(l), "local:") {
			rank++
		}
		if rank > bestRank {
			best, bestRank = l, rank
		}
	}
	return best
}

// block returns all lines for sendmail.mc. Where the tags are in the sub-address form, or nothing is judged, the rules are not
// needed, and do no harm: tags of both forms are understood.
func block(site mta.Site) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\nLOCAL_CONFIG\n", blockBegin, filterLine(site))
	for _, d := range site.Domains {
		fmt.Fprintf(&b, "C{%s}%s\n", domainClass, d)
	}
	b.WriteString(untagRules)
	fmt.Fprintf(&b, "divert(0)dnl\n%s\n", blockEnd)
	return b.String()
}

// withBlock puts the block into a sendmail.mc, in place of an older one: above the first MAILER line and above local rules,
// which would see tagged addresses otherwise.
func withBlock(mc, block string) string {
	before, rest, found := strings.Cut(mc, blockBegin)
	if found {
		if _, after, closed := strings.Cut(rest, blockEnd+"\n"); closed {
			return before + block + after
		}
	}
	at := len(mc)
	for _, word := range []string{"MAILER_DEFINITIONS", "MAILER(", "LOCAL_CONFIG", "LOCAL_RULE_", "LOCAL_RULESETS", "LOCAL_NET_CONFIG"} {
		if i := lineBegin(mc, word); i >= 0 {
			at = min(at, i)
		}
	}
	if at > 0 && mc[at-1] != '\n' {
		return mc[:at] + "\n" + block + mc[at:]
	}
	return mc[:at] + block + mc[at:]
}

// lineBegin returns where the first line begins that begins with a word, -1 if there is none.
func lineBegin(text, word string) int {
	if strings.HasPrefix(text, word) {
		return 0
	}
	if i := strings.Index(text, "\n"+word); i >= 0 {
		return i + 1
	}
	return -1
}
