package filter

import (
	"context"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// watchMemory asks the store how far back its record is complete, and logs when that changes: what was sent before is judged by
// the signature alone.
func (s *Server) watchMemory(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, backgroundTimeout)
	defer cancel()
	a, err := s.store.Store().Lookup(ctx, store.DayOf(s.now()), nil)
	if err != nil {
		return // Guard has logged that the store is unavailable
	}
	m, before := a.Complete, s.watched.Load()
	if before != nil && *before == m {
		return
	}
	s.noteBeginning(m)
	if before != nil {
		s.RefreshRevocations(ctx) // while it can be seen that the store has lost what is missing
	}
	s.watched.Store(&m)
	switch {
	case m.Reason != "":
		s.log.Warn("the store cannot vouch for its record: bounces are judged by the signature, and accepted where the record might have proven them",
			"reason", m.Reason)
	case m.Since.IsZero():
		if before != nil {
			s.log.Warn("the record of signed mail is gone: bounces of mail sent before now are judged by the signature, and accepted where the record might have proven them")
		}
	case !s.signedBefore(m) && !m.Since.After(s.recordBegan()):
		s.log.Info("the record of signed mail is complete", "since", formatSince(m))
	default:
		s.log.Warn("the record of signed mail may lack what was sent before: such bounces are judged by the signature, and accepted where the record might have proven them",
			"complete_since", formatSince(m))
	}
}

// signedBefore says whether a domain has signed on a day before the memory begins.
func (s *Server) signedBefore(m store.Completeness) bool {
	if days := s.signing.Load(); days != nil {
		for _, first := range *days {
			if first < store.DayOf(m.Since) {
				return true
			}
		}
	}
	return false
}

func formatSince(m store.Completeness) string { return m.Since.UTC().Format(time.RFC3339) }

// IncompleteUntil says until which day bounces of a domain that signs since the day signing are accepted because the record that
// might have proven them is not complete. began is when the record began first, if that is known. ok is false if it is complete; the day
// is 0 if nobody can tell.
func (p *Policy) IncompleteUntil(m store.Completeness, began time.Time, signing, today store.Day) (until store.Day, incomplete bool) {
	if !p.mayBeMissing(RecipientFacts{Complete: m, Began: began, Signing: true, SigningSince: signing}, today) {
		return 0, false
	}
	if m.Since.IsZero() {
		return 0, true
	}
	return store.DayOf(m.Since) + store.Day(p.set.Proofs.Retention), true
}

// completeSince returns since when the record is complete, in seconds since 1970; 0 if nothing is known of it.
func (s *Server) completeSince() float64 {
	m := s.watched.Load()
	if m == nil || m.Since.IsZero() {
		return 0
	}
	return float64(m.Since.Unix())
}
