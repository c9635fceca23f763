package sendmail

import (
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// block is what bouncefilter needs in a configuration: the lines of deploy/sendmail.
type block struct {
	milters []Milter
	domains []string // whose tags are taken off
}

func (b block) empty() bool { return len(b.milters) == 0 && len(b.domains) == 0 }

// The class and the map that remove tags. A separate class leaves the tags of domains that are only relayed, or whose
// tags other sites make: these sites check them.
const (
	ourClass = "BouncefilterDomain"
	belowOur = "BouncefilterBelow" // of domains whose subdomains are meant
	ourMap   = "Kbouncefilter_untag regex -q -s2 ^(prvs=[0-9]{4}[0-9a-f]{6}=)+(.+)$"
)

// ourRules come to the end of the rule set Parse0, which begins rule set 0 as well as the checks of recipients: Sendmail appends the rules
// of a rule set that it has already. They are for names with and without a dot behind them: those that DNS or a class knows have one. An
// address that the map does not know stays as it is.
var ourRules = []string{
	"R$+ < @ $={" + ourClass + "} . >\t$: $( bouncefilter_untag $1 $) < @ $2 . >",
	"R$+ < @ $={" + ourClass + "} >\t$: $( bouncefilter_untag $1 $) < @ $2 >",
}

// belowRules are for the domains below those of the class.
var belowRules = []string{
	"R$+ < @ $+ . $={" + belowOur + "} . >\t$: $( bouncefilter_untag $1 $) < @ $2 . $3 . >",
	"R$+ < @ $+ . $={" + belowOur + "} >\t$: $( bouncefilter_untag $1 $) < @ $2 . $3 >",
}

// classes returns the lines that fill the classes, with each name between quotes, and the rules that use them.
func (b block) classes(open, shut string) (lines, rules []string) {
	exact, below := false, false
	for _, d := range b.domains {
		class := ourClass
		if parent, isBelow := mta.Below(d); isBelow {
			class, d, below = belowOur, parent, true
		} else {
			exact = true
		}
		lines = append(lines, "C{"+class+"}"+open+d+shut)
	}
	if exact {
		rules = append(rules, ourRules...)
	}
	if below {
		rules = append(rules, belowRules...)
	}
	return lines, rules
}

// mc returns the lines for sendmail.mc, after which m4 is again where it was before.
func (b block) mc() []string {
	var lines []string
	for _, m := range b.milters {
		lines = append(lines, "INPUT_MAIL_FILTER(`"+m.Name+"', `S="+m.Socket+", "+ourEquates+"')dnl")
	}
	if len(b.domains) == 0 {
		return lines
	}
	classes, rules := b.classes("`", "'") // quoted, for a domain may begin with a word that m4 knows
	lines = append(append(lines, "LOCAL_CONFIG"), classes...)
	lines = append(append(lines, ourMap, "LOCAL_RULESETS", "SParse0"), rules...)
	return append(lines, "divert(0)dnl")
}

// cf returns the lines for a sendmail.cf without a source, which asks some milters already.
func (b block) cf(asked []string) []string {
	var lines []string
	names := asked
	for _, m := range b.milters {
		lines = append(lines, "X"+m.Name+", S="+m.Socket+", "+ourEquates)
		if !slices.Contains(names, m.Name) {
			names = append(slices.Clip(names), m.Name)
		}
	}
	if len(b.milters) > 0 {
		if len(asked) > 0 {
			lines = append(lines, "in place of the InputMailFilters that are there:")
		}
		lines = append(lines, "O InputMailFilters="+strings.Join(names, ", "))
	}
	if len(b.domains) == 0 {
		return lines
	}
	classes, rules := b.classes("", "")
	lines = append(lines, shown(classes)...)
	return append(append(lines, ourMap, "and at the end of the file:", "SParse0"), rules...)
}
