package filter

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/filter/wire"
)

// stats counts everything. The mail path adds to atomic numbers; the summary, the metrics and the store's counters read
// them.
type stats struct {
	connections  atomic.Uint64
	overLimit    atomic.Uint64
	acceptErrors atomic.Uint64
	poorMTA      atomic.Uint64 // connections of MTAs that do not allow CHGFROM
	panics       atomic.Uint64
	otherRoute   atomic.Uint64 // bounces of mail that seems to have left another way, see routes

	mu      sync.Mutex
	domains map[string]*domainStats
	faults  map[wire.Fault]uint64
}

// domainStats counts verdicts of one domain; the domain "" is for what belongs to none of ours.
type domainStats struct {
	verdicts [policy.Count][policy.ActionCount]atomic.Uint64
	would    [policy.Count][policy.CauseCount]atomic.Uint64 // reasons that would have refused, and the causes for which they did not
	reported [len(reportActions)][len(statusClasses)]atomic.Uint64
}

// reportActions are what becomes of a recipient (RFC 3464 section 2.3.3); what is none of the others counts as the last.
var reportActions = [...]string{"failed", "delayed", "delivered", "relayed", "expanded", "other"}

// statusClasses are the classes of enhanced status codes (RFC 3463 section 3.1); the last is for reports without one.
var statusClasses = [...]string{"2", "4", "5", "none"}

// countReport counts what a bounce reports about recipients of a message sent from here.
func (d *domainStats) countReport(r *bounce.Report) {
	for i := range r.Recipients {
		action := slices.Index(reportActions[:], r.Recipients[i].Action)
		if action < 0 {
			action = len(reportActions) - 1
		}
		class := slices.Index(statusClasses[:], string(r.Recipients[i].Class()))
		if class < 0 {
			class = len(statusClasses) - 1
		}
		d.reported[action][class].Add(1)
	}
}

func newStats() *stats {
	return &stats{domains: map[string]*domainStats{}, faults: map[wire.Fault]uint64{}}
}

// domain returns the counters of a domain, which live as long as the process: a reload must not set them back.
func (s *stats) domain(name string) *domainStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[name]
	if d == nil {
		d = &domainStats{}
		s.domains[name] = d
	}
	return d
}

func (s *stats) fault(f wire.Fault) {
	s.mu.Lock()
	s.faults[f]++
	s.mu.Unlock()
}

// each calls f for every domain's counters.
func (s *stats) each(f func(domain string, d *domainStats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, d := range s.domains {
		f(name, d)
	}
}

// state is a policy with the counters of its domains: what a message holds on to from beginning to end.
type state struct {
	policy *policy.Policy
	stats  map[*policy.Domain]*domainStats
}

func newState(p *policy.Policy, s *stats) *state {
	st := &state{policy: p, stats: map[*policy.Domain]*domainStats{}}
	for name, d := range p.Domains() {
		st.stats[d] = s.domain(name)
	}
	st.stats[nil] = s.domain("")
	return st
}

// count counts a verdict.
func (st *state) count(v *policy.Verdict) {
	d := st.stats[v.Domain]
	d.verdicts[v.Reason][v.Action].Add(1)
	if v.Would != policy.NoReason && v.Reason != policy.SeveralRecipients {
		d.would[v.Would][v.Cause].Add(1)
	}
}
