package postfix

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// The names in setup and manual of the parameter and the tables by which smtpd knows tagged recipients.
const (
	knownParameter = "bouncefilter_known"
	untagFile      = "bouncefilter-untag.pcre"
	localFile      = "bouncefilter-local.pcre"
	extensionFile  = "bouncefilter-extension.pcre"
)

// standard says whether tags in front of the address (prvs=...=user@example.com) are made, and bounces to them come in here.
func (k *checker) standard() bool {
	return k.site.Verifies() && slices.Contains(k.site.Forms, "standard") && k.c.hosts(k.site) && !k.c.anyRecipient(k.site)
}

// hosts says whether mail to one of our domains is received here, and not only sent.
func (c *Config) hosts(site mta.Site) bool {
	hosted := slices.Clone(c.Hosted)
	for _, parameter := range hostingLists {
		hosted = append(hosted, c.list(nil, parameter)...)
	}
	set, index := mta.NewNameSet(hosted), site.Index()
	return len(c.localDomains(site)) > 0 || slices.ContainsFunc(site.Domains, set.Has) ||
		slices.ContainsFunc(hosted, func(d string) bool { return index.Find(d) != nil })
}

// anyRecipient says whether all domains are relayed on without a list of their users: then nothing is refused here, tagged
// or not, and the next server has to know.
func (c *Config) anyRecipient(site mta.Site) bool {
	relayed := mta.NewNameSet(c.list(nil, "relay_domains"))
	return c.option(nil, "relay_recipient_maps") == "" && len(site.Domains) > 0 &&
		!slices.ContainsFunc(site.Domains, func(d string) bool { return !relayed.Has(d) })
}

// untags says whether a table removes tags: ours, or another one that knows their form.
func (c *Config) untags(site mta.Site, element string) bool {
	if path, ok := pcrePath(element); ok {
		text, there := c.Tables[path]
		return strings.Contains(strings.ToLower(text), "prvs=") || !there && strings.HasSuffix(path, "/"+untagFile)
	}
	if stages := tablesOf("pipemap", element); len(stages) > 0 {
		return c.asksDaemon(site, stages[len(stages)-1])
	}
	return c.asksDaemon(site, element)
}

// asksDaemon says whether an element is the lookup service of the daemon.
func (c *Config) asksDaemon(site mta.Site, element string) bool {
	return site.Socketmap != "" && strings.HasPrefix(element, "socketmap:"+site.Socketmap+":")
}

// byDaemon says whether cleanup asks the lookup service of the daemon, and needs no table of ours.
func (c *Config) byDaemon(site mta.Site) bool {
	return slices.ContainsFunc(c.list(c.service(cleanup), "recipient_canonical_maps"), func(e string) bool { return c.asksDaemon(site, e) })
}

// knows says whether an element answers for tagged recipients only if the recipient without the tag is known.
func (c *Config) knows(site mta.Site, element string) bool {
	stages := tablesOf("pipemap", element)
	return len(stages) > 1 && c.untags(site, stages[0])
}

