package memory_test

import (
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return memory.New() })
}

func TestClockSetsTheStartOfTheMemory(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s := memory.NewWithClock(func() time.Time { return at })
	if err := s.Record(t.Context(), store.DayOf(at), store.Record{Expires: store.DayOf(at)}); err != nil {
		t.Fatal(err)
	}
	a, err := s.Lookup(t.Context(), store.DayOf(at), nil)
	if err != nil || !a.Memory.Since.Equal(at) {
		t.Errorf("Since %v, %v; want %v", a.Memory.Since, err, at)
	}
}

func TestWhatHasExpiredIsDropped(t *testing.T) {
	s := memory.New()
	record := func(day store.Day, domain string) {
		t.Helper()
		if err := s.Record(t.Context(), day, store.Record{Key: store.Key{byte(day)}, Domain: domain, Expires: day + 7}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Count(t.Context(), []store.Counter{{Day: 20_000, Count: 1}}); err != nil {
		t.Fatal(err)
	}
	record(20_000, "old.example")
	record(20_001+store.CounterRetention, "new.example")
	if first, _ := s.FirstSigned(t.Context()); len(first) != 1 {
		t.Errorf("domains %v, want new.example only", first)
	}
	if cs, _ := s.Counters(t.Context(), 0, 30_000); len(cs) != 0 {
		t.Errorf("counters %v, want none", cs)
	}
	// Even on a day on which it had not expired: it is gone, not only hidden.
	if a, _ := s.Lookup(t.Context(), 20_000, store.AnyDay(store.Key{32})); a.Found[0] {
		t.Error("an expired record was kept")
	}
}

func BenchmarkMemory(b *testing.B) {
	storetest.Benchmark(b, func(*testing.B) store.Store { return memory.New() })
}
