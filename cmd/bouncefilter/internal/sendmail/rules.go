package sendmail

import (
	"regexp"
	"slices"
	"strings"
)

// resolving are the rule sets that an address passes on its way to a mailer; canonical are those that senders pass too.
var (
	resolving = []string{"parse", "Parse0", "ParseLocal", "Parse1"}
	canonical = []string{"canonify", "Canonify2", "Canonify3", "LocalCanon", "sender", "MasqEnv"}
)

// tagMaps returns the names of the maps that take tags of the standard form off.
func (c *Config) tagMaps() []string {
	var names []string
	for name, what := range c.Maps {
		kind, pattern, _ := strings.Cut(what, " ")
		if kind == "regex" && strings.Contains(strings.ToLower(pattern), "prvs=") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// untagging returns the rules of some rule sets that call such a map.
func (c *Config) untagging(rulesets []string) []Rule {
	var rules []Rule
	maps := c.tagMaps()
	for _, name := range rulesets {
		for _, r := range c.Rulesets[name] {
			if slices.ContainsFunc(maps, func(m string) bool { return calls(r, m) }) {
				rules = append(rules, r)
			}
		}
	}
	return rules
}

// calls says whether a rule looks something up in a map: "$(prvs $1 $)" or "$( prvs $1 $: $)".
func calls(r Rule, name string) bool {
	return strings.Contains(strings.ReplaceAll(r.Right, "$( ", "$(")+" ", "$("+name+" ")
}

var classInRule = regexp.MustCompile(`(\$\* ?|\$\+ ?\. ?)?\$=(\{\w+\}|\w)`)

// covers says whether a rule is for recipients of a domain.
func (c *Config) covers(r Rule, domain string) answer {
	_, host, found := strings.Cut(r.Left, "@")
	if !found {
		return yes // whatever the host
	}
	if i := strings.Index(host, ">"); i >= 0 {
		host = host[:i]
	}
	if strings.EqualFold(strings.Trim(strings.ReplaceAll(host, " ", ""), "."), domain) {
		return yes
	}
	found = false
	best := no
	for _, m := range classInRule.FindAllStringSubmatch(host, -1) {
		found = true
		class := strings.Trim(m[2], "{}")
		if !strings.HasPrefix(m[1], "$+") { // which is at least one label
			best = max(best, c.has(class, domain))
		}
		for parent := domain; m[1] != "" && strings.Contains(parent, "."); { // "$* $=w" takes subdomains as well, "$+ . $=w" no others
			_, parent, _ = strings.Cut(parent, ".")
			best = max(best, c.has(class, parent))
		}
	}
	if !found && (strings.Contains(host, "$+") || strings.Contains(host, "$*")) {
		return yes
	}
	return best
}

// untags says whether tags are taken off recipients of a domain. The answer of the sendmail command comes first.
func (c *Config) untags(domain string) answer {
	if said, asked := c.Untags[domain]; asked {
		if said {
			return yes
		}
		return no
	}
	best := no
	for _, r := range c.untagging(append(slices.Clone(resolving), canonical[:3]...)) {
		best = max(best, c.covers(r, domain))
	}
	return best
}
