package view

import (
	"context"
	"log/slog"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// refreshCompleteness asks the store of which time its record is complete. It says whether that has changed, and logs it: what was sent at
// another time is judged by the signature alone. After a change, what the store may have lost is written to it again: what was recorded
// today, and the key check value.
func (v *View) refreshCompleteness(ctx context.Context) (changed bool) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	a, err := v.store.Store().Lookup(ctx, store.DayOf(v.now()), nil)
	if err != nil {
		return false // Guard has logged that the store is unavailable
	}
	c, before := v.notEarlier(ctx, a.Complete), v.complete.Load()
	if before != nil && before.Equal(c) {
		return false
	}
	if h := v.history.current(); !c.Since.IsZero() && (h.RecordBegan.IsZero() || c.Since.Before(h.RecordBegan)) {
		v.changeHistory(func(h History) History { h.RecordBegan = c.Since; return h })
	}
	if before != nil {
		v.RefreshRevocations(ctx) // while it can be seen that the store has lost what is missing
	}
	v.complete.Store(&c)
	v.checked = 0
	v.store.Forget()
	switch {
	case c.Reason != "":
		v.log.Warn("the store cannot vouch for its record: bounces are judged by the signature, and accepted where the record might have proven them",
			"reason", c.Reason, "remedy", c.Remedy)
	case c.Since.IsZero():
		if before != nil {
			v.log.Warn("the record of signed mail is gone: bounces of mail sent before now are judged by the signature, and accepted where the record might have proven them")
		}
	case before != nil && len(c.Gaps) > 0 && c.Since.Equal(before.Since):
		v.log.Warn("the record of signed mail may lack what was sent within a gap: bounces that name a message of that time, or do not tell when theirs was sent, are judged by the signature, and accepted where the record might have proven them",
			"complete_since", formatTime(c.Since), gaps(c))
	case !v.signedBefore(c.Since) && !c.Since.After(v.history.current().RecordBegan):
		v.log.Info("the record of signed mail is complete", "since", formatTime(c.Since), gaps(c))
	default:
		v.log.Warn("the record of signed mail may lack what was sent before: bounces that name such a message, or do not tell when theirs was sent, are judged by the signature, and accepted where the record might have proven them",
			"complete_since", formatTime(c.Since), gaps(c))
	}
	return true
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

// gaps is the attribute of a log line with the gaps of a record; none if there are none.
func gaps(c store.Completeness) slog.Attr {
	if len(c.Gaps) == 0 {
		return slog.Attr{}
	}
	return slog.String("gaps", c.GapsText())
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Completeness returns of which time the record is complete, as the store said last.
func (v *View) Completeness() store.Completeness {
	if c := v.complete.Load(); c != nil {
		return *c
	}
	return store.Completeness{}
}
