package filter

import (
	"context"
	"fmt"
	"log/slog"
	"sort"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/figures"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/store"
)

// counterTimeout bounds the writing of counters to the store.
const counterTimeout = 10 * time.Second

// summaryState is what the background work has counted by its last round. It belongs to Run, and to Shutdown after it.
type summaryState struct {
	since       time.Time
	last        map[verdictKey]uint64 // counts at the last summary
	lastWould   uint64                // likewise
	lastGuessed uint64                // wrong tags that were not told from right ones, likewise
	figuresLost uint64                // as logged last
	day         store.Day             // of which there was a daily summary last
}

// FlushFigures writes to the store what was counted and noted since the last time. It may be called at any time.
func (s *Server) FlushFigures(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, counterTimeout)
	defer cancel()
	return s.figures.Flush(ctx, s.store.Store(), s.now())
}

// flushFigures is FlushFigures for the background work.
func (s *Server) flushFigures(ctx context.Context) (flushed bool) {
	if lost := s.figures.Lost(); lost > s.summary.figuresLost {
		s.log.Warn("figures for reports are lost: too many wait for the store", "lost", lost-s.summary.figuresLost, "limit", figures.MaxPending)
		s.summary.figuresLost = lost
	}
	if err := s.FlushFigures(ctx); err != nil {
		s.log.Debug("figures not written, trying again later", "error", err)
		return false
	}
	return true
}

// logSummary writes one line that says what happened since the last one.
func (s *Server) logSummary() {
	now := s.stats.verdicts.all()
	at := s.now()
	totals := map[policy.Action]uint64{}
	refused := map[policy.Reason]uint64{}
	deferred := map[policy.Reason]uint64{}
	noBounce := uint64(0) // that were delivered
	for k, n := range now {
		d := n - s.summary.last[k]
		ordinary := !k.reason.OfBounces() && k.action != policy.ActionSign && k.action != policy.ActionReject && k.action != policy.ActionDefer
		if d == 0 || ordinary {
			continue
		}
		totals[k.action] += d
		if k.reason == policy.NoBounce && k.action == policy.ActionAccept {
			noBounce += d
		}
		switch k.action {
		case policy.ActionReject:
			refused[k.reason] += d
		case policy.ActionDefer:
			deferred[k.reason] += d
		}
	}
	refused[policy.Untagged] += 0 // always there
	would, guessed := s.stats.wouldRefuse(), s.guesses.Beyond()
	attrs := []slog.Attr{
		slog.String("interval", shortDuration(at.Sub(s.summary.since))),
		slog.Uint64("signed", totals[policy.ActionSign]),
		slog.Uint64("accepted", totals[policy.ActionAccept]+totals[policy.ActionMonitor]+totals[policy.ActionTag]+totals[policy.ActionQuarantine]),
		slog.Uint64("refused", totals[policy.ActionReject]),
		slog.Uint64("deferred", totals[policy.ActionDefer]),
		slog.Uint64("discarded", totals[policy.ActionDiscard]),
		slog.Uint64("would_refuse", would-s.summary.lastWould),
		slog.Uint64("no_bounce", noBounce),
	}
	if n := guessed - s.summary.lastGuessed; n > 0 {
		attrs = append(attrs, slog.Uint64("guessed", n))
	}
	attrs = append(attrs, byReason("refused_", refused)...)
	attrs = append(attrs, byReason("deferred_", deferred)...)
	s.log.LogAttrs(context.Background(), slog.LevelInfo, "summary", attrs...)
	s.summary.last, s.summary.lastWould, s.summary.lastGuessed, s.summary.since = now, would, guessed, at
}

func byReason(prefix string, m map[policy.Reason]uint64) []slog.Attr {
	reasons := make([]policy.Reason, 0, len(m))
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
