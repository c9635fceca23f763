package postfix

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// errNoUntagging says that this Postfix can neither read a pcre table nor ask the lookup service.
var errNoUntagging = errors.New("this Postfix can remove tags from recipients for no table of its restrictions: it has no pcre tables")

// wrap returns the table of a restriction behind one that removes tags, as it is written in a list.
func (c *Config) wrap(site mta.Site, r restriction) (string, error) {
	off := ""
	switch {
	case slices.Contains(c.Types, "pcre"):
		off = "pcre:$config_directory/" + recipientFile
	case site.Socketmap != "":
		off = "socketmap:" + site.Socketmap + ":" + plainMap
	default:
		return "", errNoUntagging
	}
	table := r.table
	// A table behind a pipemap of the operator's that only removes tags goes behind ours instead.
	if stages := tablesOf("pipemap", table); len(stages) == 2 && c.untags(site, c.expand(r.service, stages[0])) {
		table = stages[1]
	}
	if looksUpParts(c.expand(r.service, table)) {
		off = "$" + recipientParameter
	}
	return "pipemap:{" + off + "," + table + "}", nil
}

// wrapped returns what takes the place of elements of a list, by their index: its tables behind one that removes tags.
func (c *Config) wrapped(site mta.Site, s *Service, list string, bypassed []restriction) map[int]string {
	elements := splitList(c.raw(s, list))
	replaced := map[int]string{}
	for _, r := range bypassed {
		if r.service != s || r.list != list || r.index < 0 {
			continue
		}
		table, err := c.wrap(site, r)
		if err != nil {
			continue
		}
		if r.index == 0 || !strings.EqualFold(elements[r.index-1], "check_recipient_access") {
			table = "check_recipient_access " + table // it was a table alone
		}
		replaced[r.index] = table
	}
	return replaced
}

// restrictions puts the tables of recipient restrictions behind a table that removes tags.
func (p *plan) restrictions(k *checker) {
	bypassed := k.bypassed()
	if len(bypassed) == 0 {
		return
	}
	if _, err := p.c.wrap(p.site, bypassed[0]); err != nil {
		p.because("Tables of recipient restrictions stay as they are: %v.", err)
		return
	}
	done := map[string]bool{}
	for _, r := range bypassed {
		place := k.at(r.service, r.list)
		if done[place] || r.index < 0 {
			continue
		}
		done[place] = true
		replaced := p.c.wrapped(p.site, r.service, r.list, bypassed)
		raw := p.c.raw(r.service, r.list)
		value := replaceElements(raw, raw, replaced)
		if r.service != nil {
			p.override(r.service, r.list, splitList(value))
			continue
		}
		p.set(r.list, value)
		p.inPlace[r.list] = replaced
	}
	if len(done) == 0 {
		return
	}
	p.because("The tables of recipient restrictions are asked for the address without its tag (%s). Otherwise a tag in front of an address, even a made-up one, would get around them.", recipientFile)
	off := "socketmap:" + p.site.Socketmap + ":" + plainMap
	if slices.Contains(p.c.Types, "pcre") {
		off = "pcre:$config_directory/" + recipientFile
		if path := filepath.Join(p.c.Dir, recipientFile); !k.hasTable(recipientFile) {
			p.tables[path] = table(recipientFile)
		}
	}
	uses := func(m parameter) bool { return strings.Contains(m.value, "$"+recipientParameter) }
	inMaster := func(edit string) bool { return strings.Contains(edit, "$"+recipientParameter) }
	if slices.ContainsFunc(p.main, uses) || slices.ContainsFunc(p.master, inMaster) {
		p.set(recipientParameter, untaggingAll(off))
	}
}
