// Package storetest is the suite that every [store.Store] passes. A backend's test calls [Run] with a function that
// makes an empty store.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// sinceMargin is how much later than its first record a store may say that its memory starts.
const sinceMargin = time.Minute + time.Second

// Run runs the suite. newStore returns an empty store that is closed when the test t ends; the clock of the store is
// that of the system.
func Run(t *testing.T, newStore func(t *testing.T) store.Store) {
	t.Run("records", func(t *testing.T) { testRecords(t, newStore) })
	t.Run("memory", func(t *testing.T) { testMemory(t, newStore) })
	t.Run("first-signed days", func(t *testing.T) { testFirstSigned(t, newStore) })
	t.Run("counters", func(t *testing.T) { testCounters(t, newStore) })
	t.Run("nodes", func(t *testing.T) { testNodes(t, newStore) })
	t.Run("broadcasts", func(t *testing.T) { testBroadcasts(t, newStore) })
	t.Run("ended context", func(t *testing.T) { testEndedContext(t, newStore) })
	t.Run("many callers", func(t *testing.T) { testManyCallers(t, newStore) })
	t.Run("ping", func(t *testing.T) {
		if err := newStore(t).Ping(t.Context()); err != nil {
			t.Errorf("Ping: %v", err)
		}
	})
}

// today is the day of the test: the stores' clock is the system's.
func today() store.Day { return store.DayOf(time.Now()) }

// key returns the nth key. Keys differ in all their octets.
func key(n int) store.Key {
	return store.NewHasher([]byte("storetest")).Tag(fmt.Sprintf("user%d@example.com", n), store.Day(n), 0)
}

func record(t *testing.T, s store.Store, day store.Day, rs ...store.Record) {
	t.Helper()
	recordFor(t, s, day, "", rs...)
}

func recordFor(t *testing.T, s store.Store, day store.Day, domain string, rs ...store.Record) {
	t.Helper()
	if err := s.Record(t.Context(), day, domain, rs...); err != nil {
		t.Fatalf("Record: %v", err)
	}
}

func lookup(t *testing.T, s store.Store, day store.Day, keys ...store.Key) store.Answer {
	t.Helper()
	a, err := s.Lookup(t.Context(), day, store.AnyDay(keys...))
	if err != nil {
		t.Fatalf("Lookup: %v", err)
	}
	if len(a.Found) != len(keys) || len(a.Counts) != len(keys) {
		t.Fatalf("Lookup of %d keys answered %d with %d counts", len(keys), len(a.Found), len(a.Counts))
	}
	return a
}

