package sendmail

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// Check reports what is missing or dangerous in a configuration. It depends on its arguments alone.
func Check(c *Config, site mta.Site) []mta.Finding {
	k := &checker{c: c, site: inASCII(site)}
	k.installation()
	k.milters()
	k.sockets()
	k.recipients()
	k.restrictions()
	k.rewriting()
	k.submission()
	k.networks()
	return k.findings
}

// checker collects findings.
type checker struct {
	c        *Config
	site     mta.Site
	findings []mta.Finding
}

func (k *checker) add(level mta.Level, name, where, what string, cure ...string) {
	k.findings = append(k.findings, mta.Finding{Level: level, Name: name, Where: where, What: what, Cure: append([]string{}, cure...)})
}

// at names a place in sendmail.cf. Line 0 means that the file does not have it.
func (k *checker) at(line int, what string) string {
	if line == 0 {
		return k.c.Path + ": " + what
	}
	return fmt.Sprintf("%s:%d: %s", k.c.Path, line, what)
}

// setupCommand is the cure for what setup puts right.
const setupCommand = "bouncefilter setup sendmail --write"

// bySetup returns the lines of a block, and what else is to be done with them.
func (k *checker) bySetup(b block) []string {
	if k.c.Source == "" {
		return append([]string{"add to " + k.c.Path + " (white space before \"$:\" is a TAB):"}, b.cf(splitFilters(k.c.option("InputMailFilters").Value))...)
	}
	return append(append([]string{"add to " + k.c.Source + ", before the first MAILER line (white space before \"$:\" is a TAB):"}, shown(b.mc())...),
		"then: "+makeCommand(k.c.Source))
}

// makeCommand is how administrators make sendmail.cf from its source.
func makeCommand(source string) string { return "make -C " + filepath.Dir(source) }

// installation checks the version of Sendmail and whether sendmail.cf is current.
func (k *checker) installation() {
	release, version := k.c.release()
	macros := k.c.option("Milter.macros.envfrom")
	switch {
	case release > 0 && release < 14:
		k.add(mta.LevelError, "sendmail-old", k.at(0, "version"),
			fmt.Sprintf("This is Sendmail %s. Only 8.14 and later let a milter change the sender and ask for the macros that it needs.", version), "upgrade Sendmail")
	case release == 0 && macros.Line > 0 && k.site.Signs() && !strings.Contains(macros.Value, "{auth_authen}"):
		k.add(mta.LevelWarning, "macros", k.at(macros.Line, macros.Name),
			"If this Sendmail is older than 8.14, bouncefilter does not learn which user has logged in, and does not sign that user's mail.",
			"add {auth_authen} to confMILTER_MACROS_ENVFROM")
	}
	if k.c.Fault != "" {
		k.add(mta.LevelWarning, "sendmail-complains", k.at(0, "sendmail -bt"), "Sendmail reports a fault in the configuration: "+k.c.Fault+".",
			"read the message; if check does not run as root, it may only lack the right to read a file")
	}
	if k.c.Stale {
		k.add(mta.LevelWarning, "not-generated", k.c.Source, fmt.Sprintf("This file is newer than %s: its changes have no effect yet.", k.c.Path),
			makeCommand(k.c.Source), reload(k.c))
	}
}

// submission checks that mail from the sendmail command passes a milter.
func (k *checker) submission() {
	if !k.site.Signs() {
		return
	}
	path := filepath.Join(filepath.Dir(k.c.Path), "submit.cf")
	if k.c.Submit == nil {
		k.add(mta.LevelError, "submission-missing", path,
			"Without this file the sendmail command puts mail into the queue itself, past all milters: mail of cron jobs and web applications leaves unsigned, and its bounces are refused.",
			"make this file from submit.mc, with FEATURE(`msp'), so that the command hands mail over by SMTP")
		return
	}
	host := k.c.Submit.Macros["MTAHost"]
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); host == "" || host == "[localhost]" || err == nil && ip.IsLoopback() {
		return
	}
	k.add(mta.LevelNote, "submission-elsewhere", path+": MTAHost",
		fmt.Sprintf("The sendmail command hands mail over to %s. That mail is signed only if bouncefilter is asked there and knows this host.", host))
}

// networks compares the clients that may relay without a login with those whose mail is signed.
func (k *checker) networks() {
	if k.site.Networks == nil || !k.site.Signs() {
		return
	}
	var unsigned []string
	for _, part := range k.c.Classes[relayed] {
		words := part.Words
		if part.File != "" {
			words = k.c.Files[part.File]
		}
		for _, word := range words {
			p, ok := parseNetwork(word)
			if ok && !slices.ContainsFunc(k.site.Networks, func(n netip.Prefix) bool { return n.Bits() <= p.Bits() && n.Contains(p.Addr()) }) {
				unsigned = append(unsigned, p.String())
			}
		}
	}
	if len(unsigned) > 0 {
		k.add(mta.LevelWarning, "networks-differ", k.at(0, "class R"), fmt.Sprintf(
			"Clients in %s may send without a login, and bouncefilter does not sign their mail: the mail leaves unsigned, and its bounces are refused.",
			strings.Join(unsigned, ", ")), "bouncefilter.toml, in [outbound]: add to networks: \""+strings.Join(unsigned, `", "`)+`"`)
	}
}

// parseNetwork reads a network as class R has it: its first octets, "192.0.2", or a whole address.
func parseNetwork(word string) (netip.Prefix, bool) {
	if ip, err := netip.ParseAddr(strings.TrimPrefix(word, "IPv6:")); err == nil {
		return netip.PrefixFrom(ip, ip.BitLen()), true
	}
	octets := strings.Count(word, ".") + 1
	if octets > 3 {
		return netip.Prefix{}, false
	}
	ip, err := netip.ParseAddr(word + strings.Repeat(".0", 4-octets))
	return netip.PrefixFrom(ip, 8*octets), err == nil
}
