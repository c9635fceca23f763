package postfix

import (
	"path/filepath"
	"slices"
	"strings"
)

// The parameters of the recipe, in the order of the manual (deploy/postfix/README.md), but for those that depend on the site.
var recipeParameters = []struct{ name, value string }{
	{knownParameter, "$bouncefilter_plain ${recipient_delimiter?{$bouncefilter_extended}}"},
	{"bouncefilter_plain", "pipemap:{$bouncefilter_untag,$bouncefilter_by_address} pipemap:{$bouncefilter_name,$bouncefilter_by_name}"},
	{"bouncefilter_extended", "pipemap:{$bouncefilter_untag,$bouncefilter_extension,$bouncefilter_by_address} pipemap:{$bouncefilter_name,$bouncefilter_extension,$bouncefilter_by_name}"},
	{"bouncefilter_untag", "pcre:$config_directory/bouncefilter-untag.pcre"},
	{"bouncefilter_name", "$bouncefilter_untag,pcre:$config_directory/bouncefilter-local.pcre"},
	{"bouncefilter_extension", "pcre:$config_directory/bouncefilter-extension.pcre"},
	{"bouncefilter_by_address", "unionmap:{$virtual_alias_maps $virtual_mailbox_maps $relay_recipient_maps $local_recipient_maps inline:{@=-}}"},
	{"bouncefilter_by_name", "unionmap:{$local_recipient_maps $virtual_alias_maps inline:{@=-}}"},
}

// recipe lets smtpd know which tagged recipients are known, and cleanup remove tags.
func (p *plan) recipe(k *checker) {
	strips := func(e string) bool { return p.c.untags(p.site, e) }
	stage := p.c.service(cleanup)
	others := p.ownCanonical(stage)
	if p.c.byDaemon(p.site) {
		p.because("Postfix looks tagged recipients up in bouncefilter (socketmap); setup does not change that.")
		return
	}
	if !slices.ContainsFunc(p.c.list(stage, "recipient_canonical_maps"), strips) {
		p.strip(stage, others)
	}
	p.known(others)
	p.writtenDown(k)
	p.recipeTables(k)
}

// ownCanonical returns the elements of a service's recipient_canonical_maps that are not ours, as they are written.
func (p *plan) ownCanonical(s *Service) []string {
	var others []string
	for _, e := range splitList(p.c.raw(s, "recipient_canonical_maps")) {
		ours := func(e string) bool { return p.c.untags(p.site, e) || p.c.knows(p.site, e) }
		if expanded := splitList(p.c.expand(s, e)); len(expanded) > 0 && !slices.ContainsFunc(expanded, ours) && e != "$"+knownParameter {
			others = append(others, e)
		}
	}
	return others
}

// strip lets cleanup remove tags, before other tables: canonical mapping goes on with the result.
func (p *plan) strip(stage *Service, others []string) {
	const ours = "pcre:$config_directory/" + untagFile
	p.because("cleanup removes tags from recipients (recipient_canonical_maps). Otherwise the bounces that Postfix itself makes of signed mail would be lost: they pass no milter.")
	if stage != nil && hasOption(stage, "recipient_canonical_maps") {
		p.override(stage, "recipient_canonical_maps", append([]string{ours}, others...))
	} else {
		p.set("recipient_canonical_maps", strings.Join(append([]string{ours}, others...), ", "))
	}
	switch {
	case !slices.Contains(p.c.list(stage, "recipient_canonical_classes"), "header_recipient"):
	case len(others) == 0:
		p.set("recipient_canonical_classes", "envelope_recipient")
	default:
		p.because("Your own recipient_canonical_maps stay and go on rewriting headers, so tags in To and Cc are removed as well.")
	}
}

// known gives each service that takes mail from outside the list of known tagged recipients instead of the table above, by
// which all of them would be known.
func (p *plan) known(others []string) {
	explained := false
	explain := func() {
		if !explained {
			explained = true
			p.because("smtpd knows a tagged recipient exactly when it knows the recipient without the tag (%s), so unknown users are still refused with 550.", knownParameter)
		}
	}
	for _, s := range p.c.receivers(outside) {
		elements := p.c.list(s, "recipient_canonical_maps")
		knows := slices.ContainsFunc(elements, func(e string) bool { return p.c.knows(p.site, e) })
		loose := slices.ContainsFunc(elements, func(e string) bool { return p.c.untags(p.site, e) })
		if knows && !loose {
			continue
		}
		explain()
		p.override(s, "recipient_canonical_maps", append(p.ownCanonical(s), "$"+knownParameter))
	}
	for _, r := range recipeParameters {
		if p.c.written(r.name) {
			continue
		}
		value := r.value
		if r.name == "bouncefilter_by_address" {
			value = strings.Replace(value, "{", "{"+strings.Join(p.canonical(others), ""), 1)
		}
		explain()
		p.set(r.name, value)
	}
}

// canonical returns the site's own canonical maps, by which an address is known as well, each with a blank behind it.
func (p *plan) canonical(others []string) []string {
	var maps []string
	for _, e := range others {
		maps = append(maps, e+" ")
	}
	if p.c.written("canonical_maps") && p.c.option(nil, "canonical_maps") != "" {
		maps = append(maps, "$canonical_maps ")
	}
	return maps
}

// writtenDown writes defaults into main.cf that would count as empty inside of our parameters.
func (p *plan) writtenDown(k *checker) {
	if len(k.localDomains()) == 0 {
		return
	}
	explained := false
	for _, name := range []string{"local_recipient_maps", "alias_maps", "virtual_alias_maps", "virtual_mailbox_maps"} {
		if !p.c.written(name) && p.c.option(nil, name) != "" {
			p.set(name, p.c.raw(nil, name))
			if !explained {
				explained = true
				p.because("local_recipient_maps and similar parameters are written to main.cf with their present values: in smtpd, a parameter of bouncefilter sees only parameters that are in main.cf.")
			}
		}
	}
}

// recipeTables writes our tables with the domains of the site. A table that is correct stays as it is.
func (p *plan) recipeTables(k *checker) {
	used := p.c.ourTables()
	local := k.localDomains()
	changed := false
	for name, text := range map[string]string{
		untagFile:     tableFor(untagFile, p.site.Domains),
		localFile:     tableFor(localFile, local),
		extensionFile: extensionTableFor(p.delimiters()),
	} {
		path := used[name]
		if path == "" {
			path = filepath.Join(p.c.Dir, name)
		}
		if _, there := p.c.Tables[path]; there {
			table, understood := p.c.pcre(path)
			if !understood {
				continue // an operator edited it; check reports that it does not understand the table
			}
			probe := newChecker(p.c, p.site)
			switch name {
			case untagFile:
				probe.untagTable(path, table)
			case localFile:
				probe.localTable(path, table)
			case extensionFile:
				probe.extensionTable(path, table, p.delimiters())
			}
			if len(probe.findings) == 0 {
				continue
			}
		}
		p.tables[path] = text
		changed = true
	}
	if changed {
		p.because("The tables have the domains that bouncefilter signs for, and those of them in mydestination where local users are meant.")
	}
}
