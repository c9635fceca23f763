package storetest

import (
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// sinceMargin is how much later than the first record the record of a store may become complete.
const sinceMargin = time.Minute + time.Second

func testCompleteness(t *testing.T, newStore func(t *testing.T) store.Store) {
	day := today()

	t.Run("an empty store is not complete", func(t *testing.T) {
		if a := lookup(t, newStore(t), day, key(1)); !a.Complete.Since.IsZero() {
			t.Errorf("Since %v", a.Complete.Since)
		}
	})
	t.Run("it begins with the first record, and others do not change it", func(t *testing.T) {
		s := newStore(t)
		before := time.Now()
		record(t, s, day, store.Record{Key: key(1), Expires: day + 7})
		after := time.Now()
		since := lookup(t, s, day, key(1)).Complete.Since
		if since.Before(before.Truncate(time.Millisecond)) || since.After(after.Add(sinceMargin)) {
			t.Errorf("Since %v, recorded between %v and %v", since, before, after)
		}
		record(t, s, day, store.Record{Key: key(2), Expires: day + 7})
		if again := lookup(t, s, day, key(1)).Complete.Since; !again.Equal(since) {
			t.Errorf("Since moved from %v to %v", since, again)
		}
	})
	t.Run("MarkIncomplete moves Since forward and never back", func(t *testing.T) {
		s := newStore(t)
		record(t, s, day, store.Record{Key: key(1), Expires: day + 7})
		at := time.Now().Add(time.Hour)
		for _, step := range []struct {
			until, atLeast time.Time
		}{
			{at, at},
			{at.Add(-2 * time.Hour), at},
			{at.Add(time.Hour + time.Nanosecond), at.Add(time.Hour + time.Nanosecond)},
			{at, at.Add(time.Hour + time.Nanosecond)},
		} {
			if err := s.MarkIncomplete(t.Context(), step.until); err != nil {
				t.Fatalf("MarkIncomplete: %v", err)
			}
			a := lookup(t, s, day, key(1))
			if since := a.Complete.Since; since.Before(step.atLeast) || since.Sub(step.atLeast) > time.Second {
				t.Errorf("after MarkIncomplete(%v): Since %v, want %v", step.until, since, step.atLeast)
			}
			if !a.Found[0] {
				t.Error("MarkIncomplete removed a record")
			}
		}
	})
	t.Run("it begins with MarkIncomplete in an empty store, and a record does not change it", func(t *testing.T) {
		s := newStore(t)
		at := time.Now().Add(time.Hour)
		if err := s.MarkIncomplete(t.Context(), at); err != nil {
			t.Fatalf("MarkIncomplete: %v", err)
		}
		record(t, s, day, store.Record{Key: key(1), Expires: day + 7})
		if since := lookup(t, s, day).Complete.Since; since.Before(at) || since.Sub(at) > time.Second {
			t.Errorf("Since %v, want %v", since, at)
		}
	})
	t.Run("it does not begin with a counter", func(t *testing.T) {
		s := newStore(t)
		if err := s.Count(t.Context(), []store.Counter{{Day: day, Node: "a", Reason: "valid", Count: 1}}); err != nil {
			t.Fatalf("Count: %v", err)
		}
		if a := lookup(t, s, day); !a.Complete.Since.IsZero() {
			t.Errorf("Since %v", a.Complete.Since)
		}
	})
}
