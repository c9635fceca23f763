package view

import (
	"errors"

	"github.com/bouncefilter/bouncefilter/store"
)

// Doubts returns what the store holds that is not believed, and what of it was missed. It counts nothing in a store that no other program
// can write to.
func (v *View) Doubts() store.Doubts {
	if d, ok := v.store.Store().(store.Doubter); ok {
		return d.Doubts()
	}
	return store.Doubts{}
}

// reportDoubts logs that the store holds what the daemons of this site did not write.
func (v *View) reportDoubts() {
	now, before := v.Doubts(), v.doubts
	if now.Missing > before.Missing {
		v.log.Error("records that this host wrote are gone from the store: it has lost them, was set back, or another user of it has removed them; the record is marked incomplete",
			"samples", now.Missing-before.Missing)
		v.doubts.Missing = now.Missing
	}
	if now.Unbelieved() == before.Unbelieved() || !v.mayLog(&v.doubted, repeatInterval) {
		return
	}
	v.log.Error("the store holds what was not written under the hash secret of this host, or was changed or moved: it is not believed",
		"broadcasts", now.Broadcasts-before.Broadcasts, "heartbeats", now.Heartbeats-before.Heartbeats,
		"first_signed_days", now.FirstSigned-before.FirstSigned, "starts", now.Starts-before.Starts, "counters", now.Counters-before.Counters,
		"remedy", "give all hosts the same hash secret; if they have it, another user writes to the store: see deploy/scale.md")
	v.doubts = now
}

// reportCrowded logs that the store was filled.
func (v *View) reportCrowded(err error) {
	if errors.Is(err, store.ErrCrowded) && v.mayLog(&v.crowded, repeatInterval) {
		v.log.Error("the store was filled: what is known stays in effect, and nothing new is learnt", "error", err)
	}
}