// recipients looks whether tagged recipients are accepted exactly when the recipient without the tag is known, and whether
// Postfix' own bounces find their way.
func (k *checker) recipients() {
	if !k.site.Verifies() {
		return
	}
	k.delimiters()
	if !k.c.hosts(k.site) {
		k.add(mta.LevelNote, "domains-elsewhere", k.inMain("mydestination, virtual_mailbox_domains, virtual_alias_domains, relay_domains"),
			"This Postfix receives mail for none of the domains that bouncefilter signs for. The server that receives their mail must know tagged recipients and ask bouncefilter.")
		return
	}
	if slices.Contains(k.site.Forms, "sub-address") && !strings.Contains(k.c.option(nil, "recipient_delimiter"), "+") {
		delimiter := k.c.option(nil, "recipient_delimiter")
		k.add(mta.LevelError, "delimiter-missing", k.inMain("recipient_delimiter"),
			"Bounces come to user+prvs=...@: Postfix takes that for another user and refuses the bounces.", k.set("recipient_delimiter", delimiter+"+"))
	}
	if !k.standard() {
		return
	}
	aliases := slices.ContainsFunc(k.c.list(nil, "virtual_alias_maps"), func(e string) bool { return k.c.untags(k.site, e) })
	if aliases {
		k.add(mta.LevelError, "unknown-users-accepted", k.inMain("virtual_alias_maps"),
			"This table removes tags, so Postfix knows every tagged recipient: mail to users who do not exist is accepted and bounced later.",
			setupCommand, "then take the table out of virtual_alias_maps")
	}
	strips := slices.ContainsFunc(k.c.list(k.c.service(cleanup), "recipient_canonical_maps"), func(e string) bool { return k.c.untags(k.site, e) })
	if !strips && !aliases {
		cure := []string{setupCommand}
		if k.hasUntagTable() && k.allKnow() { // otherwise the line alone would do harm
			cure = []string{k.set("recipient_canonical_maps", withList("pcre:$config_directory/"+untagFile, k.c.raw(nil, "recipient_canonical_maps"))),
				k.set("recipient_canonical_classes", "envelope_recipient")}
		}
		k.add(mta.LevelError, "own-bounces-lost", k.inMain("recipient_canonical_maps"),
			"No table removes tags from recipients in cleanup. Bounces that Postfix itself makes of signed mail pass no milter: they go to an unknown address and are lost.",
			cure...)
	}
	if strips && slices.Contains(k.c.list(k.c.service(cleanup), "recipient_canonical_classes"), "header_recipient") {
		k.add(mta.LevelNote, "headers-rewritten", k.inMain("recipient_canonical_classes"),
			"Tags are removed in To and Cc as well, which breaks DKIM signatures of mail that has them there.", k.set("recipient_canonical_classes", "envelope_recipient"))
	}
	for _, s := range k.c.receivers(outside) {
		k.knownRecipients(s, aliases)
	}
	for i := range k.c.Services {
		if s := &k.c.Services[i]; s.Command == "postscreen" && hasOption(s, "recipient_canonical_maps") {
			k.add(mta.LevelWarning, "postscreen-option", k.inMaster(s)+": recipient_canonical_maps",
				"postscreen does not use this option. It belongs to smtpd/pass, the service to which postscreen hands clients.")
		}
	}
}

// delimiters compares the characters that begin an extension in Postfix with those that bouncefilter takes off before it verifies a tag
// or looks mail up.
func (k *checker) delimiters() {
	missing := func(characters string) string {
		return strings.Map(func(c rune) rune {
			if strings.ContainsRune(k.site.Delimiters, c) {
				return -1
			}
			return c
		}, characters)
	}
	differ := func(parameter, characters, what string) {
		if m := missing(characters); m != "" {
			k.add(mta.LevelWarning, "extensions-missed", k.inMain(parameter), fmt.Sprintf("Postfix has %q here, and bouncefilter's delimiters are %q: %s", m, k.site.Delimiters, what),
				fmt.Sprintf("bouncefilter.toml: delimiters = %q", k.site.Delimiters+m))
		}
	}
	differ("recipient_delimiter", k.c.option(nil, "recipient_delimiter"),
		"bounces to an address with an extension are not known to answer mail of the address without it, and are refused.")
	if verp := k.c.option(nil, "default_verp_delimiters"); verp != "" && !strings.Contains("+-", verp[:1]) { // which are known in any case
		differ("default_verp_delimiters", verp[:1],
			"a tag does not verify after Postfix has added the recipient to the sender (VERP), and bounces of that mail are refused unless they name it.")
	}
}

// hasUntagTable says whether the table that removes tags is where the manual puts it.
func (k *checker) hasUntagTable() bool {
	_, there := k.c.Tables[k.c.Dir+"/"+untagFile]
	return there
}

// allKnow says whether each service that takes mail from outside has the list of known tagged recipients.
func (k *checker) allKnow() bool {
	return !slices.ContainsFunc(k.c.receivers(outside), func(s *Service) bool {
		return !slices.ContainsFunc(k.c.list(s, "recipient_canonical_maps"), func(e string) bool { return k.c.knows(k.site, e) })
	})
}

// setupCommand is the cure for what takes several steps.
const setupCommand = "bouncefilter setup postfix"

