package sendmail

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// makes says whether the site makes tags of a form.
func (k *checker) makes(form string) bool { return slices.Contains(k.site.Forms, form) }

// recipients looks at what Sendmail does with tagged recipients: those of bounces from outside, and of its own.
func (k *checker) recipients() {
	if k.site.Verifies() && k.site.Delimiters != "" && !strings.Contains(k.site.Delimiters, "+") {
		k.add(mta.LevelWarning, "extensions-missed", k.at(0, "rule set localaddr"), fmt.Sprintf(
			"Sendmail delivers user+detail to user, and bouncefilter's delimiters are %q: bounces to user+detail are not known to answer mail of user, and are refused.",
			k.site.Delimiters), fmt.Sprintf("bouncefilter.toml: delimiters = %q", "+"+k.site.Delimiters))
	}
	if k.makes("sub-address") {
		k.subAddresses()
	}
	if k.makes("standard") {
		k.unknownDomains()
		k.tagged()
		k.wayOff()
	}
}

// tagsStay returns the domains for which no rule removes tags although one must: those whose mail ends here and, where bounces are
// judged, those that are relayed. Bounces to all other domains come in elsewhere, and must get there with their tag.
func (k *checker) tagsStay() []string {
	return slices.DeleteFunc(slices.Clone(k.site.Domains), func(d string) bool {
		return k.c.untags(d) != no || k.c.local(d) == no && !(k.site.Verifies() && k.c.hosts(d) != no)
	})
}

// unknownDomains looks for domains whose bounces this Sendmail would not take, according to its classes.
func (k *checker) unknownDomains() {
	var elsewhere []string
	for _, d := range k.site.Domains {
		if k.site.Verifies() && k.c.hosts(d) == no && k.c.untags(d) == no {
			elsewhere = append(elsewhere, d)
		}
	}
	switch {
	case len(elsewhere) == 0:
	case len(k.c.Takes) > 0:
		k.add(mta.LevelNote, "domains-elsewhere", k.at(0, "rule set Rcpt_ok"), fmt.Sprintf(
			"This Sendmail takes no mail for %s, so bounces to it must come in elsewhere, where they are judged with the same keys.", mta.Names(elsewhere)))
	default:
		cure := k.bySetup(block{domains: elsewhere})
		cure[0] = "if it does, " + cure[0]
		k.add(mta.LevelWarning, "domains-elsewhere", k.at(0, "classes w, VirtHost and R"), fmt.Sprintf(
			"None of these classes has %s, so bounces to it must come in elsewhere, where they are judged with the same keys. "+
				"If this Sendmail takes them because of its access table, it refuses tagged recipients: no rule takes the tag off.",
			mta.Names(elsewhere)), cure...)
	}
}

// tagged looks for rules that remove tags.
func (k *checker) tagged() {
	domains := k.tagsStay()
	if len(domains) == 0 {
		return
	}
	where := k.at(0, "rule set ParseLocal")
	if rules := k.c.untagging(resolving); len(rules) > 0 {
		where = k.at(rules[0].Line, "rule set ParseLocal")
	}
	what := fmt.Sprintf("No rule takes the tag off recipients in %s.", mta.Names(domains))
	cure := k.bySetup(block{domains: domains})
	switch {
	case k.c.Macros["L"] != "":
		k.add(mta.LevelError, "tags-to-luser", where, what+fmt.Sprintf(" Mail to prvs=...=user goes to %s (LUSER_RELAY), like mail to unknown users.", k.c.Macros["L"]), cure...)
	case k.site.Verifies():
		k.add(mta.LevelError, "tagged-refused", where, what+" Genuine bounces to prvs=...=user are refused (550 User unknown), and Sendmail's own are lost.", cure...)
	default:
		k.add(mta.LevelError, "own-bounces-lost", where, what+" Bounces that Sendmail sends itself go to prvs=...=user, a user that it does not know, and are lost.", cure...)
	}
}

// wayOff checks the rules and maps that remove tags.
func (k *checker) wayOff() {
	for _, r := range k.c.untagging(canonical) {
		if k.site.Signs() {
			k.add(mta.LevelError, "strips-senders", k.at(r.Line, "rule set for all addresses"),
				"This rule removes tags from senders as well, also after they were signed: mail leaves unsigned, and its bounces are refused.",
				"put the rule into LOCAL_RULE_0, which only recipients pass")
			break
		}
	}
	for _, r := range k.c.untagging(resolving) {
		if strings.HasPrefix(r.Right, "$#") {
			k.add(mta.LevelWarning, "unknown-users-accepted", k.at(r.Line, "rule set ParseLocal"),
				"This rule gives every tagged recipient to a mailer, past virtusertable and other tables: mail to an unknown user is accepted if the sender puts a tag before the name.",
				"let the rule only take the tag off: $: $( map $1 $) < @ $2 . >")
		}
	}
	for _, name := range k.c.tagMaps() {
		if slices.Contains(strings.Fields(k.c.Maps[name]), "-f") {
			k.add(mta.LevelWarning, "tags-case", k.at(0, "K"+name),
				"The map distinguishes capitals (-f). If a relay writes PRVS= or the tag in capitals, its bounces are refused.", "take the -f out")
		}
	}
}

// subAddresses looks whether user+detail reaches user.
func (k *checker) subAddresses() {
	flags, known := k.c.Mailers["local"]
	detail := slices.ContainsFunc(k.c.Rulesets["localaddr"], func(r Rule) bool { return strings.Contains(r.Left, "+ $*") || strings.Contains(r.Left, "+ $+") })
	if k.site.Verifies() && (known && !strings.Contains(flags, "5") || !detail) {
		k.add(mta.LevelError, "sub-address-unknown", k.at(0, "mailer local"),
			"Tags are made in the sub-address form, and this Sendmail does not look for user when mail comes to user+prvs=...: genuine bounces are refused.",
			"let the mailer local have F=5 and rule set 5 its usual rules, or use tag_form = \"standard\"")
	}
}
