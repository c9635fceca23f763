package postfix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// rewriting looks at what Postfix does with a sender before and after it is signed.
func (k *checker) rewriting() {
	if !k.site.Signs() {
		return
	}
	k.masquerading()
	k.canonicalSenders()
	k.lookupsBySender()
}

// rewriters returns the cleanup services that have one of some parameters for themselves, and nil for main.cf.
func (c *Config) rewriters(parameters ...string) []*Service {
	list := []*Service{nil}
	for i := range c.Services {
		s := &c.Services[i]
		if s.Command == "cleanup" && slices.ContainsFunc(parameters, func(p string) bool { return hasOption(s, p) }) {
			list = append(list, s)
		}
	}
	return list
}

// masquerading happens after the signature.
func (k *checker) masquerading() {
	for _, s := range k.c.rewriters("masquerade_domains", "masquerade_classes") {
		if !slices.Contains(k.c.list(s, "masquerade_classes"), "envelope_sender") {
			continue
		}
		cure := k.set("masquerade_classes", "header_sender, header_recipient")
		if s != nil {
			cure = k.override(s, "masquerade_classes", "header_sender,header_recipient")
		}
		for _, d := range k.c.list(s, "masquerade_domains") {
			parent, negated := strings.CutPrefix(d, "!")
			concerns := func(ours string) bool { return ours == parent || strings.HasSuffix(ours, "."+parent) || k.ours(parent) }
			if !negated && slices.ContainsFunc(k.site.Domains, concerns) {
				k.add(mta.LevelError, "masquerade", k.at(s, "masquerade_domains"), fmt.Sprintf(
					"Senders below %s lose their host name after bouncefilter has seen them: the signature no longer fits, or there is none, and bounces are refused.", parent),
					cure, "and let programs send with the sender that the world should see")
				break
			}
		}
	}
}

func (k *checker) canonicalSenders() {
	for _, m := range []struct{ maps, classes string }{
		{"sender_canonical_maps", "sender_canonical_classes"}, {"canonical_maps", "canonical_classes"},
	} {
		for _, s := range k.c.rewriters(m.maps, m.classes) {
			if k.c.option(s, m.maps) != "" && slices.Contains(k.c.list(s, m.classes), "envelope_sender") {
				k.add(mta.LevelWarning, "sender-canonical", k.at(s, m.maps), fmt.Sprintf(
					"bouncefilter sees the sender before %s and signs that one, so the envelope keeps it. A sender that only this table brings into one of your domains leaves unsigned.", m.maps),
					"let programs send with the final address, or take envelope_sender out of "+m.classes)
			}
		}
	}
}

// lookupsBySender checks tables in which Postfix looks up the signed sender, which no plain entry matches.
func (k *checker) lookupsBySender() {
	type lookup struct {
		name, where string
		elements    []string
		what        string
	}
	var lookups []lookup
	for i := range k.c.Services {
		s := &k.c.Services[i]
		if (s.Command == "smtp" || s.Command == "lmtp") && hasOption(s, "smtp_generic_maps") {
			lookups = append(lookups, lookup{"generic", k.inMaster(s) + ": smtp_generic_maps", k.c.list(s, "smtp_generic_maps"), "senders are not replaced"})
		}
	}
	main := func(name, parameter, what string) {
		lookups = append(lookups, lookup{name, k.inMain(parameter), k.c.list(nil, parameter), what})
	}
	main("generic", "smtp_generic_maps", "senders are not replaced")
	main("sender-relayhost", "sender_dependent_relayhost_maps", "mail takes the usual way")
	main("sender-relayhost", "sender_dependent_default_transport_maps", "mail takes the usual way")
	if k.c.option(nil, "smtp_sender_dependent_authentication") == "yes" {
		main("sender-authentication", "smtp_sasl_password_maps", "the password of the sender is not found")
	}
	for _, l := range lookups {
		knowsTags := func(e string) bool {
			path, ok := pcrePath(e)
			return ok && strings.Contains(strings.ToLower(k.c.Tables[path]), "prvs") || k.c.knows(k.site, e)
		}
		if l.name == "generic" && k.breaksTags(l.elements) {
			k.add(mta.LevelError, "generic-breaks", l.where, "A pattern here makes another address of a signed sender: the signature no longer fits, or is gone, and bounces are refused.",
				"let the pattern leave out addresses that begin with prvs=, and let programs send with the address that the world should see")
			continue
		}
		if len(l.elements) == 0 || slices.ContainsFunc(l.elements, knowsTags) {
			continue
		}
		what := fmt.Sprintf("Postfix looks up the signed sender (prvs=...=user@example.com) here, and an entry for the address alone does not match: %s.", l.what)
		parameter := l.where[strings.LastIndex(l.where, " ")+1:]
		cure := "let a pipemap take the tag off first, with deploy/postfix/" + untagFile
		if k.hasUntagTable() {
			cure = k.set(parameter, "pipemap:{pcre:$config_directory/"+untagFile+", unionmap:{"+k.c.raw(nil, parameter)+"}}, "+k.c.raw(nil, parameter))
		}
		if l.name == "generic" {
			cure = "let programs send with the address that the world should see"
		}
		k.add(mta.LevelWarning, l.name, l.where, what, cure)
	}
}

// breaksTags says whether a table of patterns makes another address of a signed one.
func (k *checker) breaksTags(elements []string) bool {
	for _, e := range elements {
		path, ok := pcrePath(e)
		if !ok {
			continue
		}
		table, understood := k.c.pcre(path)
		for _, d := range k.site.Domains {
			signed := sampleTag + "=user@" + mta.SampleDomain(d)
			if got, found := table.lookup(signed); understood && found && !strings.EqualFold(got, signed) {
				return true
			}
		}
	}
	return false
}
