package store_test

import (
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// What a node may not have recorded begins with its last heartbeat, whichever clock is wrong.
func TestWhatANodeMayNotHaveRecorded(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	last := now.Add(-time.Hour)
	for name, n := range map[string]store.Node{
		"both clocks are right":           {Seen: last, At: last},
		"the clock of the node is ahead":  {Seen: last, At: last.Add(5 * time.Hour)},
		"the clock of the store is ahead": {Seen: last.Add(5 * time.Hour), At: last},
		"its own clock is not known":      {Seen: last},
	} {
		if got, want := n.Unrecorded(now), (store.Gap{From: last.Add(-62 * time.Second), Until: now.Add(time.Minute)}); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
