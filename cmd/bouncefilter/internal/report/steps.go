package report

import (
	"fmt"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/filter/policy"
)

// steps says what to do next, the most urgent first.
func (in *Input) steps(r *Report) []Step {
	steps := []Step{}
	add := func(what string, commands, config []string) {
		if commands == nil {
			commands = []string{}
		}
		if config == nil {
			config = []string{}
		}
		steps = append(steps, Step{what, commands, config})
	}
	done := map[string]bool{} // the same remedy, of several domains, is one step
	for _, c := range r.Verdict.Concerns {
		key := fmt.Sprint(c.Remedy, c.Commands, c.Config)
		if !done[key] {
			done[key] = true
			add(c.Remedy, c.Commands, c.Config)
		}
	}
	var ready, hasty []string
	for i := range r.Domains {
		d := &r.Domains[i]
		switch {
		case d.Verdict.State == Ready && d.Mode == policy.ModeMonitor.String():
			ready = append(ready, d.Name)
		case d.Verdict.State == NotReady && d.Mode == policy.ModeAuto.String() && d.Verdict.hasEvidence():
			hasty = append(hasty, d.Name)
		}
	}
	reload := []string{"bouncefilter check" + in.conf(), "systemctl reload bouncefilter"}
	if len(ready) > 0 {
		add("Enforce, in the configuration, and reload:", reload, modeOf(r, ready, policy.ModeEnforce.String()))
	}
	if len(hasty) > 0 {
		add("mode = \"auto\" begins to refuse all the same; to wait until this is cleared up:", reload, modeOf(r, hasty, policy.ModeMonitor.String()))
	}
	if n := len(r.Failures.BecauseOfTag); n > 0 {
		add(fmt.Sprintf("Leave mail unsigned that is refused or held because of the tag (%d):", n), []string{in.again("--failures")}, nil)
	} else if len(r.Failures.Movers) > 0 {
		add("See why more mail fails to "+r.Failures.Movers[0].Name+":", []string{in.again("--failures")}, nil)
	}
	if len(steps) == 0 && r.Totals.Turned.MayBeGenuine+r.Totals.Would.MayBeGenuine+r.Totals.Refused > 0 {
		add("See what was refused last:", []string{in.again("--samples 20")}, nil)
	}
	return steps
}

// hasEvidence says whether something other than time speaks against enforcing.
func (v *Verdict) hasEvidence() bool {
	for i := range v.Concerns {
		if v.Concerns[i].urgency != Green {
			return true
		}
	}
	return false
}

// modeOf returns the lines that set the mode of domains.
func modeOf(r *Report, domains []string, mode string) []string {
	if len(domains) == len(r.Domains) {
		return []string{"mode = " + mta.Quoted(mode)}
	}
	lines := []string{"# take these out of domains"}
	for _, d := range domains {
		lines = append(lines, "[[domain]]", "name = "+mta.Quoted(d), "mode = "+mta.Quoted(mode))
	}
	return lines
}
