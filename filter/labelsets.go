package filter

import (
	"iter"

	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/filter/policy"
)

// Limits of the label sets of metrics.
const (
	// maxDomainLabels is up to how many domains of ours each of them has metrics of its own. A scrape of more would be megabytes.
	maxDomainLabels = 1000
	// maxZeroDomains is up to how many domains of ours have all their counters from the start, so that a query sees the first
	// verdict as an increase. They are about 70 for each domain.
	maxZeroDomains = 50
)

// allDomains is the label of domains that have no metrics of their own.
const allDomains = "all"

// domainLabel returns what the label of a domain is.
func (s *Server) domainLabel() func(domain string) string {
	if s.state.Load().policy.CountDomains() <= maxDomainLabels {
		return func(domain string) string { return domain }
	}
	return func(domain string) string {
		if domain == "" {
			return ""
		}
		return allDomains
	}
}

// labelled adds up counts whose keys become the same.
func labelled[K comparable](counts map[K]uint64, label func(*K)) map[K]uint64 {
	m := make(map[K]uint64, len(counts))
	for k, n := range counts {
		label(&k)
		m[k] += n
	}
	return m
}

// withZeros adds keys that were not counted yet.
func withZeros[K comparable](counts map[K]uint64, keys iter.Seq[K]) map[K]uint64 {
	for k := range keys {
		counts[k] += 0
	}
	return counts
}

// zeroDomains are the domains whose counters are there from the start.
func (s *Server) zeroDomains() iter.Seq2[string, *policy.Domain] {
	p := s.state.Load().policy
	if p.CountDomains() > maxZeroDomains {
		return func(func(string, *policy.Domain) bool) {}
	}
	return p.Domains()
}

// zeroVerdicts are the verdicts that the configuration leads to: about mail of none of our domains, and about that of each.
func (s *Server) zeroVerdicts() iter.Seq[verdictKey] {
	p := s.state.Load().policy
	return func(yield func(verdictKey) bool) {
		for _, r := range policy.Reasons() {
			if ofNoDomain(r) && !yield(verdictKey{"", r, p.Action(r)}) {
				return
			}
		}
		for name, d := range s.zeroDomains() {
			for _, r := range policy.Reasons() {
				for _, a := range zeroActions(p, d, r) {
					if !yield(verdictKey{name, r, a}) {
						return
					}
				}
			}
		}
	}
}

// ofNoDomain says whether the reason is one of messages that belong to none of our domains.
func ofNoDomain(r policy.Reason) bool {
	switch r {
	case policy.NullSender, policy.ForeignDomain, policy.UnusableSender, policy.Failure, policy.Busy:
		return true
	}
	return false
}

// zeroActions returns what is done in a domain for a reason. Rare ones are left out, such as to defer while a node is silent.
func zeroActions(p *policy.Policy, d *policy.Domain, r policy.Reason) []policy.Action {
	switch {
	case ofNoDomain(r) || r == policy.NoReason || r == policy.NotProtected:
		return nil
	case r == policy.Grace:
		return []policy.Action{policy.ActionAccept, policy.ActionMonitor, policy.ActionTag}
	case !refuses(p, r) || d.Mode == policy.ModeEnforce:
		return []policy.Action{p.Action(r)}
	case d.Mode == policy.ModeMonitor:
		return []policy.Action{policy.ActionMonitor}
	}
	return []policy.Action{policy.ActionMonitor, p.Action(r)}
}

// refuses says whether mail is refused for the reason, in one way or another, unless the mode of its domain prevents it.
func refuses(p *policy.Policy, r policy.Reason) bool {
	a := p.Action(r)
	return r.Configurable() && a != policy.ActionNone && a != policy.ActionAccept
}

// zeroWould are the verdicts that the mode of a domain prevents.
func (s *Server) zeroWould() iter.Seq[wouldKey] {
	p := s.state.Load().policy
	return func(yield func(wouldKey) bool) {
		for name, d := range s.zeroDomains() {
			cause := policy.MonitorMode
			switch d.Mode {
			case policy.ModeAuto:
				cause = policy.NewDomain
			case policy.ModeEnforce:
				continue
			}
			for _, r := range policy.Reasons() {
				if refuses(p, r) && r != policy.SeveralRecipients && !yield(wouldKey{name, r, cause}) {
					return
				}
			}
		}
	}
}

// zeroSuspects are what speaks for bounces. Only the mode lets users count who never send.
func zeroSuspects(yield func(suspectKey) bool) {
	for _, k := range [...]suspectKey{{figures.OwnHost, figures.Refused}, {figures.OwnHost, figures.WouldBe}, {figures.Repeats, figures.Refused},
		{figures.Repeats, figures.WouldBe}, {figures.NeverSends, figures.WouldBe}} {
		if !yield(k) {
			return
		}
	}
}

// zeroReported are what bounces may report.
func (s *Server) zeroReported() iter.Seq[reportKey] {
	return func(yield func(reportKey) bool) {
		for name := range s.zeroDomains() {
			for _, action := range reportActions {
				for _, class := range statusClasses {
					if !yield(reportKey{name, action, class}) {
						return
					}
				}
			}
		}
	}
}
