package filter

import (
	"context"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// Prepare learns from the store what the first bounces are judged by. Until then nothing is refused that the record might have proven.
// It must not run beside [Server.Run].
func (s *Server) Prepare(ctx context.Context) {
	if s.view.Refresh(ctx) {
		s.logModes()
	}
}

// Run does the work beside the mail path until ctx is done: it refreshes what is known of the record, and writes summaries and counters.
// Call it once, and wait for it before Shutdown.
func (s *Server) Run(ctx context.Context) {
	s.Prepare(ctx)
	var view sync.WaitGroup
	defer view.Wait()
	refreshed := make(chan bool)
	view.Go(func() {
		s.view.Run(ctx, func(answered bool) {
			select {
			case refreshed <- answered:
			case <-ctx.Done():
			}
		})
	})
	summary := time.NewTicker(s.every)
	defer summary.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case answered := <-refreshed:
			if answered {
				s.logModes()
			}
			s.record(ctx)
		case <-summary.C:
			s.logSummary()
		}
	}
}

// record writes the figures to the store, and the summary of yesterday to the log.
func (s *Server) record(ctx context.Context) {
	if !s.flushFigures(ctx) {
		return
	}
	if err := s.logDaily(ctx); err != nil {
		s.log.Debug("no daily summary, trying again later", "error", err)
	}
}

// maxLoggedModes is of how many domains at once it is logged that their mode has an effect: of more, how many they are.
const maxLoggedModes = 50

// logModes logs which domains in mode auto are enforced, where that has changed.
func (s *Server) logModes() {
	p := s.state.Load().policy
	today := prvs.DayOf(s.now())
	var changed []*policy.Domain
	enforced := 0
	for name, d := range p.Domains() {
		if d.Mode != policy.ModeAuto {
			continue
		}
		first, signing := s.view.FirstSigned(name)
		now := p.Enforces(d, prvs.Day(first), signing, today)
		if before, known := s.enforced[name]; known && before == now {
			continue
		}
		s.enforced[name] = now
		if changed = append(changed, d); now {
			enforced++
		}
	}
	if len(changed) > maxLoggedModes {
		s.log.Info("the mode of many domains takes effect, see bouncefilter check", "domains_enforced", enforced, "domains_monitored", len(changed)-enforced)
		return
	}
	for _, d := range changed {
		s.logMode(p, d)
	}
}

// logMode logs whether a domain in mode auto is enforced.
func (s *Server) logMode(p *policy.Policy, d *policy.Domain) {
	first, signing := s.view.FirstSigned(d.Name)
	since := prvs.Day(first)
	switch {
	case s.enforced[d.Name]:
		s.log.Info("domain is enforced: bounces that answer no mail sent from here are refused", "domain", d.Name, "signing_since", since.String())
	case signing:
		s.log.Info("domain is monitored: nothing is refused yet", "domain", d.Name, "signing_since", since.String(), "enforced_from", p.EnforcesFrom(since).String())
	default:
		s.log.Info("domain is monitored: nothing is refused before it has signed for one lifetime", "domain", d.Name)
	}
}
