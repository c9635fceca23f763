package postfix

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
)

// verifyParameter has the listener that only judges bounces, if another one signs.
const verifyParameter = ourParameter + "_verify"

// milters lets Postfix ask bouncefilter in all places where it must.
func (p *plan) milters() error {
	var amiss, fine []asks
	for _, a := range p.c.milterPlaces(p.site) {
		if p.c.skipsMilters(a) {
			p.allowMilters(a.receiver)
			amiss = append(amiss, a)
		} else if own := p.c.own(p.site, a); len(own) == 0 || p.misbehaves(a, own[0]) {
			amiss = append(amiss, a)
		} else if a.service != nil && !hasOption(a.service, a.parameter) {
			fine = append(fine, a)
		}
	}
	main := map[string]string{} // what was put into a parameter of main.cf
	for _, a := range fine {
		main[a.parameter] = p.parameterFor(a)
	}
	for _, a := range amiss {
		name, err := p.define(a)
		if err != nil {
			return err
		}
		others := p.otherMilters(a.service, a.parameter)
		overridden := a.service != nil && hasOption(a.service, a.parameter)
		if now, done := main[a.parameter]; overridden || done && now != name {
			p.override(a.service, a.parameter, append([]string{"$" + name}, others...))
		} else {
			main[a.parameter] = name
			p.set(a.parameter, withList("$"+name, strings.Join(others, ", ")))
		}
	}
	for _, s := range p.c.receivers(reinjects) {
		if len(p.c.proxiedServices()) > 0 {
			break // it may take mail back that no milter has seen; check says what to do
		}
		a := asks{service: s, receiver: s, parameter: "smtpd_milters", needs: func(mta.Listener) bool { return true }}
		inherits := len(amiss) > 0 && !hasOption(s, "smtpd_milters")
		if !p.c.skipsMilters(a) && (inherits || len(p.c.own(p.site, a)) > 0) {
			p.because("%s takes mail back from a content filter; bouncefilter has seen that mail already.", s.ID())
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
		if expanded := splitList(p.c.expand(s, e)); e != "$"+ourParameter && e != "$"+verifyParameter && !slices.ContainsFunc(expanded, ours) {
			others = append(others, e)
		}
	}
	return others
}

// define returns the parameter that a list has to name so that a place asks the right listener, and writes it unless there
// is one that does.
func (p *plan) define(a asks) (string, error) {
	address, err := p.c.bestAddress(p.site, a.needs)
	if err != nil {
		return "", err
	}
	name := p.parameterFor(a)
	protocol := ""
	if p.c.option(nil, "milter_protocol") != "6" {
		protocol = ", protocol=6"
	}
	m := parseMilter(p.c.option(nil, name))
	if !p.c.written(name) || m.address != address || p.misbehaves(asks{signs: true}, m) {
		p.set(name, "{ "+address+", "+ourOptions+protocol+" }")
	}
	why := fmt.Sprintf("Postfix asks bouncefilter (%s). While bouncefilter is down, mail waits: no mail leaves unsigned, so no later bounce is mistaken for a forged one.", address)
	if !slices.Contains(p.why, why) {
		p.because("%s", why)
	}
	return name, nil
}

// parameterFor returns the name of the parameter that has the listener for a place.
func (p *plan) parameterFor(a asks) string {
	address, err := p.c.bestAddress(p.site, a.needs)
	if signing, none := p.c.bestAddress(p.site, signs); err == nil && none == nil && signing != address {
		return verifyParameter
	}
	return ourParameter
}

// allowMilters takes no_milters out of the options of a service.
func (p *plan) allowMilters(s *Service) {
	var rest []string
	for _, o := range p.c.list(s, "receive_override_options") {
		if o != "no_milters" {
			rest = append(rest, o)
		}
	}
	if s != nil && hasOption(s, "receive_override_options") {
		p.override(s, "receive_override_options", rest)
		return
	}
	p.set("receive_override_options", strings.Join(rest, ", "))
}
