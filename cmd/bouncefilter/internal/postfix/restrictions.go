package postfix

import (
	"regexp"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// Restrictions see a recipient as the client wrote it, with its tag, whatever recipient_canonical_maps say. These are the table and the
// parameter that remove tags for the tables of restrictions.
const (
	recipientFile      = "bouncefilter-recipient.pcre"
	recipientParameter = ourParameter + "_recipient"
)

// untaggingAll is the value of recipientParameter for a table that removes tags.
//
// QUIRK: the first table of a pipemap decides whether Postfix looks up parts of an address, such as "example.com" and "user@", and the
// first of a unionmap decides it for the unionmap. They are not looked up in a table of patterns, hence the inline table, which has
// nothing (src/util/dict_pipe.c, src/util/dict_union.c).
func untaggingAll(table string) string { return "unionmap:{inline:{@=-}," + table + "}" }

// restrictionLists are the parameters whose restrictions see recipients.
var restrictionLists = []string{"smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions",
	"smtpd_relay_restrictions", "smtpd_recipient_restrictions", "smtpd_data_restrictions", "smtpd_end_of_data_restrictions"}

// restriction is an element of a list of restrictions that depends on the recipient.
type restriction struct {
	service *Service // whose own list it is; nil for one of main.cf
	list    string   // parameter in which it is written
	index   int      // of the table in the list as written; -1 if a reference that is not a name alone leads to it
	policy  bool     // check_policy_service
	table   string   // or service, as written
}

// restrictions returns what depends on the recipient in the lists of all services that take mail, once for each place where it is
// written. What a table itself names as its result is not seen.
func (c *Config) restrictions() []restriction {
	w := &restrictionWalk{c: c, seen: map[string]bool{}}
	lists := slices.Concat(restrictionLists, c.list(nil, "smtpd_restriction_classes"))
	for _, list := range lists {
		w.walk(nil, list, list)
	}
	for _, s := range c.receivers(outside, internal) {
		for _, list := range lists {
			if hasOption(s, list) {
				w.walk(s, list, list)
			}
		}
	}
	return w.found
}

type restrictionWalk struct {
	c     *Config
	seen  map[string]bool // "service parameter"
	found []restriction
}

// bareTable is a table without check_recipient_access before it, as old lists of recipient restrictions have.
var bareTable = regexp.MustCompile(`^[a-z]+:[^:]`)

// plainReference is a reference that stands for all of an element.
var plainReference = regexp.MustCompile(`^\$(?:\{(\w+)\}|\((\w+)\)|(\w+))$`)

// walk looks through a parameter, and the parameters that it names. of is the list to which all of them belong.
func (w *restrictionWalk) walk(s *Service, parameter, of string) {
	key := parameter
	if s != nil {
		key = s.ID() + " " + parameter
	}
	if w.seen[key] {
		return
	}
	w.seen[key] = true
	elements := splitList(w.c.raw(s, parameter))
	takesBare := of == "smtpd_recipient_restrictions" || of == "smtpd_relay_restrictions"
	for i := 0; i < len(elements); i++ {
		e := elements[i]
		policy := strings.EqualFold(e, "check_policy_service")
		switch {
		case (policy || strings.EqualFold(e, "check_recipient_access")) && i+1 < len(elements):
			i++
			w.found = append(w.found, restriction{s, parameter, i, policy, elements[i]})
		case takesArgument(e):
			i++
		case takesBare && bareTable.MatchString(e):
			w.found = append(w.found, restriction{s, parameter, i, false, e})
		case strings.Contains(e, "$"):
			w.refer(s, parameter, of, e)
		}
	}
}

// takesArgument says whether a restriction has an argument that is no table of recipients.
func takesArgument(e string) bool {
	e = strings.ToLower(e)
	prefixes := []string{"check_", "reject_rbl_", "reject_rhsbl_", "permit_dnswl_", "permit_rhswl_"}
	return e == "sleep" || e != "check_relay_domains" && slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(e, p) })
}

