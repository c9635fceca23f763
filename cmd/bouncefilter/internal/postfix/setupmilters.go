package postfix

import (
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// milters lets Postfix ask bouncefilter wherever it has to.
func (p *plan) milters() error {
	address, err := p.c.bestAddress(p.site)
	if err != nil {
		return err
	}
	var amiss []asks
	for _, a := range p.c.milterPlaces(p.site) {
		if p.c.skipsMilters(a) {
			p.allowMilters(a.service)
			amiss = append(amiss, a)
		} else if own := p.c.own(p.site, a); len(own) == 0 || p.misbehaves(a, own[0]) {
			amiss = append(amiss, a)
		}
	}
	if len(amiss) > 0 {
		p.define(address)
		p.because("Postfix asks bouncefilter (%s). While it is down, mail waits: nothing leaves unsigned, so no later bounce is mistaken for a forged one.", address)
	}
	main := map[string]bool{}
	for _, a := range amiss {
		others := p.otherMilters(a.service, a.parameter)
		if a.service != nil && hasOption(a.service, a.parameter) {
			p.override(a.service, a.parameter, append([]string{"$" + ourParameter}, others...))
		} else if !main[a.parameter] {
			main[a.parameter] = true
			p.set(a.parameter, withOurs(strings.Join(others, ", ")))
		}
	}
	for _, s := range p.c.receivers(reinjects) {
		a := asks{service: s, parameter: "smtpd_milters", needs: func(mta.Listener) bool { return true }}
		inherits := main["smtpd_milters"] && !hasOption(s, "smtpd_milters")
		if !p.c.skipsMilters(a) && (inherits || len(p.c.own(p.site, a)) > 0) {
			p.because("%s takes back mail from a content filter that bouncefilter has seen already.", s.ID())
			p.override(s, "smtpd_milters", p.otherMilters(s, "smtpd_milters"))
		}
	}
	return nil
}

// misbehaves says whether bouncefilter is asked in a way in which mail leaves unsigned.
func (p *plan) misbehaves(a asks, m milter) bool {
	action := p.c.setting(a.service, m, "default_action")
	return a.signs && (action == "accept" || action == "quarantine") || p.c.setting(a.service, m, "protocol") != "6"
}

// otherMilters returns the elements of a list that do not lead to us, as they are written.
func (p *plan) otherMilters(s *Service, parameter string) []string {
	var others []string
	for _, e := range splitList(p.c.raw(s, parameter)) {
		ours := func(e string) bool {
			address := parseMilter(e).address
			return slices.ContainsFunc(p.site.Listeners, func(l mta.Listener) bool { return p.c.fits(s, address, l) || p.c.fits(nil, address, l) })
		}
		if expanded := splitList(p.c.expand(s, e, 0)); e != "$"+ourParameter && !slices.ContainsFunc(expanded, ours) {
			others = append(others, e)
		}
	}
	return others
}

// define writes the parameter that the lists name, unless there is one that does.
func (p *plan) define(address string) {
	protocol := ""
	if p.c.option(nil, "milter_protocol") != "6" {
		protocol = ", protocol=6"
	}
	value := "{ " + address + ", " + ourOptions + protocol + " }"
	if p.c.written(ourParameter) {
		m := parseMilter(p.c.option(nil, ourParameter))
		leads := slices.ContainsFunc(p.site.Listeners, func(l mta.Listener) bool { return p.c.fits(nil, m.address, l) })
		relative := m.address == address || !strings.HasPrefix(m.address, "unix:")
		if leads && relative && !p.misbehaves(asks{signs: true}, m) {
			return
		}
	}
	p.set(ourParameter, value)
}

// allowMilters takes no_milters out of what a service is told.
func (p *plan) allowMilters(s *Service) {
	var rest []string
	for _, o := range p.c.list(s, "receive_override_options") {
		if o != "no_milters" {
			rest = append(rest, o)
		}
	}
	if hasOption(s, "receive_override_options") {
		p.override(s, "receive_override_options", rest)
		return
	}
	p.set("receive_override_options", strings.Join(rest, ", "))
}
