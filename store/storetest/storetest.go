// Package storetest is the suite that every backend of a [store.Store] passes. The test of a backend calls [Run] with a function that
// makes an empty store; [Benchmark] and [BenchmarkSpace] measure it.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// Run runs the suite. newStore returns an empty store on the system's clock, which is closed when the test t ends.
func Run(t *testing.T, newStore func(t *testing.T) store.Store) {
	t.Run("records", func(t *testing.T) {
		testRecords(t, newStore)
		testLastDays(t, newStore)
		testCounts(t, newStore)
		testKeys(t, newStore)
	})
	t.Run("completeness", func(t *testing.T) { testCompleteness(t, newStore) })
	t.Run("first-signed days", func(t *testing.T) { testFirstSigned(t, newStore) })
	t.Run("counters", func(t *testing.T) { testCounters(t, newStore) })
	t.Run("notes", func(t *testing.T) { testNotes(t, newStore) })
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

// today returns the day by the system's clock.
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
		"MarkIncomplete": func(ctx context.Context) error { return s.MarkIncomplete(ctx, store.Gap{Until: time.Now()}) },
		"FirstSigned":    func(ctx context.Context) error { _, err := s.FirstSigned(ctx); return err },
		"Count": func(ctx context.Context) error {
			return s.Count(ctx, []store.Counter{{Hour: day.FirstHour(), Count: 1}})
		},
		"Counters": func(ctx context.Context) error {
			_, err := s.Counters(ctx, store.ByDay, day.FirstHour(), day.FirstHour())
			return err
		},
		"Nodes":      func(ctx context.Context) error { _, err := s.Nodes(ctx); return err },
		"Heartbeat":  func(ctx context.Context) error { return s.Heartbeat(ctx, store.Node{Name: "n"}) },
		"RemoveNode": func(ctx context.Context) error { return s.RemoveNode(ctx, "n") },
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
			if err := s.Count(t.Context(), []store.Counter{{Hour: day.FirstHour(), Node: "n", Name: "valid", Count: each}}); err != nil {
				t.Errorf("Count: %v", err)
			}
		})
	}
	wait.Wait()
	cs, err := s.Counters(t.Context(), store.ByDay, day.FirstHour(), day.FirstHour())
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
