package postfix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// The parameter in which setup and manual put the milter, and the options that it has there.
const (
	ourParameter = "bouncefilter"
	ourOptions   = "connect_timeout=5s, default_action=tempfail"
)

// cleanup is the service that removes tags from recipients. It also asks non_smtpd_milters, unless pickup uses another one.
const (
	cleanup = "cleanup/unix"
	pickup  = "pickup/unix"
)

// cleanupOf returns the cleanup service to which a service hands mail, nil if master.cf lacks it.
func (c *Config) cleanupOf(s *Service) *Service {
	return c.service(c.option(s, "cleanup_service_name") + "/unix")
}

// asks is a place from which Postfix asks milters, and what bouncefilter has to do there.
type asks struct {
	service   *Service // nil if master.cf lacks it
	receiver  *Service // which takes the mail in: smtpd, pickup; nil if master.cf lacks it
	parameter string
	needs     func(mta.Listener) bool
	signs     bool // mail that only goes out passes here
	what      string
}

func signs(l mta.Listener) bool    { return l.Sign }
func verifies(l mta.Listener) bool { return l.Verify }

// milterPlaces returns the places where bouncefilter must be asked.
func (c *Config) milterPlaces(site mta.Site) []asks {
	var places []asks
	for _, s := range c.receivers(outside, internal) {
		if a, needed := c.place(site, s); needed && !c.proxied(s) {
			places = append(places, a)
		}
	}
	if site.Signs() {
		places = append(places, asks{c.cleanupOf(c.service(pickup)), c.service(pickup), "non_smtpd_milters", signs, true,
			"mail from the sendmail command (cron jobs, web applications) leaves unsigned, and its bounces are refused"})
	}
	return places
}

// place says what bouncefilter has to do for a service that takes mail by SMTP, if anything.
func (c *Config) place(site mta.Site, s *Service) (asks, bool) {
	switch {
	case c.role(s) == outside && site.Verifies():
		return asks{s, s, "smtpd_milters", verifies, false, "bounces that come in there are not judged"}, true
	case site.Signs():
		return asks{s, s, "smtpd_milters", signs, true, "mail that is sent there leaves unsigned, and its bounces are refused"}, true
	}
	return asks{}, false
}

// own returns the elements at a place that lead to a listener which does what is needed.
func (c *Config) own(site mta.Site, a asks) []milter {
	var list []milter
	for _, m := range c.milters(a.service, a.parameter) {
		if slices.ContainsFunc(site.Listeners, func(l mta.Listener) bool { return a.needs(l) && c.fits(a.service, m.address, l) }) {
			list = append(list, m)
		}
	}
	return list
}

// outOfReach returns the path of our socket if it is named in full: to a process with chroot that is the path of another file.
func (c *Config) outOfReach(site mta.Site, a asks) string {
	if a.service == nil || !c.chrooted(a.service) {
		return ""
	}
	for _, m := range c.milters(a.service, a.parameter) {
		leads := func(l mta.Listener) bool { return a.needs(l) && c.fits(nil, m.address, l) }
		if strings.HasPrefix(m.address, "unix:") && slices.ContainsFunc(site.Listeners, leads) {
			return m.address
		}
	}
	return ""
}

// skipsMilters says whether receive_override_options turns milters off.
func (c *Config) skipsMilters(a asks) bool {
	return slices.Contains(c.list(a.receiver, "receive_override_options"), "no_milters")
}

