package postfix

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// A tag as an address has it. Tables look at its form only.
const sampleTag = "prvs=0787788259"

// foreign is a domain that no site has (RFC 2606), to see what a table does with the domains of other sites.
const foreign = "foreign.invalid"

// ourTables returns the paths of the tables in use that have the names of ours, by name.
func (c *Config) ourTables() map[string]string {
	paths := map[string]string{}
	look := func(text string) {
		for _, name := range []string{untagFile, localFile, extensionFile} {
			for _, kind := range []string{"pcre:", "regexp:"} {
				if before, _, found := strings.Cut(text, "/"+name); found {
					if at := strings.LastIndex(before, kind); at >= 0 {
						paths[name] = before[at+len(kind):] + "/" + name
					}
				}
			}
		}
	}
	look(c.option(c.service(cleanup), "recipient_canonical_maps"))
	for _, s := range c.receivers(outside, internal, reinjects) {
		look(c.option(s, "recipient_canonical_maps"))
	}
	return paths
}

// tables looks whether our tables do what they should with the domains that there are.
func (k *checker) tables() {
	paths := k.c.ourTables()
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		path := paths[name]
		if _, there := k.c.Tables[path]; !there {
			k.add(mta.LevelError, "table-missing", path, "There is no such file. Postfix defers all mail that needs this table.", setupCommand)
			continue
		}
		table, understood := k.c.pcre(path)
		if !understood {
			k.add(mta.LevelNote, "table-unclear", path, "This table was edited in a way that check does not understand.")
			continue
		}
		switch name {
		case untagFile:
			k.untagTable(path, table)
		case localFile:
			k.localTable(path, table)
		case extensionFile:
			k.extensionTable(path, table, k.c.option(nil, "recipient_delimiter"))
		}
	}
}

// untagTable must remove tags in our domains and leave those of other sites, which check them.
func (k *checker) untagTable(path string, table pcreTable) {
	var missing []string
	for _, name := range k.site.Domains {
		d := mta.SampleDomain(name)
		standard, _ := table.lookup(sampleTag + "=user@" + d)
		subAddress, _ := table.lookup("user+" + sampleTag + "@" + d)
		if standard != "user@"+d || subAddress != "user@"+d {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		k.add(mta.LevelError, "domains-differ", path, fmt.Sprintf("This table takes no tags off addresses in %s, which bouncefilter signs for: bounces of their mail are refused or lost.",
			mta.Names(missing)), k.editLine(path, k.site.Domains))
	}
	extra := k.extraDomains(k.c.list(nil, "mydestination"), k.ours, func(d string) bool { _, ok := table.lookup(sampleTag + "=user@" + d); return ok })
	if len(extra) > 0 {
		k.add(mta.LevelWarning, "domains-differ", path, fmt.Sprintf("This table removes tags from addresses in %s, which bouncefilter does not sign for.", mta.Names(extra)),
			k.editLine(path, k.site.Domains))
	}
}

// localTable must have the domains of mydestination and no others.
func (k *checker) localTable(path string, table pcreTable) {
	local := k.localDomains()
	has := func(d string) bool { user, ok := table.lookup("user@" + d); return ok && user == "user" }
	var missing []string
	for _, d := range local {
		if !has(d) {
			missing = append(missing, d)
		}
	}
	if len(missing) > 0 {
		k.add(mta.LevelError, "domains-differ", path, fmt.Sprintf("This table lacks %s, which is in mydestination: bounces to local users are refused.",
			mta.Names(missing)), k.editLine(path, local))
	}
	expected := mta.NewNameSet(local)
	extra := k.extraDomains(append(slices.Clone(k.site.Domains), k.c.list(nil, "mydestination")...), expected.Has, func(d string) bool { return k.ours(d) && has(d) })
	if len(extra) > 0 {
		k.add(mta.LevelWarning, "domains-differ", path, fmt.Sprintf(
			"This table has %s, which is not in mydestination: with a tag, every local user is known there, and the mail bounces later.", mta.Names(extra)), k.editLine(path, local))
	}
}

// extensionTable must take off what begins with one of the delimiters.
func (k *checker) extensionTable(path string, table pcreTable, delimiters string) {
	for _, delimiter := range delimiters {
		if got, _ := table.lookup("user" + string(delimiter) + "list@" + foreign); got != "user@"+foreign {
			k.add(mta.LevelError, "delimiter-differs", path, fmt.Sprintf(
				"This table does not know %q, which is in recipient_delimiter: bounces to addresses with an extension are refused.", delimiter), setupCommand)
			return
		}
	}
}

// ours says whether a domain is one of the site's.
func (k *checker) ours(domain string) bool { return k.index.Find(domain) != nil }

// extraDomains returns domains that a table has and that are not expected: of some, of the examples, or any. Domains below one that is
// expected are not extra, but that one itself may be.
func (k *checker) extraDomains(candidates []string, expected, has func(string) bool) []string {
	var extra []string
	seen := map[string]bool{}
	for _, name := range k.site.Domains {
		if parent, below := mta.Below(name); below {
			candidates = append(candidates, parent)
		}
	}
	for _, d := range append(slices.Clip(candidates), "example.com", foreign) {
		if !seen[d] && !expected(d) && has(mta.SampleDomain(d)) {
			extra = append(extra, d)
		}
		seen[d] = true
	}
	return extra
}

// maxEdited is how many domains an operator is asked to write into a table.
const maxEdited = 10

func (k *checker) editLine(path string, domains []string) string {
	if len(domains) > maxEdited {
		return setupCommand
	}
	pattern := domainPattern(domains)
	if filepath.Base(path) == localFile {
		return "below EDIT: /^(.+)@" + pattern + "$/   $1"
	}
	return "below EDIT: if /@" + pattern + "$/"
}
