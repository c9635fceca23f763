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
	t.Run("a gap without a beginning moves Since forward and never back", func(t *testing.T) {
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
			markIncomplete(t, s, store.Gap{Until: step.until})
			a := lookup(t, s, day, key(1))
			if since := a.Complete.Since; since.Before(step.atLeast) || since.Sub(step.atLeast) > time.Second || len(a.Complete.Gaps) != 1 {
				t.Errorf("after a gap until %v: %+v, want Since %v", step.until, a.Complete, step.atLeast)
			}
			if !a.Found[0] {
				t.Error("MarkIncomplete removed a record")
			}
		}
	})
	t.Run("a gap leaves Since as it is, and gaps that overlap become one", func(t *testing.T) {
		s := newStore(t)
		record(t, s, day, store.Record{Key: key(1), Expires: day + 7})
		since := lookup(t, s, day, key(1)).Complete.Since
		at := since.Add(24 * time.Hour)
		for _, hours := range [][2]int{{1, 2}, {8, 9}, {4, 5}, {2, 4}, {1, 5}, {8, 9}} {
			markIncomplete(t, s, store.Gap{From: at.Add(time.Duration(hours[0]) * time.Hour), Until: at.Add(time.Duration(hours[1]) * time.Hour)})
		}
		c := lookup(t, s, day, key(1)).Complete
		if !c.Since.Equal(since) || len(c.Gaps) != 2 {
			t.Fatalf("%+v, want Since %v and two gaps", c, since)
		}
		for i, hours := range [][2]int{{1, 5}, {8, 9}} {
			want := store.Gap{From: at.Add(time.Duration(hours[0]) * time.Hour), Until: at.Add(time.Duration(hours[1]) * time.Hour)}
			if g := c.Gaps[i]; !g.Covers(want) || want.From.Sub(g.From) > time.Second || g.Until.Sub(want.Until) > time.Second {
				t.Errorf("gap %v, want %v", g, want)
			}
		}
	})
	t.Run("many gaps become few", func(t *testing.T) {
		s := newStore(t)
		record(t, s, day, store.Record{Key: key(1), Expires: day + 7})
		at := time.Now()
		for n := range 2 * store.MaxGaps {
			at = at.Add(time.Duration(n+1) * time.Hour)
			markIncomplete(t, s, store.Gap{From: at, Until: at.Add(time.Minute)})
		}
		if n := len(lookup(t, s, day, key(1)).Complete.Gaps); n != store.MaxGaps {
			t.Errorf("%d gaps", n)
		}
	})
	t.Run("it begins with MarkIncomplete in an empty store, and a record does not change it", func(t *testing.T) {
		s := newStore(t)
		at := time.Now().Add(time.Hour)
		markIncomplete(t, s, store.Gap{Until: at})
		record(t, s, day, store.Record{Key: key(1), Expires: day + 7})
		if since := lookup(t, s, day).Complete.Since; since.Before(at) || since.Sub(at) > time.Second {
			t.Errorf("Since %v, want %v", since, at)
		}
	})
	t.Run("it does not begin with a counter", func(t *testing.T) {
		s := newStore(t)
		if err := s.Count(t.Context(), []store.Counter{{Hour: day.FirstHour(), Node: "a", Name: "valid", Count: 1}}); err != nil {
			t.Fatalf("Count: %v", err)
		}
		if a := lookup(t, s, day); !a.Complete.Since.IsZero() {
			t.Errorf("Since %v", a.Complete.Since)
		}
	})
}

func markIncomplete(t *testing.T, s store.Store, g store.Gap) {
	t.Helper()
	if err := s.MarkIncomplete(t.Context(), g); err != nil {
		t.Fatalf("MarkIncomplete: %v", err)
	}
}