// milters checks that bouncefilter is asked in all places where it must be, and what happens when it does not answer.
func (k *checker) milters() {
	missing := map[string][]string{} // by parameter of main.cf: what happens
	for _, a := range k.c.milterPlaces(k.site) {
		overridden := a.service != nil && hasOption(a.service, a.parameter)
		own := k.c.own(k.site, a)
		switch {
		case k.c.skipsMilters(a):
			where := k.at(a.receiver, "receive_override_options")
			k.add(mta.LevelError, "milter-missing", where, fmt.Sprintf("no_milters keeps any milter from being asked about this mail: %s.", a.what),
				"take no_milters out of it")
		case len(own) > 0:
			k.behaviour(a, own[0])
		case k.c.outOfReach(k.site, a) != "":
			k.outsideChroot(a)
		case overridden && len(k.c.milters(a.service, a.parameter)) == 0:
			k.add(mta.LevelError, "milter-overridden", k.inMaster(a.service)+": "+a.parameter,
				fmt.Sprintf("This service is configured to ask no milter: %s.", a.what), k.override(a.service, a.parameter, "$"+ourParameter))
		case overridden:
			k.add(mta.LevelError, "milter-missing", k.inMaster(a.service)+": "+a.parameter,
				fmt.Sprintf("This service has milters of its own, and bouncefilter is not among them: %s.", a.what),
				"put $"+ourParameter+" there")
		default:
			if !slices.Contains(missing[a.parameter], a.what) {
				missing[a.parameter] = append(missing[a.parameter], a.what)
			}
		}
	}
	for _, parameter := range []string{"smtpd_milters", "non_smtpd_milters"} {
		if len(missing[parameter]) > 0 {
			k.milterMissing(parameter, missing[parameter])
		}
	}
	k.proxies()
	k.twice()
	k.milterMaps()
}

func hasOption(s *Service, parameter string) bool {
	_, ok := s.Options[parameter]
	return ok
}

func (k *checker) milterMissing(parameter string, consequences []string) {
	what := "bouncefilter is not asked: " + strings.Join(consequences, "; ") + "."
	if list := k.c.milters(nil, parameter); len(list) > 0 {
		what = fmt.Sprintf("This parameter names %s; bouncefilter listens on %s and is not asked: %s.", addresses(list), k.listeners(), strings.Join(consequences, "; "))
	}
	needs := signs
	if parameter == "smtpd_milters" && k.site.Verifies() {
		needs = verifies
	}
	address := k.milterAddress(needs)
	if k.site.Signs() && k.site.Verifies() && k.milterAddress(signs) != k.milterAddress(verifies) {
		k.add(mta.LevelError, "milter-missing", k.inMain(parameter), what, setupCommand) // each service needs its own
		return
	}
	var cure []string
	if parseMilter(k.c.option(nil, ourParameter)).address != address {
		cure = append(cure, k.set(ourParameter, "{ "+address+", "+ourOptions+" }"))
	}
	if raw := k.c.raw(nil, parameter); !slices.Contains(splitList(raw), "$"+ourParameter) {
		cure = append(cure, k.set(parameter, withList("$"+ourParameter, raw)))
	}
	k.add(mta.LevelError, "milter-missing", k.inMain(parameter), what, cure...)
}

func addresses(list []milter) string {
	names := make([]string, len(list))
	for i, m := range list {
		names[i] = m.address
	}
	return strings.Join(names, " and ")
}

func (k *checker) listeners() string {
	var names []string
	for _, l := range k.site.Listeners {
		names = append(names, l.Address.String())
	}
	return strings.Join(names, " and ")
}

// milterAddress returns the address to write into main.cf, also one that not every service can use if there is no better.
func (k *checker) milterAddress(needs func(mta.Listener) bool) string {
	if address, err := k.c.bestAddress(k.site, needs); err == nil {
		return address
	}
	return plainAddress(k.site.Listeners[0])
}