// knownRecipients looks at what one service that takes mail from outside knows of tagged recipients.
func (k *checker) knownRecipients(s *Service, aliases bool) {
	elements := k.c.list(s, "recipient_canonical_maps")
	known := slices.ContainsFunc(elements, func(e string) bool { return k.c.knows(k.site, e) })
	loose := slices.IndexFunc(elements, func(e string) bool { return k.c.untags(k.site, e) })
	where := k.inMaster(s)
	cure := []string{setupCommand}
	if k.c.written(knownParameter) {
		cure = []string{k.override(s, "recipient_canonical_maps", "$"+knownParameter)}
	}
	switch {
	case loose >= 0 && k.c.asksDaemon(k.site, elements[loose]):
		k.add(mta.LevelNote, "tags-by-socketmap", where, "Postfix asks bouncefilter which tags are valid. Mail to a user who no longer exists is accepted if its tag is valid, and bounced later.")
	case loose >= 0:
		k.add(mta.LevelError, "unknown-users-accepted", where+": recipient_canonical_maps",
			"A recipient found there counts as known, and every tagged recipient is found: mail to users who do not exist is accepted and bounced later.", cure...)
	case known:
		k.recipe(s)
	case !aliases:
		k.add(mta.LevelError, "tagged-refused", where,
			"Recipients with a tag are refused as unknown users before bouncefilter is asked: every bounce of signed mail is lost.", cure...)
	}
}

var parameterName = regexp.MustCompile(`\$[{(]?([A-Za-z0-9_]+)`)

// recipe looks for parameters that the recipe needs and main.cf lacks. Inside smtpd a parameter of ours sees another one
// only if that one is in main.cf; a default counts as empty.
func (k *checker) recipe(s *Service) {
	var missing, defaults []string
	seen := map[string]bool{}
	var walk func(text string)
	walk = func(text string) {
		for _, m := range parameterName.FindAllStringSubmatch(text, -1) {
			name := m[1]
			if seen[name] || strings.HasSuffix(name, "_directory") {
				continue
			}
			seen[name] = true
			switch {
			case k.c.written(name):
			case strings.HasPrefix(name, ourParameter):
				missing = append(missing, name)
			case k.c.option(nil, name) != "":
				defaults = append(defaults, name)
			}
			walk(k.c.raw(nil, name))
		}
	}
	walk(k.c.raw(s, "recipient_canonical_maps"))
	if len(missing) > 0 {
		k.add(mta.LevelError, "recipe-incomplete", k.inMain(missing[0]),
			fmt.Sprintf("%s refers to %s, which main.cf does not have: recipients with a tag are refused.", s.ID(), strings.Join(missing, ", ")), setupCommand)
	}
	if len(defaults) > 0 && len(k.localDomains()) > 0 {
		var cure []string
		for _, name := range defaults {
			cure = append(cure, k.set(name, k.c.raw(nil, name)))
		}
		k.add(mta.LevelError, "defaults-not-written", k.inMain(strings.Join(defaults, ", ")),
			"These parameters have their default, which counts as empty inside of $"+knownParameter+": bounces to local users are refused.", cure...)
	}
}

// localDomains returns our domains that are in mydestination.
func (k *checker) localDomains() []string { return k.c.localDomains(k.site) }

// localDomains returns our domains that are in mydestination. Of those below one with "*." it returns what mydestination names.
func (c *Config) localDomains(site mta.Site) []string {
	names := append(c.list(nil, "mydestination"), c.Local...)
	local, index := mta.NewNameSet(names), site.Index()
	var ours []string
	for _, d := range site.Domains {
		if _, below := mta.Below(d); !below && local.Has(d) {
			ours = append(ours, d)
		}
	}
	for _, name := range names {
		if _, below := mta.Below(name); below {
			continue // of c.Local: which ones it means is not known
		}
		if d := index.Find(name); d != nil && strings.HasPrefix(d.Name, "*.") {
			ours = append(ours, mta.Spellings(name)...)
		}
	}
	return ours
}

// withList puts a table before others.
func withList(table, others string) string {
	if others == "" {
		return table
	}
	return table + ", " + others
}
