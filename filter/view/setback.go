package view

import (
	"context"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// maxAhead is how far ahead of now a start of the record is remembered. Marks of a loss are ahead by a day at most; a clock that was wrong
// when one was made must not have an effect for longer than the mark itself.
const maxAhead = 48 * time.Hour

// notEarlier returns the start of the record that counts: the store's, unless it is earlier than one that this host has seen. Then the
// store was set back, or another user of it has removed the mark of a loss, and the mark is made again.
func (v *View) notEarlier(ctx context.Context, c store.Completeness) store.Completeness {
	known := v.history.current().CompleteSince
	switch {
	case c.Since.IsZero() || c.Since.Equal(known):
	case c.Since.After(known):
		if c.Since.Sub(v.now()) <= maxAhead {
			v.changeHistory(func(h History) History { h.CompleteSince = c.Since; return h })
		}
	default:
		if v.setBack.allows(v.now(), repeatInterval) {
			v.log.Error("the store says that its record reaches further back than it has said before: it was set back, or another user of it has removed what it said; the record is marked incomplete again",
				"said", formatSince(c.Since), "before", formatSince(known))
		}
		// If this fails, what is returned is right all the same, and the next call tries again.
		_ = v.store.Store().MarkIncomplete(ctx, known)
		c.Since = known
	}
	return c
}