// behaviour checks the options with which a place asks bouncefilter.
func (k *checker) behaviour(a asks, m milter) {
	where := k.at(a.service, a.parameter)
	option := func(name string) string { return optionPlace(where, m, name) }
	switch action := k.c.setting(a.service, m, "default_action"); {
	case action == "accept" && a.signs:
		k.add(mta.LevelError, "milter-accepts", option("default_action"),
			"While bouncefilter does not answer, mail leaves unsigned from here, and its bounces are refused later.", "set default_action=tempfail for this milter")
	case action == "accept" && k.site.Signs() && k.internalClients():
		k.add(mta.LevelWarning, "milter-accepts", option("default_action"),
			"While bouncefilter does not answer, mail of internal clients that is sent through this port leaves unsigned, and its bounces are refused later.",
			"set default_action=tempfail, unless internal clients use another port")
	case action == "accept":
		k.add(mta.LevelNote, "milter-accepts", option("default_action"),
			"While bouncefilter does not answer, bounces are accepted here without a check. That is a choice of the operator; no mail must be sent through this port.")
	case action == "reject":
		k.add(mta.LevelWarning, "milter-rejects", option("default_action"),
			"While bouncefilter does not answer, mail is refused permanently.", "set default_action=tempfail for this milter")
	case action == "quarantine":
		k.add(mta.LevelWarning, "milter-quarantines", option("default_action"),
			"While bouncefilter does not answer, mail is put on hold, and leaves unsigned when it is released: no milter is asked then.",
			"set default_action=tempfail for this milter")
	}
	if protocol := k.c.setting(a.service, m, "protocol"); protocol != "6" {
		k.add(mta.LevelError, "milter-protocol", option("protocol"),
			fmt.Sprintf("Postfix uses version %s of the milter protocol, in which a milter cannot change the sender.", protocol), k.set("milter_protocol", "6"))
	}
	for _, t := range []struct {
		name     string
		min, max int // seconds
	}{{"connect_timeout", 1, 60}, {"command_timeout", 2, 300}, {"content_timeout", 10, 1800}} {
		text := k.c.setting(a.service, m, t.name)
		if n, ok := seconds(text); ok && (n < t.min || n > t.max) {
			what := "When the store is slow for a moment, Postfix gives up waiting for bouncefilter."
			if n > t.max {
				what = "If bouncefilter hangs, each Postfix process waits for that long, until no process is left."
			}
			k.add(mta.LevelWarning, "milter-timeout", option(t.name), fmt.Sprintf("%s is %s. %s", t.name, text, what),
				fmt.Sprintf("use a value from %ds to %ds", t.min, t.max))
		}
	}
}

// optionPlace says whether a setting is the milter's own or the one for all.
func optionPlace(where string, m milter, name string) string {
	if _, own := m.options[name]; own {
		return where + ": " + name
	}
	main, _, _ := strings.Cut(where, "/main.cf")
	main, _, _ = strings.Cut(main, "/master.cf")
	return main + "/main.cf: milter_" + name
}

// internalClients says whether hosts other than this one may send through a port that takes mail from outside.
func (k *checker) internalClients() bool {
	for _, element := range k.c.list(nil, "mynetworks") {
		if p, ok := parseNetwork(element); !ok || !p.Addr().IsLoopback() {
			return true
		}
	}
	return false
}

// twice looks for services that take mail back from a content filter and ask bouncefilter again.
func (k *checker) twice() {
	for _, s := range k.c.receivers(reinjects) {
		if len(k.c.proxiedServices()) > 0 {
			break // it may take mail back that no milter has seen
		}
		a := asks{service: s, receiver: s, parameter: "smtpd_milters", needs: func(mta.Listener) bool { return true }}
		if !k.c.skipsMilters(a) && len(k.c.own(k.site, a)) > 0 {
			k.add(mta.LevelWarning, "milter-twice", k.inMaster(s)+": smtpd_milters",
				"Mail that comes back from the content filter passes bouncefilter a second time, when a bounce no longer has its tag.",
				k.override(s, "smtpd_milters", ""))
		}
	}
}

func (k *checker) milterMaps() {
	for _, s := range append([]*Service{nil}, k.c.receivers(outside, internal)...) {
		if (s == nil || hasOption(s, "smtpd_command_filter")) && k.c.option(s, "smtpd_command_filter") != "" {
			k.add(mta.LevelNote, "command-filter", k.at(s, "smtpd_command_filter"),
				"This table replaces commands of clients before milters see them. An address that it changes is signed or judged as changed.")
		}
	}
	if maps := k.c.list(nil, "smtpd_milter_maps"); len(maps) > 0 {
		k.add(mta.LevelWarning, "milter-maps", k.inMain("smtpd_milter_maps"),
			"This table gives some clients other milters, or none (DISABLE). Mail that they send leaves unsigned, and bounces that they deliver are not judged, unless bouncefilter is among them.",
			"name bouncefilter for each client that sends mail or delivers bounces")
	}
}
