package postfix

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/filter/policy"
)

// Check reports what is missing or dangerous in a configuration. It depends on its arguments alone.
func Check(c *Config, site mta.Site) []mta.Finding {
	k := newChecker(c, site)
	k.installation()
	k.milters()
	k.sockets()
	k.recipients()
	k.restrictions()
	k.tables()
	k.rewriting()
	k.networks()
	return k.findings
}

// checker collects findings.
type checker struct {
	c        *Config
	site     mta.Site
	index    *policy.Domains // of the site
	findings []mta.Finding
}

func newChecker(c *Config, site mta.Site) *checker {
	return &checker{c: c, site: site, index: site.Index()}
}

func (k *checker) add(level mta.Level, name, where, what string, cure ...string) {
	said := func(f mta.Finding) bool {
		return f.Level == level && f.Name == name && f.Where == where && f.What == what
	}
	if !slices.ContainsFunc(k.findings, said) { // one parameter may configure several services
		k.findings = append(k.findings, mta.Finding{Level: level, Name: name, Where: where, What: what, Cure: append([]string{}, cure...)})
	}
}

// inMain and inMaster name a place.
func (k *checker) inMain(parameter string) string { return k.c.Dir + "/main.cf: " + parameter }
func (k *checker) inMaster(s *Service) string     { return k.c.Dir + "/master.cf: " + s.ID() }

// at names the place of a parameter of a service, or of main.cf.
func (k *checker) at(s *Service, parameter string) string {
	if s != nil && hasOption(s, parameter) {
		return k.inMaster(s) + ": " + parameter
	}
	return k.inMain(parameter)
}

// set and override return commands that correct a parameter.
func (k *checker) set(parameter, value string) string {
	return fmt.Sprintf("%s -e %s", k.c.postconf(), shellQuote(parameter+" = "+value))
}
func (k *checker) override(s *Service, parameter, value string) string {
	return fmt.Sprintf("%s -P %s", k.c.postconf(), shellQuote(s.ID()+"/"+parameter+"="+value))
}

// postconf returns the command for this configuration.
func (c *Config) postconf() string { return command("postconf", c.Dir) }

// command names the configuration to a command of Postfix unless it is the usual one.
func command(name, dir string) string {
	if dir == "/etc/postfix" {
		return name
	}
	return name + " -c " + shellQuote(dir)
}

// shellQuote quotes a word for sh(1) if that is needed.
func shellQuote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// role says where the mail of a service that speaks SMTP comes from.
type role int

const (
	outside   role = iota // from the world, and perhaps from internal clients
	internal              // only from clients who logged in, or whose networks are known
	reinjects             // from a content filter that got it from here
)

// receivers returns the services that take mail by SMTP. postscreen(8) takes none: it hands clients to smtpd/pass.
func (c *Config) receivers(roles ...role) []*Service {
	var list []*Service
	for i := range c.Services {
		s := &c.Services[i]
		if s.Command == "smtpd" && (s.Type == "inet" || s.Type == "pass") && slices.Contains(roles, c.role(s)) {
			list = append(list, s)
		}
	}
	return list
}

// restrictions are the parameters of which any can refuse all clients from outside.
var restrictions = []string{"smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions",
	"smtpd_relay_restrictions", "smtpd_recipient_restrictions"}

func (c *Config) role(s *Service) role {
	ofFilters := []string{"content_filter", "receive_override_options", "mynetworks", "smtpd_authorized_xforward_hosts"}
	own := func(parameter string) bool { return hasOption(s, parameter) }
	if s.Type == "inet" && onLoopback(s.Name) && slices.ContainsFunc(ofFilters, own) {
		return reinjects
	}
	for _, r := range restrictions {
		if list := c.list(s, r); len(list) > 0 && list[len(list)-1] == "reject" {
			return internal
		}
	}
	return outside
}

// onLoopback says whether a service listens on the loopback network alone: "127.0.0.1:10025", "localhost:smtp".
func onLoopback(name string) bool {
	host, _ := cutLast(name, ":")
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// installation checks the version of Postfix and its table types.
func (k *checker) installation() {
	if major := k.c.major(); k.standard() && major < 3 {
		k.add(mta.LevelError, "postfix-old", "mail_version", fmt.Sprintf("This is Postfix %s. The lookup of tagged recipients needs 3.0 or later.",
			k.c.option(nil, "mail_version")), "upgrade Postfix, or use tag_form = \"sub-address\"")
	}
	if k.standard() && !slices.Contains(k.c.Types, "pcre") && !k.c.byDaemon(k.site) {
		k.add(mta.LevelError, "pcre-missing", "postconf -m", "This Postfix cannot read pcre tables, which take the tags off recipients.",
			"apt-get install postfix-pcre")
	}
	if _, set := k.c.Main["compatibility_level"]; !set && k.c.compatibility() < 1 {
		k.add(mta.LevelNote, "compatibility", k.inMain("compatibility_level"),
			`This parameter is not set, so Postfix keeps old defaults: a "-" in the chroot column of master.cf means chroot.`)
	}
	if len(k.c.Instances) > 0 {
		k.add(mta.LevelNote, "instances", "postmulti -l", fmt.Sprintf(
			"There are other instances of Postfix here (%s). Each instance through which tagged recipients or mail to be signed pass needs the same settings.",
			strings.Join(k.c.Instances, ", ")), "bouncefilter check --mta postfix --mta-config "+shellQuote(k.c.Instances[0]))
	}
}

// networks compares the clients that may relay without a login with those whose mail is signed.
func (k *checker) networks() {
	relays := func(s *Service) bool {
		return slices.ContainsFunc(restrictions, func(r string) bool { return slices.Contains(k.c.list(s, r), "permit_mynetworks") })
	}
	if k.site.Networks == nil || !k.site.Signs() || !slices.ContainsFunc(k.c.receivers(outside, internal), relays) {
		return
	}
	var unsigned []string
	for _, element := range k.c.list(nil, "mynetworks") {
		p, ok := parseNetwork(element)
		if ok && !slices.ContainsFunc(k.site.Networks, func(n netip.Prefix) bool { return n.Bits() <= p.Bits() && n.Contains(p.Addr()) }) {
			unsigned = append(unsigned, p.String())
		}
	}
	if len(unsigned) > 0 {
		k.add(mta.LevelWarning, "networks-differ", k.inMain("mynetworks"), fmt.Sprintf(
			"Clients in %s may send without a login, and bouncefilter does not sign their mail: the mail leaves unsigned, and its bounces are refused.",
			strings.Join(unsigned, ", ")), "bouncefilter.toml, in [outbound]: add to networks: \""+strings.Join(unsigned, `", "`)+`"`)
	}
}

// parseNetwork reads an element of mynetworks: "192.0.2.0/24", "[2001:db8::]/32", an address. IPv4 within IPv6 is IPv4.
func parseNetwork(s string) (netip.Prefix, bool) {
	s = strings.NewReplacer("[", "", "]", "").Replace(s)
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, false
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), true
}
