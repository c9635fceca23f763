package mta

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/idna"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// Below returns the domain of which a name like "*.example.com" means all domains below it.
func Below(name string) (parent string, ok bool) { return strings.CutPrefix(name, "*.") }

// SampleDomain returns a domain that a name with "*." means, or the name itself.
func SampleDomain(name string) string {
	if parent, below := Below(name); below {
		return "some.host." + parent
	}
	return name
}

// Spellings returns a domain, or a name with "*.", as it can be written: in lower case, and if it is an internationalized one with A-labels and
// with U-labels. Mail servers compare the octets.
func Spellings(name string) []string {
	folded := prvs.FoldDomain(name)
	parent, below := Below(folded)
	if !strings.Contains(folded, "xn--") {
		return []string{folded}
	}
	text, err := idna.Display.ToUnicode(parent)
	if err != nil || text == parent || prvs.FoldDomain(text) != parent {
		return []string{folded}
	}
	if below {
		text = "*." + text
	}
	return []string{folded, text}
}

// Index finds the domains of the site by name, in any spelling; what is below one with "*." is found as well.
func (s Site) Index() *policy.Domains {
	list := make([]policy.Domain, len(s.Domains))
	for i, d := range s.Domains {
		list[i].Name = d
	}
	return policy.NewDomains(list)
}

// NameSet holds domains that a mail server names, by their folded names.
type NameSet map[string]bool

// NewNameSet makes a set of lists.
func NewNameSet(lists ...[]string) NameSet {
	s := NameSet{}
	for _, list := range lists {
		for _, name := range list {
			s[prvs.FoldDomain(name)] = true
		}
	}
	return s
}

// Has says whether a domain is in the set, in any spelling. All domains below example.com are if example.com or .example.com is: some lists of
// mail servers mean these as well, and a mistake costs a finding too many.
func (s NameSet) Has(name string) bool {
	folded := prvs.FoldDomain(name)
	if parent, below := Below(folded); below && (s[parent] || s["."+parent]) {
		return true
	}
	return s[folded]
}

// maxNames is how many names of a list are told.
const maxNames = 10

// Names joins names for people. Of very many it tells the first ones.
func Names(list []string) string {
	if len(list) <= maxNames+1 {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d others", strings.Join(slices.Clone(list[:maxNames]), ", "), len(list)-maxNames)
}

// Quoted writes a string as the configuration has it.
func Quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
