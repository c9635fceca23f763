package view

import (
	"context"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// maxAhead is how far ahead of now a loss is remembered. Marks of a loss are ahead by a day at most; a clock that was wrong when one was
// made must not have an effect for longer than the mark itself.
const maxAhead = 48 * time.Hour

// notEarlier returns the completeness that counts: the store's, with what it has said before may be lost. If it does not say so any more, it
// was set back, or another user of it has removed the mark of a loss, and the mark is made again.
func (v *View) notEarlier(ctx context.Context, c store.Completeness) store.Completeness {
	known := v.history.current().Complete
	lacks := c.Lacks(known)
	if len(lacks) > 0 {
		if v.mayLog(&v.setBack, repeatInterval) {
			v.log.Error("the store does not say any more what it has lost: it was set back, or another user of it has removed what it said; the record is marked incomplete again",
				"complete_since", formatTime(c.Since), "before", formatTime(known.Since), "gaps", store.Completeness{Gaps: lacks}.GapsText())
		}
		for _, g := range lacks {
			// If this fails, what is returned is right all the same, and the next call tries again.
			_ = v.store.Store().MarkIncomplete(ctx, g)
		}
		c = c.With(known)
	}
	if remember := (store.Completeness{Since: c.Since, Gaps: c.Gaps}); !c.Since.IsZero() && !known.Equal(remember) && !v.farAhead(remember) {
		v.changeHistory(func(h History) History { h.Complete = remember; return h })
	}
	return c
}

// farAhead says whether a completeness comes from a clock that is ahead.
func (v *View) farAhead(c store.Completeness) bool {
	limit := v.now().Add(maxAhead)
	return c.Since.After(limit) || c.LastGapEnd().After(limit)
}
