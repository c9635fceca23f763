package filter

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/filter/wire"
)

// stats counts everything. The mail path adds to atomic numbers; the summary, the metrics and the store's counters read
// them.
type stats struct {
	connections  atomic.Uint64
	acceptErrors atomic.Uint64
	poorMTA      atomic.Uint64 // connections of MTAs that do not allow CHGFROM
	panics       atomic.Uint64
	otherRoute   atomic.Uint64 // bounces of mail that seems to have left another way, see routes

	faults   counters[wire.Fault]
	verdicts counters[verdictKey]
	would    counters[wouldKey] // reasons that would have refused, and the causes for which they did not
	reported counters[reportKey]
	suspects counters[suspectKey] // what may be genuine of what is or would be refused
}

// The keys of counters begin with the name of one of our domains, as it is configured, or with "" for what belongs to none of them. So
// clients can invent names below "*.example.edu" and make no more counters by that.
type (
	verdictKey struct {
		domain string
		reason policy.Reason
		action policy.Action
	}
	wouldKey struct {
		domain string
		reason policy.Reason
		cause  policy.Cause
	}
	reportKey  struct{ domain, action, class string }
	suspectKey struct {
		sign    figures.Sign
		outcome figures.Outcome // figures.Refused, which stands for what is deferred and dropped, too, or figures.WouldBe
	}
)

// counters count things by key. They live as long as the process: a reload must not set them back.
type counters[K comparable] struct {
	mu     sync.RWMutex
	counts map[K]*atomic.Uint64
}

func (c *counters[K]) add(k K) {
	c.mu.RLock()
	n := c.counts[k]
	c.mu.RUnlock()
	if n == nil {
		c.mu.Lock()
		if n = c.counts[k]; n == nil {
			if c.counts == nil {
				c.counts = map[K]*atomic.Uint64{}
			}
			n = new(atomic.Uint64)
			c.counts[k] = n
		}
		c.mu.Unlock()
	}
	n.Add(1)
}

// all returns what was counted.
func (c *counters[K]) all() map[K]uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	m := make(map[K]uint64, len(c.counts))
	for k, n := range c.counts {
		m[k] = n.Load()
	}
	return m
}

// state is what a reload replaces, and a message holds on to from beginning to end.
type state struct{ policy *policy.Policy }

// reportActions are what becomes of a recipient (RFC 3464 section 2.3.3); what is none of the others counts as the last.
var reportActions = [...]string{"failed", "delayed", "delivered", "relayed", "expanded", "other"}

// statusClasses are the classes of enhanced status codes (RFC 3463 section 3.1); the last is for reports without one.
var statusClasses = [...]string{"2", "4", "5", "none"}

// countReport counts what a bounce reports about recipients of a message sent from one of our domains.
func (s *stats) countReport(domain string, r *bounce.Report) {
	for i := range r.Recipients {
		action, class := r.Recipients[i].Action, string(r.Recipients[i].Class())
		if !slices.Contains(reportActions[:], action) {
			action = reportActions[len(reportActions)-1]
		}
		if !slices.Contains(statusClasses[:], class) {
			class = statusClasses[len(statusClasses)-1]
		}
		s.reported.add(reportKey{domain, action, class})
	}
}

// count counts a verdict.
func (s *stats) count(v *policy.Verdict) {
	domain := ""
	if v.Domain != nil {
		domain = v.Domain.Name
	}
	s.verdicts.add(verdictKey{domain, v.Reason, v.Action})
	if v.Would != policy.NoReason && v.Reason != policy.SeveralRecipients {
		s.would.add(wouldKey{domain, v.Would, v.Cause})
	}
}

// countSign counts the sign of a bounce that may be genuine.
func (s *stats) countSign(v *policy.Verdict, sign figures.Sign) {
	if !sign.MayBeGenuine() {
		return
	}
	outcome := figures.Refused
	if v.Delivers() {
		outcome = figures.WouldBe
	}
	s.suspects.add(suspectKey{sign, outcome})
}

// wouldRefuse returns how many verdicts would have refused, were there not a cause. What is exempt is refused in no mode.
func (s *stats) wouldRefuse() (sum uint64) {
	for k, n := range s.would.all() {
		if k.cause.Reason() != policy.Exempt {
			sum += n
		}
	}
	return sum
}