func testRecords(t *testing.T, newStore func(t *testing.T) store.Store) {
	day := today()

	t.Run("nothing is found in an empty store", func(t *testing.T) {
		if a := lookup(t, newStore(t), day, key(1), key(2)); slices.Contains(a.Found, true) {
			t.Errorf("found %v", a.Found)
		}
	})
	t.Run("no keys are no error", func(t *testing.T) {
		s := newStore(t)
		lookup(t, s, day)
		record(t, s, day, store.Record{Key: key(1), Expires: day + 7})
		if a := lookup(t, s, day); a.Complete.Since.IsZero() {
			t.Error("a lookup of no keys does not say when the memory began")
		}
	})
	t.Run("a record is found until its last day and not long after", func(t *testing.T) {
		s := newStore(t)
		recordFor(t, s, day, "example.com", store.Record{Key: key(1), Expires: day + 7})
		for d := day; d <= day+7; d++ {
			if a := lookup(t, s, d, key(1)); !a.Found[0] {
				t.Errorf("not found on day %d of 7", d-day)
			}
		}
		if a := lookup(t, s, day+100, key(1)); a.Found[0] {
			t.Error("found 93 days after its last day")
		}
	})
	t.Run("records of all expiry days are found together", func(t *testing.T) {
		s := newStore(t)
		var keys []store.Key
		for n := range 60 {
			record(t, s, day, store.Record{Key: key(n), Expires: day + store.Day(n)})
			keys = append(keys, key(n))
		}
		if a := lookup(t, s, day, keys...); slices.Contains(a.Found, false) {
			t.Errorf("found %v", a.Found)
		}
	})
	t.Run("a record is found when its last day is asked for", func(t *testing.T) {
		s := newStore(t)
		record(t, s, day, store.Record{Key: key(1), Expires: day + 3})
		record(t, s, day, store.Record{Key: key(2), Expires: day + 30})
		a, err := s.Lookup(t.Context(), day, []store.Query{
			{Key: key(1), Expires: day + 3}, {Key: key(2)}, {Key: key(3), Expires: day + 3}, {Key: key(1), Expires: day + 60},
		})
		if err != nil || !slices.Equal(a.Found, []bool{true, true, false, false}) || a.Complete.Since.IsZero() {
			t.Errorf("found %v, memory %v, %v", a.Found, a.Complete, err)
		}
	})
	t.Run("a record made on its last day is found that day", func(t *testing.T) {
		s := newStore(t)
		record(t, s, day, store.Record{Key: key(1), Expires: day})
		if a := lookup(t, s, day, key(1)); !a.Found[0] {
			t.Error("not found")
		}
	})
	t.Run("a record that has expired long ago is not found", func(t *testing.T) {
		s := newStore(t)
		record(t, s, day, store.Record{Key: key(1), Expires: day - 100})
		if a := lookup(t, s, day, key(1)); a.Found[0] {
			t.Error("found")
		}
	})
	t.Run("answers stand in the order of the keys", func(t *testing.T) {
		s := newStore(t)
		record(t, s, day, store.Record{Key: key(2), Expires: day + 7})
		record(t, s, day, store.Record{Key: key(4), Expires: day + 20})
		a := lookup(t, s, day, key(1), key(2), key(3), key(4), key(2))
		if want := []bool{false, true, false, true, true}; !slices.Equal(a.Found, want) {
			t.Errorf("found %v, want %v", a.Found, want)
		}
	})
	t.Run("recording twice is recording once", func(t *testing.T) {
		s := newStore(t)
		for range 2 {
			record(t, s, day, store.Record{Key: key(1), Expires: day + 7})
		}
		if a := lookup(t, s, day, key(1)); !a.Found[0] {
			t.Error("not found")
		}
	})
	t.Run("a later last day prolongs a record, an earlier one does not shorten it", func(t *testing.T) {
		s := newStore(t)
		record(t, s, day, store.Record{Key: key(1), Expires: day + 40})
		record(t, s, day, store.Record{Key: key(1), Expires: day + 1})
		record(t, s, day, store.Record{Key: key(2), Expires: day + 1})
		record(t, s, day, store.Record{Key: key(2), Expires: day + 40})
		if a := lookup(t, s, day+40, key(1), key(2)); slices.Contains(a.Found, false) {
			t.Errorf("found %v", a.Found)
		}
	})
	t.Run("several records in one call", func(t *testing.T) {
		s := newStore(t)
		record(t, s, day,
			store.Record{Key: key(1), Expires: day + 7, Count: 3},
			store.Record{Key: key(2), Expires: day + 30},
			store.Record{Key: key(3), Expires: day + 30, Count: 1},
			store.Record{Key: key(3), Expires: day + 30, Count: 1},
		)
		a := lookup(t, s, day, key(1), key(2), key(3), key(4))
		if !slices.Equal(a.Found, []bool{true, true, true, false}) || !slices.Equal(a.Counts, []uint32{3, 0, 2, 0}) {
			t.Errorf("found %v with the counts %v", a.Found, a.Counts)
		}
	})
	t.Run("no records are no error", func(t *testing.T) { record(t, newStore(t), day) })
	t.Run("counts add up, and presence leaves them", func(t *testing.T) {
		s := newStore(t)
		for _, n := range []uint32{0, 2, 0, 300, 70_000} {
			record(t, s, day, store.Record{Key: key(1), Expires: day + 7, Count: n})
		}
		if a := lookup(t, s, day, key(1)); !a.Found[0] || a.Counts[0] != 70_302 {
			t.Errorf("found %v with the count %d", a.Found[0], a.Counts[0])
		}
	})
	t.Run("counts stand for their last day, and for all days together", func(t *testing.T) {
		s := newStore(t)
		for n, days := range []store.Day{1, 2, 9, 30} {
			record(t, s, day, store.Record{Key: key(1), Expires: day + days, Count: uint32(1 + n)})
		}
		if a := lookup(t, s, day, key(1)); a.Counts[0] != 1+2+3+4 {
			t.Errorf("all days: %d", a.Counts[0])
		}
		a, err := s.Lookup(t.Context(), day, []store.Query{{Key: key(1), Expires: day + 30}})
		if err != nil || a.Counts[0] != 4 {
			t.Errorf("last day alone: %v, %v", a.Counts, err)
		}
	})
	t.Run("counts end at the largest number", func(t *testing.T) {
		s := newStore(t)
		for range 3 {
			record(t, s, day, store.Record{Key: key(1), Expires: day + 7, Count: math.MaxUint32 - 1})
		}
		if a := lookup(t, s, day, key(1)); a.Counts[0] != math.MaxUint32 {
			t.Errorf("count %d", a.Counts[0])
		}
	})
	t.Run("keys that differ in one bit are different", func(t *testing.T) {
		s := newStore(t)
		k := key(1)
		record(t, s, day, store.Record{Key: k, Expires: day + 7})
		for i := range k {
			other := k
			other[i] ^= 1
			if a := lookup(t, s, day, other); a.Found[0] {
				t.Errorf("found with a bit of octet %d flipped", i)
			}
		}
	})
	t.Run("keys of any octets", func(t *testing.T) {
		s := newStore(t)
		keys := []store.Key{{}, {1: '\r', 2: '\n', 3: '$', 4: '*'}, {15: 0xff}}
		for i := range keys[0] {
			keys[2][i] = 0xff
		}
		if a := lookup(t, s, day, keys...); slices.Contains(a.Found, true) {
			t.Errorf("found before: %v", a.Found)
		}
		for _, k := range keys {
			record(t, s, day, store.Record{Key: k, Expires: day + 7})
		}
		if a := lookup(t, s, day, keys...); slices.Contains(a.Found, false) {
			t.Errorf("found %v", a.Found)
		}
	})
	t.Run("10,000 keys in one lookup", func(t *testing.T) {
		s := newStore(t)
		keys := make([]store.Key, 10_000)
		for n := range keys {
			keys[n] = key(n)
			if n%100 == 0 {
				record(t, s, day, store.Record{Key: keys[n], Expires: day + store.Day(n%8)})
			}
		}
		for n, found := range lookup(t, s, day, keys...).Found {
			if found != (n%100 == 0) {
				t.Fatalf("key %d: found %t", n, found)
			}
		}
	})
}