// refer follows a reference to other parameters.
func (w *restrictionWalk) refer(s *Service, parameter, of, element string) {
	if m := plainReference.FindStringSubmatch(element); m != nil {
		name := m[1] + m[2] + m[3]
		if s != nil && !hasOption(s, name) {
			s = nil
		}
		w.walk(s, name, of)
		return
	}
	expanded := splitList(w.c.expand(s, element))
	for i := range len(expanded) - 1 {
		policy := strings.EqualFold(expanded[i], "check_policy_service")
		if policy || strings.EqualFold(expanded[i], "check_recipient_access") {
			w.found = append(w.found, restriction{s, parameter, -1, policy, expanded[i+1]})
		}
	}
}

// patternTypes are the types of tables in which Postfix looks up whole addresses only.
var patternTypes = []string{"regexp", "pcre", "cidr", "tcp", "socketmap", "randmap"}

// tablesOf returns the tables that a pipemap or unionmap has in braces, nil for another table.
func tablesOf(kind, table string) []string {
	if braces, ok := strings.CutPrefix(table, kind+":"); ok && strings.HasPrefix(braces, "{") {
		inner, _ := bracketed(braces)
		return splitList(inner)
	}
	return nil
}

// looksUpParts says whether Postfix looks up the domain and the local part of an address in a table, too.
func looksUpParts(table string) bool {
	kind, rest, _ := strings.Cut(table, ":")
	switch {
	case kind == "proxy":
		return looksUpParts(rest)
	case (kind == "pipemap" || kind == "unionmap") && strings.HasPrefix(rest, "{"):
		tables := tablesOf(kind, table)
		return len(tables) > 0 && looksUpParts(tables[0])
	}
	return !slices.Contains(patternTypes, kind)
}

// seesPlain says whether a table of recipients is asked for the address without its tag, in the way in which it would be asked for that
// address. table is expanded.
func (c *Config) seesPlain(site mta.Site, table string) bool {
	stages := tablesOf("pipemap", table)
	return len(stages) > 1 && c.takesAllOff(site, stages[0]) && looksUpParts(stages[0]) == looksUpParts(stages[1])
}

// takesAllOff says whether a table has the address without a tag for every address, tagged or not.
func (c *Config) takesAllOff(site mta.Site, table string) bool {
	if tables := tablesOf("unionmap", table); len(tables) > 0 {
		return len(tables) == 2 && tables[0] == "inline:{@=-}" && c.takesAllOff(site, tables[1])
	}
	if site.Socketmap != "" && table == "socketmap:"+site.Socketmap+":"+plainMap {
		return true
	}
	path, ok := pcrePath(table)
	if !ok {
		return false
	}
	if _, there := c.Tables[path]; !there {
		return strings.HasSuffix(path, "/"+recipientFile) // see checker.tables
	}
	parsed, understood := c.pcre(path)
	return understood && plains(parsed)
}

// plainMap is the name of the map of the lookup service that removes tags from every address.
const plainMap = "plain"

// plains says whether a table removes tags from every address, and passes on what has none.
func plains(table pcreTable) bool {
	for key, want := range map[string]string{
		sampleTag + "=user@" + foreign:                   "user@" + foreign,
		sampleTag + "=" + sampleTag + "=user@" + foreign: "user@" + foreign,
		"user+" + sampleTag + "@" + foreign:              "user@" + foreign,
		sampleTag + "=user@":                             "user@",
		"user@" + foreign:                                "user@" + foreign,
		foreign:                                          foreign,
	} {
		if got, _ := table.lookup(key); got != want {
			return false
		}
	}
	return true
}

// bypassed returns the tables of recipients that a tag in front of the address gets around.
//
// The sub-address form alone needs nothing for tables in which Postfix looks up addresses without their extension.
func (k *checker) bypassed() []restriction {
	if !k.site.Verifies() || !k.c.hosts(k.site) {
		return nil
	}
	standard := slices.Contains(k.site.Forms, "standard")
	return slices.DeleteFunc(k.c.restrictions(), func(r restriction) bool {
		table := k.c.expand(r.service, r.table)
		return r.policy || k.c.seesPlain(k.site, table) || !standard && looksUpParts(table)
	})
}
