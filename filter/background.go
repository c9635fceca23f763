package filter

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

const (
	// refreshInterval is how often the store is asked which domains have been signing since when, and how often counters
	// are written to it.
	refreshInterval = time.Minute
	// backgroundTimeout bounds one such call.
	backgroundTimeout = 10 * time.Second
)

// Prepare learns from the store what the first bounces are judged by. Without it Run does so, while bounces come already: until
// then nothing is refused that the record might have proven.
func (s *Server) Prepare(ctx context.Context) {
	s.checkWitness(ctx)
	s.refreshSigning(ctx)
	s.watchMemory(ctx)
	s.watchNodes(ctx)
	s.RefreshRevocations(ctx)
}

// Run does the work beside the mail path until ctx is done: it writes summaries and counters, and learns since when
// domains have been signing and what is revoked. Call it once, and wait for it before Shutdown.
func (s *Server) Run(ctx context.Context) {
	s.Prepare(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	watch.Go(func() { s.watchRevocations(ctx) })
	refresh := time.NewTicker(refreshInterval)
	defer refresh.Stop()
	nodes := time.NewTicker(nodesInterval)
	defer nodes.Stop()
	summary := time.NewTicker(s.every)
	defer summary.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-refresh.C:
			s.checkWitness(ctx)
			s.refreshSigning(ctx)
			s.watchMemory(ctx)
			s.flushCounters(ctx)
		case <-nodes.C:
			s.watchNodes(ctx)
		case <-summary.C:
			s.logSummary()
		}
	}
}

// signingSince returns the day of a domain's first signature, as far as known here.
func (s *Server) signingSince(domain string) (store.Day, bool) {
	days := s.signing.Load()
	if days == nil {
		return 0, false
	}
	d, ok := (*days)[domain]
	return d, ok
}

// refreshSigning asks the store since when domains have been signing. If it does not answer, what is known stays.
func (s *Server) refreshSigning(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, backgroundTimeout)
	defer cancel()
	days, err := s.store.Store().FirstSigned(ctx)
	if err != nil {
		return // Guard has logged that the store is unavailable
	}
	s.summary.learned = true
	s.rememberBeginning(ctx, days)
	// A domain that was signing before the store was wiped has not begun anew.
	if before := s.signing.Load(); before != nil {
		if days == nil {
			days = map[string]store.Day{}
		}
		for name, since := range *before {
			if d, ok := days[name]; !ok || since < d {
				days[name] = since
			}
		}
	}
	s.signing.Store(&days)
	s.keepPast()
	p := s.state.Load().policy
	today := store.DayOf(s.now())
	for name, d := range p.domains {
		if d.Mode != ModeAuto {
			continue
		}
		since, signing := days[name]
		now := p.Enforces(d, since, signing, today)
		if before, known := s.summary.enforcing[name]; !known || before != now {
			s.summary.setEnforcing(name, now)
			switch {
			case now:
				s.log.Info("domain is enforced: bounces that answer no mail sent from here are refused", "domain", name, "signing_since", since.String())
			case signing:
				s.log.Info("domain is monitored: nothing is refused yet", "domain", name, "signing_since", since.String(), "enforced_from", p.EnforcesFrom(since).String())
			default:
				s.log.Info("domain is monitored: nothing is refused before it has signed for one lifetime", "domain", name)
			}
		}
	}
}

// rememberBeginning tells a store that has begun anew. It takes its first records for the first there ever were, and so would a
// host that comes to know it now. A memory that begins on a later day than a domain tells that mail was sent before.
func (s *Server) rememberBeginning(ctx context.Context, days map[string]store.Day) {
	before := s.signing.Load()
	if before == nil {
		return
	}
	begun := store.Day(math.MinInt32) // the latest day on which the store takes a domain to have begun that has signed before
	for name, since := range *before {
		if d, ok := days[name]; ok && since < d {
			begun = max(begun, d)
		}
	}
	if begun == math.MinInt32 {
		return
	}
	a, err := s.store.Store().Lookup(ctx, store.DayOf(s.now()), nil)
	if err != nil || a.Complete.Since.IsZero() || store.DayOf(a.Complete.Since) > begun {
		return
	}
	if err := s.store.Store().MarkIncomplete(ctx, (begun + 1).Time()); err == nil {
		s.log.Warn("the store has begun anew: its record lacks what was sent before", "complete_since", formatSince(store.Completeness{Since: (begun + 1).Time()}))
	}
}

// summaryState is what the background work remembers between two rounds. It belongs to Run, and to Shutdown after it.
type summaryState struct {
	since     time.Time
	told      map[statKey]uint64 // counts at the last summary
	toldWould uint64             // likewise
	flushed   map[statKey]uint64 // counts written to the store
	enforcing map[string]bool
	learned   bool      // the store has told since when domains have been signing
	witness   store.Day // the day of the last check
	kept      Past      // what stands in the file of that
}