func testMemory(t *testing.T, newStore func(t *testing.T) store.Store) {
	day := today()

	t.Run("an empty store vouches for nothing", func(t *testing.T) {
		if a := lookup(t, newStore(t), day, key(1)); !a.Complete.Since.IsZero() {
			t.Errorf("Since %v", a.Complete.Since)
		}
	})
	t.Run("the first record starts it, others leave it", func(t *testing.T) {
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
	t.Run("MarkIncomplete moves it forward and never back", func(t *testing.T) {
		s := newStore(t)
		record(t, s, day, store.Record{Key: key(1), Expires: day + 7})
		at := time.Now().Add(time.Hour)
		for _, step := range []struct {
			forget, atLeast time.Time
		}{
			{at, at},
			{at.Add(-2 * time.Hour), at},
			{at.Add(time.Hour + time.Nanosecond), at.Add(time.Hour + time.Nanosecond)},
			{at, at.Add(time.Hour + time.Nanosecond)},
		} {
			if err := s.MarkIncomplete(t.Context(), step.forget); err != nil {
				t.Fatalf("MarkIncomplete: %v", err)
			}
			a := lookup(t, s, day, key(1))
			if since := a.Complete.Since; since.Before(step.atLeast) || since.Sub(step.atLeast) > time.Second {
				t.Errorf("after MarkIncomplete(%v): Since %v, want %v", step.forget, since, step.atLeast)
			}
			if !a.Found[0] {
				t.Error("MarkIncomplete removed a record")
			}
		}
	})
	t.Run("MarkIncomplete in an empty store starts it, and a record leaves it", func(t *testing.T) {
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
	t.Run("counting starts nothing", func(t *testing.T) {
		s := newStore(t)
		if err := s.Count(t.Context(), []store.Counter{{Day: day, Node: "a", Reason: "valid", Count: 1}}); err != nil {
			t.Fatalf("Count: %v", err)
		}
		if a := lookup(t, s, day); !a.Complete.Since.IsZero() {
			t.Errorf("Since %v", a.Complete.Since)
		}
	})
}

func testFirstSigned(t *testing.T, newStore func(t *testing.T) store.Store) {
	day := today()
	s := newStore(t)
	first := func() map[string]store.Day {
		t.Helper()
		m, err := s.FirstSigned(t.Context())
		if err != nil {
			t.Fatalf("FirstSigned: %v", err)
		}
		return m
	}
	if m := first(); len(m) != 0 {
		t.Errorf("an empty store has %v", m)
	}
	recordFor(t, s, day-3, "example.com", store.Record{Key: key(1), Expires: day + 4})
	recordFor(t, s, day, "example.com", store.Record{Key: key(2), Expires: day + 7})
	recordFor(t, s, day-1, "example.net", store.Record{Key: key(3), Expires: day + 6})
	record(t, s, day, store.Record{Key: key(4), Expires: day + 7})
	m := first()
	if len(m) != 2 || m["example.com"] != day-3 || m["example.net"] != day-1 {
		t.Errorf("got %v, want example.com on %v and example.net on %v only", m, day-3, day-1)
	}
}

func testCounters(t *testing.T, newStore func(t *testing.T) store.Store) {
	day := today()
	s := newStore(t)
	counters := func(from, to store.Day) []store.Counter {
		t.Helper()
		cs, err := s.Counters(t.Context(), from, to)
		if err != nil {
			t.Fatalf("Counters: %v", err)
		}
		slices.SortFunc(cs, func(a, b store.Counter) int {
			return strings.Compare(fmt.Sprintf("%d %q %q %q", a.Day, a.Node, a.Domain, a.Reason),
				fmt.Sprintf("%d %q %q %q", b.Day, b.Node, b.Domain, b.Reason))
		})
		return cs
	}
	count := func(cs ...store.Counter) {
		t.Helper()
		if err := s.Count(t.Context(), cs); err != nil {
			t.Fatalf("Count: %v", err)
		}
	}
	if cs := counters(day-10, day); len(cs) != 0 {
		t.Errorf("an empty store has %v", cs)
	}
	count()
	count(
		store.Counter{Day: day - 1, Node: "a", Domain: "example.com", Reason: "valid", Count: 1},
		store.Counter{Day: day, Node: "a", Domain: "example.com", Reason: "valid", Count: 2},
		store.Counter{Day: day, Node: "a", Domain: "example.com", Reason: "valid", Count: 3},
		store.Counter{Day: day, Node: "b", Domain: "example.com", Reason: "valid", Count: 4},
	)
	count(
		store.Counter{Day: day, Node: "a", Domain: "example.com", Reason: "valid", Count: 1 << 40},
		store.Counter{Day: day, Node: "a", Domain: "", Reason: "untagged", Count: 5},
		store.Counter{Day: day, Node: "a|b :\x00%", Domain: "münchen.example", Reason: "c|d", Count: 6},
	)
	want := []store.Counter{
		{Day: day, Node: "a", Domain: "", Reason: "untagged", Count: 5},
		{Day: day, Node: "a", Domain: "example.com", Reason: "valid", Count: 5 + 1<<40},
		{Day: day, Node: "a|b :\x00%", Domain: "münchen.example", Reason: "c|d", Count: 6},
		{Day: day, Node: "b", Domain: "example.com", Reason: "valid", Count: 4},
	}
	if got := counters(day, day); !slices.Equal(got, want) {
		t.Errorf("today:\n got %v\nwant %v", got, want)
	}
	want = slices.Insert(want, 0, store.Counter{Day: day - 1, Node: "a", Domain: "example.com", Reason: "valid", Count: 1})
	if got := counters(day-1, day); !slices.Equal(got, want) {
		t.Errorf("two days:\n got %v\nwant %v", got, want)
	}
	if got := counters(0, day); !slices.Equal(got, want) {
		t.Errorf("all days:\n got %v\nwant %v", got, want)
	}
	if got := counters(day+1, day); len(got) != 0 {
		t.Errorf("no days: %v", got)
	}
}

func testEndedContext(t *testing.T, newStore func(t *testing.T) store.Store) {
	s := newStore(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	day := today()
	for name, call := range map[string]func(ctx context.Context) error{
		"Record": func(ctx context.Context) error {
			return s.Record(ctx, day, "", store.Record{Key: key(1), Expires: day})
		},
		"Lookup":         func(ctx context.Context) error { _, err := s.Lookup(ctx, day, store.AnyDay(key(1))); return err },
		"MarkIncomplete": func(ctx context.Context) error { return s.MarkIncomplete(ctx, time.Now()) },
		"FirstSigned":    func(ctx context.Context) error { _, err := s.FirstSigned(ctx); return err },
		"Count":          func(ctx context.Context) error { return s.Count(ctx, []store.Counter{{Day: day, Count: 1}}) },
		"Counters":       func(ctx context.Context) error { _, err := s.Counters(ctx, day, day); return err },
		"Nodes":          func(ctx context.Context) error { _, err := s.Nodes(ctx); return err },
		"Heartbeat":      func(ctx context.Context) error { return s.Heartbeat(ctx, store.Node{Name: "n"}) },
		"RemoveNode":     func(ctx context.Context) error { return s.RemoveNode(ctx, "n") },
		"Publish": func(ctx context.Context) error {
			_, err := s.Publish(ctx, store.Broadcast{Topic: "t", Name: "n", Expires: day}, true)
			return err
		},
		"Broadcasts": func(ctx context.Context) error { _, err := s.Broadcasts(ctx, "t", day); return err },
		"Withdraw":   func(ctx context.Context) error { return s.Withdraw(ctx, "t", "n") },
		"Ping":       func(ctx context.Context) error { return s.Ping(ctx) },
	} {
		if err := call(ended); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", name, err)
		}
		if err := call(late); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s after its deadline: %v", name, err)
		}
		if err := call(t.Context()); err != nil {
			t.Errorf("%s after that: %v", name, err)
		}
	}
}

func testManyCallers(t *testing.T, newStore func(t *testing.T) store.Store) {
	const callers, each = 32, 50
	s := newStore(t)
	day := today()
	var wait sync.WaitGroup
	for c := range callers {
		wait.Go(func() {
			for n := range each {
				k := key(c*each + n)
				r := store.Record{Key: k, Expires: day + store.Day(n%30), Count: 1}
				all := store.Record{Key: key(-2), Expires: day, Count: 1}
				if err := s.Record(t.Context(), day, fmt.Sprintf("d%d.example", n%4), r, all); err != nil {
					t.Errorf("Record: %v", err)
					return
				}
				a, err := s.Lookup(t.Context(), day, store.AnyDay(k, key(-1)))
				if err != nil {
					t.Errorf("Lookup: %v", err)
					return
				}
				if !a.Found[0] || a.Counts[0] != 1 || a.Found[1] || a.Complete.Since.IsZero() {
					t.Errorf("after its Record: %+v", a)
				}
			}
			if err := s.Count(t.Context(), []store.Counter{{Day: day, Node: "n", Reason: "valid", Count: each}}); err != nil {
				t.Errorf("Count: %v", err)
			}
		})
	}
	wait.Wait()
	cs, err := s.Counters(t.Context(), day, day)
	if err != nil || len(cs) != 1 || cs[0].Count != callers*each {
		t.Errorf("counters %v, %v; want one of %d", cs, err, callers*each)
	}
	if first, err := s.FirstSigned(t.Context()); err != nil || len(first) != 4 {
		t.Errorf("first-signed days %v, %v; want 4", first, err)
	}
	var keys []store.Key
	for n := range callers * each {
		keys = append(keys, key(n))
	}
	if a := lookup(t, s, day, keys...); slices.Contains(a.Found, false) {
		t.Error("records of many callers are missing")
	}
	if a := lookup(t, s, day, key(-2)); a.Counts[0] != callers*each {
		t.Errorf("many callers have counted to %d, want %d", a.Counts[0], callers*each)
	}
}
