package postfix

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// proxied says whether a service hands messages to a filter while they come in (SMTPD_PROXY_README). Postfix then asks milters about
// the envelope alone, and ignores what they change: it is the filter that hands the message to cleanup, through another service.
func (c *Config) proxied(s *Service) bool { return c.option(s, "smtpd_proxy_filter") != "" }

func (c *Config) proxiedServices() []*Service {
	return slices.DeleteFunc(c.receivers(outside, internal), func(s *Service) bool { return !c.proxied(s) })
}

// takeBack returns the services that may take mail back from a filter: those on loopback that are set up for no other mail.
func (c *Config) takeBack() []*Service {
	return slices.DeleteFunc(c.receivers(outside, internal, reinjects), func(s *Service) bool {
		return c.proxied(s) || !onLoopback(s.Name) || c.role(s) == internal || hasOption(s, "recipient_canonical_maps")
	})
}

// proxies checks services whose mail comes back from a filter before milters see all of it.
func (k *checker) proxies() {
	for _, s := range k.c.proxiedServices() {
		a, needed := k.c.place(k.site, s)
		if !needed {
			continue
		}
		where := k.at(s, "smtpd_proxy_filter")
		back := slices.DeleteFunc(k.c.takeBack(), func(b *Service) bool {
			place := asks{service: b, receiver: b, parameter: "smtpd_milters", needs: a.needs}
			return k.c.skipsMilters(place) || len(k.c.own(k.site, place)) == 0
		})
		switch {
		case len(back) == 0:
			k.add(mta.LevelError, "milter-proxied", where, fmt.Sprintf(
				"%s hands each message to a filter while it comes in: no milter sees all of it, and what a milter changes is ignored. "+
					"No service that may take mail back from the filter asks bouncefilter: %s.", s.ID(), a.what), k.proxyCure()...)
		case len(k.c.own(k.site, a)) > 0:
			k.add(mta.LevelWarning, "milter-twice", k.smtpdMilters(s),
				"bouncefilter is asked about the envelope here, and about all of the message when it comes back from the filter.", k.override(s, "smtpd_milters", ""))
		}
		if k.c.role(s) == outside && len(back) > 0 {
			k.trustedProxy(where)
		}
	}
}

// trustedProxy looks whether mail from outside that comes back from a filter counts as sent from here.
func (k *checker) trustedProxy(where string) {
	loopback := netip.MustParseAddr("127.0.0.1")
	if !slices.ContainsFunc(k.site.Networks, func(n netip.Prefix) bool { return n.Contains(loopback) }) {
		return
	}
	what := "bounces are not judged"
	if k.site.Signs() {
		what += ", and mail of strangers who use addresses of yours is signed"
	}
	k.add(mta.LevelError, "proxy-trusted", where, fmt.Sprintf(
		"Mail from outside comes back from the filter at 127.0.0.1, which is among bouncefilter's [outbound] networks. So it counts as sent from here: %s.", what),
		`bouncefilter.toml, in [outbound]: take 127.0.0.0/8 and ::1/128 out of networks; daemons = ["ORIGINATING"]`,
		"master.cf: -o milter_macro_daemon_name=ORIGINATING for the service that takes submitted mail back")
}

// smtpdMilters names the place where the milters of a service are written.
func (k *checker) smtpdMilters(s *Service) string {
	if hasOption(s, "smtpd_milters") {
		return k.inMaster(s) + ": smtpd_milters"
	}
	return k.inMaster(s)
}

// proxyCure says how the services that may take mail back ask bouncefilter.
func (k *checker) proxyCure() []string {
	var cure []string
	for _, b := range k.c.takeBack() {
		if k.c.written(ourParameter) {
			cure = append(cure, k.override(b, "smtpd_milters", "$"+ourParameter))
		}
		if options := k.c.list(b, "receive_override_options"); slices.Contains(options, "no_milters") {
			rest := slices.DeleteFunc(options, func(o string) bool { return o == "no_milters" })
			cure = append(cure, k.override(b, "receive_override_options", strings.Join(rest, ",")))
		}
	}
	if len(cure) == 0 {
		cure = append(cure, "let the service that takes mail back from the filter ask bouncefilter (smtpd_milters)")
	}
	return append(cure, "see \"Content filter before the queue\" in deploy/roles.md")
}