// statKey names one number of [stats].
type statKey struct {
	domain string
	reason Reason
	action Action
}

func (st *summaryState) setEnforcing(domain string, on bool) {
	if st.enforcing == nil {
		st.enforcing = map[string]bool{}
	}
	st.enforcing[domain] = on
}

// counts returns all numbers that are not zero.
func (s *stats) counts() map[statKey]uint64 {
	m := map[statKey]uint64{}
	s.each(func(domain string, d *domainStats) {
		for r := range d.verdicts {
			for a := range d.verdicts[r] {
				if n := d.verdicts[r][a].Load(); n > 0 {
					m[statKey{domain, Reason(r), Action(a)}] = n
				}
			}
		}
	})
	return m
}

// wouldRefuse returns how many verdicts would have refused, had mode, grace or an exemption not prevented it.
func (s *stats) wouldRefuse() (sum uint64) {
	s.each(func(_ string, d *domainStats) {
		for r := range d.would {
			sum += d.would[r].Load()
		}
	})
	return sum
}

// flushCounters adds what was counted since the last time to the store's counters of today.
func (s *Server) flushCounters(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, backgroundTimeout)
	defer cancel()
	now := s.stats.counts()
	deltas := map[[2]string]int64{}
	for k, n := range now {
		if d := n - s.summary.flushed[k]; d > 0 {
			deltas[[2]string{k.domain, k.reason.String()}] += int64(d)
		}
	}
	if len(deltas) == 0 {
		return
	}
	today := store.DayOf(s.now())
	cs := make([]store.Counter, 0, len(deltas))
	for k, n := range deltas {
		cs = append(cs, store.Counter{Day: today, Node: s.node, Domain: k[0], Reason: k[1], Count: n})
	}
	if err := s.store.Store().Count(ctx, cs); err != nil {
		s.log.Debug("counters not written, trying again later", "error", err)
		return
	}
	s.summary.flushed = now
}

// logSummary writes one line that says what happened since the last one.
func (s *Server) logSummary() {
	now := s.stats.counts()
	at := s.now()
	totals := map[Action]uint64{}
	refused := map[Reason]uint64{}
	deferred := map[Reason]uint64{}
	for k, n := range now {
		d := n - s.summary.told[k]
		if d == 0 || k.reason > SeveralRecipients && k.action != ActionSign && !(k.action == ActionDefer) {
			continue
		}
		totals[k.action] += d
		switch k.action {
		case ActionReject:
			refused[k.reason] += d
		case ActionDefer:
			deferred[k.reason] += d
		}
	}
	refused[Untagged] += 0 // always told
	would := s.stats.wouldRefuse()
	attrs := []slog.Attr{
		slog.String("interval", shortDuration(at.Sub(s.summary.since))),
		slog.Uint64("signed", totals[ActionSign]),
		slog.Uint64("accepted", totals[ActionAccept]+totals[ActionMonitor]+totals[ActionTag]+totals[ActionQuarantine]),
		slog.Uint64("refused", totals[ActionReject]),
		slog.Uint64("deferred", totals[ActionDefer]),
		slog.Uint64("discarded", totals[ActionDiscard]),
		slog.Uint64("would_refuse", would-s.summary.toldWould),
	}
	attrs = append(attrs, byReason("refused_", refused)...)
	attrs = append(attrs, byReason("deferred_", deferred)...)
	s.log.LogAttrs(context.Background(), slog.LevelInfo, "summary", attrs...)
	s.summary.told, s.summary.toldWould, s.summary.since = now, would, at
}

func byReason(prefix string, m map[Reason]uint64) []slog.Attr {
	reasons := make([]Reason, 0, len(m))
	for r := range m {
		reasons = append(reasons, r)
	}
	sort.Slice(reasons, func(i, j int) bool { return reasons[i] < reasons[j] })
	attrs := make([]slog.Attr, 0, len(reasons))
	for _, r := range reasons {
		attrs = append(attrs, slog.Uint64(prefix+strings.ReplaceAll(r.String(), "-", "_"), m[r]))
	}
	return attrs
}

// shortDuration writes 5m instead of 5m0s.
func shortDuration(d time.Duration) string {
	d = d.Round(time.Second)
	if d >= time.Minute && d%time.Minute == 0 {
		if d%time.Hour == 0 {
			return fmt.Sprintf("%dh", d/time.Hour)
		}
		return strings.TrimSuffix(d.String(), "0s")
	}
	return d.String()
}
