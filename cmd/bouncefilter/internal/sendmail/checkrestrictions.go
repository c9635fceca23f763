package sendmail

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// early are the rule sets that a recipient passes before it is looked up in the access table.
var early = append([]string{"Parse0"}, canonical[:4]...)

// restrictions looks whether a rule about a recipient can be got around with a tag in front of the address.
func (k *checker) restrictions() {
	if k.site.Verifies() && k.makes("standard") {
		k.accessTable()
		k.localCheck()
	}
	if k.site.Signs() && slices.ContainsFunc(k.c.Rulesets["check_compat"], func(r Rule) bool { return strings.Contains(r.Right, "Compat:") }) {
		k.add(mta.LevelWarning, "compat-check", k.at(k.c.Rulesets["check_compat"][0].Line, "rule set check_compat"),
			"Sendmail looks up the signed sender (prvs=...=user@example.com) here, and an entry Compat: for the address alone does not match.",
			"let a rule at the beginning of check_compat take the tag off the sender: with the map bouncefilter_untag, or in the program that sends")
	}
}

// bypassed returns the domains whose recipients are looked up in the access table before their tags are taken off.
func (k *checker) bypassed() []string {
	if !k.site.Verifies() || k.recipientLookup() == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(k.site.Domains), func(d string) bool {
		before := slices.ContainsFunc(k.c.untagging(early), func(r Rule) bool { return k.c.covers(r, d) != no })
		return before || k.c.untags(d) == no || k.c.hosts(d) == no
	})
}

// recipientLookup returns the line of the rule that looks recipients up in the access table, 0 if there is none.
func (k *checker) recipientLookup() int {
	for _, r := range k.c.Rulesets["Rcpt_ok"] {
		if strings.Contains(r.Right, "SearchList") && strings.Contains(strings.ReplaceAll(r.Right, " ", ""), "To>") {
			return r.Line
		}
	}
	return 0
}

// accessTable looks whether recipients are looked up in the access table before their tags are taken off.
func (k *checker) accessTable() {
	bypassed := k.bypassed()
	if len(bypassed) > 0 {
		cure := k.bySetup(block{domains: bypassed})
		cure[0] = "in place of the rules that remove tags now, " + cure[0]
		k.add(mta.LevelError, "restriction-bypassed", k.at(k.recipientLookup(), "rule set Rcpt_ok"), fmt.Sprintf(
			"The access table is asked for recipients in %s as clients wrote them: a tag in front of an address, even a made-up one, gets around its entry (To:).",
			mta.Names(bypassed)), cure...)
	}
}

// localCheck looks for rules of the operator's about recipients.
func (k *checker) localCheck() {
	rules := k.c.Rulesets["Local_check_rcpt"]
	if len(rules) == 0 || slices.ContainsFunc(rules, func(r Rule) bool { return strings.Contains(strings.ReplaceAll(r.Right, " ", ""), "$>CanonAddr$1") }) {
		return
	}
	k.add(mta.LevelWarning, "local-check", k.at(rules[0].Line, "rule set Local_check_rcpt"),
		"These rules see recipients as clients wrote them: a tag in front of an address, even a made-up one, gets around a rule for the address.",
		"let them begin with R$*<TAB>$: $>CanonAddr $1, which removes tags, and match addresses as that rule set gives them: user < @ example.com . >")
}
