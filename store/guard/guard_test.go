package guard_test

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
)

func TestGuardWritesWhatIsNewOnly(t *testing.T) {
	s := newFlaky()
	g := newPatientGuard(t, s, "")
	defer g.Close()
	day := today()
	for i, step := range []struct {
		day     store.Day
		r       store.Record
		written int // so far
	}{
		{day, store.Record{Key: store.Key{1}, Expires: day + 7}, 1},
		{day, store.Record{Key: store.Key{1}, Expires: day + 7}, 1},
		{day, store.Record{Key: store.Key{1}, Expires: day + 6}, 1},
		{day, store.Record{Key: store.Key{1}, Expires: day + 8}, 2},
		{day, store.Record{Key: store.Key{1}, Expires: day + 8}, 2},
		{day, store.Record{Key: store.Key{2}, Expires: day + 7}, 3},
		{day + 1, store.Record{Key: store.Key{1}, Expires: day + 8}, 4},
		{day + 1, store.Record{Key: store.Key{1}, Expires: day + 8}, 4},
		{day, store.Record{Key: store.Key{1}, Expires: day + 8}, 5}, // A call that began before midnight.
		{day + 1, store.Record{Key: store.Key{1}, Expires: day + 8}, 5},
		{day + 1, store.Record{Key: store.Key{3}, Expires: day + 8, Count: 1}, 6},
		{day + 1, store.Record{Key: store.Key{3}, Expires: day + 8, Count: 1}, 7}, // What counts is always written.
	} {
		if err := g.Record(t.Context(), step.day, "", step.r); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if n, _ := s.calls(); n != step.written {
			t.Errorf("step %d: written %d times, want %d", i, n, step.written)
		}
	}
}

// Of the records of one message those are left out that are known already.
func TestGuardWritesWhatIsNew(t *testing.T) {
	s := newFlaky()
	g := newPatientGuard(t, s, "")
	defer g.Close()
	day := today()
	count := func(n byte) uint32 {
		t.Helper()
		a, err := g.Lookup(t.Context(), day, store.AnyDay(store.Key{n}))
		if err != nil || !a.Found[0] {
			t.Fatalf("record %d: %v, %v", n, a, err)
		}
		return a.Counts[0]
	}
	tag := store.Record{Key: store.Key{1}, Expires: day + 7, Count: 2}
	friend := store.Record{Key: store.Key{2}, Expires: day + 30}
	other := store.Record{Key: store.Key{3}, Expires: day + 30}
	for i, message := range [][]store.Record{{tag, friend}, {friend, tag, other}, {friend, other}, {other, tag}} {
		if err := g.Record(t.Context(), day, "example.com", message...); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if written, _ := s.calls(); written != 3 || count(1) != 6 || count(2) != 0 || count(3) != 0 {
		t.Errorf("%d writes, counts %d %d %d", written, count(1), count(2), count(3))
	}
}

func TestGuardCacheIsBounded(t *testing.T) {
	s := newFlaky()
	// The timeout is not what is tested here, and 400,000 calls on a busy machine may meet it.
	g := guard.New(s, guard.Options{Timeout: time.Minute, Logger: slog.New(slog.DiscardHandler)})
	defer g.Close()
	const n = 200_000
	day := today()
	for range 2 {
		for i := range n {
			r := store.Record{Expires: day}
			binary.BigEndian.PutUint32(r.Key[store.KeySize-4:], uint32(i))
			if err := g.Record(t.Context(), day, "example.com", r); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The cache holds 2^17 keys at most, so most of the second round is written again.
	if written, _ := s.calls(); written < 2*n-1<<17 {
		t.Errorf("%d of %d records written: the cache holds more than it may", written, 2*n)
	}
}

func TestGuardAllocatesNothingForAKnownRecord(t *testing.T) {
	g := newPatientGuard(t, newFlaky(), "")
	defer g.Close()
	ctx, day, rs := t.Context(), today(), []store.Record{rec(1), rec(2)}
	if n := testing.AllocsPerRun(1000, func() {
		if err := g.Record(ctx, day, "example.com", rs...); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// After a loss the guard writes again what it has written before.
func TestGuardForgets(t *testing.T) {
	s := newFlaky()
	g := newPatientGuard(t, s, "")
	defer g.Close()
	write := func() int {
		if err := g.Record(t.Context(), today(), "example.com", rec(1)); err != nil {
			t.Fatal(err)
		}
		n, _ := s.calls()
		return n
	}
	if once, twice := write(), write(); once != 1 || twice != 1 {
		t.Errorf("%d calls, then %d", once, twice)
	}
	g.Forget()
	if n := write(); n != 2 {
		t.Errorf("%d calls after it forgot", n)
	}
}

// Each call that reaches the store is timed, by its kind, whether or not it succeeds; one that does not reach it is not.
func TestGuardTellsHowLongCallsTook(t *testing.T) {
	s := newFlaky()
	var mu sync.Mutex
	took := map[guard.Operation][]time.Duration{}
	clock := time.Now()
	g := guard.New(s, guard.Options{
		Timeout: time.Minute, Probe: time.Hour, Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { // goes on by a second whenever it is looked at
			mu.Lock()
			defer mu.Unlock()
			clock = clock.Add(time.Second)
			return clock
		},
		Took: func(op guard.Operation, d time.Duration) { took[op] = append(took[op], d) },
	})
	defer g.Close()
	calls := func() {
		_ = g.Record(t.Context(), today(), "example.com", rec(1), rec(2))
		_, _ = g.Lookup(t.Context(), today(), nil)
		_ = g.RecordBestEffort(t.Context(), today(), rec(3))
	}
	calls()
	s.fail(errors.New("broken"), "Lookup")
	_, _ = g.Lookup(t.Context(), today(), nil)
	calls() // which the circuit keeps from the store
	for op, want := range map[guard.Operation]int{guard.OpRecord: 1, guard.OpLookup: 2, guard.OpUse: 1} {
		if ds := took[op]; len(ds) != want || slices.ContainsFunc(ds, func(d time.Duration) bool { return d != time.Second }) {
			t.Errorf("%s: %v, want %d of a second", op, ds, want)
		}
	}
	if len(took) != len(guard.Operations()) {
		t.Errorf("%v", took)
	}
}
