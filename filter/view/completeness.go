package view

import (
	"context"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// refreshCompleteness asks the store since when its record is complete, and logs when that changes: what was sent before is judged by
// the signature alone.
func (v *View) refreshCompleteness(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	a, err := v.store.Store().Lookup(ctx, store.DayOf(v.now()), nil)
	if err != nil {
		return // Guard has logged that the store is unavailable
	}
	c, before := v.notEarlier(ctx, a.Complete), v.complete.Load()
	if before != nil && *before == c {
		return
	}
	if h := v.history.current(); !c.Since.IsZero() && (h.RecordBegan.IsZero() || c.Since.Before(h.RecordBegan)) {
		v.changeHistory(func(h History) History { h.RecordBegan = c.Since; return h })
	}
	if before != nil {
		v.RefreshRevocations(ctx) // while it can be seen that the store has lost what is missing
	}
	v.complete.Store(&c)
	switch {
	case c.Reason != "":
		v.log.Warn("the store cannot vouch for its record: bounces are judged by the signature, and accepted where the record might have proven them",
			"reason", c.Reason, "remedy", c.Remedy)
	case c.Since.IsZero():
		if before != nil {
			v.log.Warn("the record of signed mail is gone: bounces of mail sent before now are judged by the signature, and accepted where the record might have proven them")
		}
	case !v.signedBefore(c.Since) && !c.Since.After(v.history.current().RecordBegan):
		v.log.Info("the record of signed mail is complete", "since", formatSince(c.Since))
	default:
		v.log.Warn("the record of signed mail may lack what was sent before: such bounces are judged by the signature, and accepted where the record might have proven them",
			"complete_since", formatSince(c.Since))
	}
}

// signedBefore says whether a domain has signed on a day before that of since.
func (v *View) signedBefore(since time.Time) bool {
	for _, first := range v.history.current().FirstSigned {
		if first < store.DayOf(since) {
			return true
		}
	}
	return false
}

func formatSince(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// CompleteSince returns since when the record is complete, as the store said last; the zero time if nothing is known of it.
func (v *View) CompleteSince() time.Time {
	if c := v.complete.Load(); c != nil {
		return c.Since
	}
	return time.Time{}
}
