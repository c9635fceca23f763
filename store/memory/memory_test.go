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
	if err := s.Record(t.Context(), store.DayOf(at), "", store.Record{Expires: store.DayOf(at)}); err != nil {
		t.Fatal(err)
	}
	a, err := s.Lookup(t.Context(), store.DayOf(at), nil)
	if err != nil || !a.Complete.Since.Equal(at) {
		t.Errorf("Since %v, %v; want %v", a.Complete.Since, err, at)
	}
}

func TestWhatHasExpiredIsDropped(t *testing.T) {
	s := memory.New()
	record := func(day store.Day, domain string) {
		t.Helper()
		if err := s.Record(t.Context(), day, domain, store.Record{Key: store.Key{byte(day)}, Expires: day + 7}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Count(t.Context(), []store.Counter{{Hour: store.Day(20_000).FirstHour(), Count: 1}}); err != nil {
		t.Fatal(err)
	}
	record(20_000, "old.example")
	record(20_001+store.CounterRetention, "new.example")
	if first, _ := s.FirstSigned(t.Context()); len(first) != 1 {
		t.Errorf("domains %v, want new.example only", first)
	}
	if cs, _ := s.Counters(t.Context(), store.ByDay, 0, store.Day(30_000).FirstHour()); len(cs) != 0 {
		t.Errorf("counters %v, want none", cs)
	}
	// Even on a day on which it had not expired: it is gone, not only hidden.
	if a, _ := s.Lookup(t.Context(), 20_000, store.AnyDay(store.Key{32})); a.Found[0] {
		t.Error("an expired record was not dropped")
	}
}

func TestRecordsOutliveAClockThatRanAhead(t *testing.T) {
	s := memory.New()
	const day, last, margin = 20_000, 20_007, 30
	k := store.Key{1}
	record := func(today store.Day, r store.Record) {
		t.Helper()
		if err := s.Record(t.Context(), today, "example.com", r); err != nil {
			t.Fatal(err)
		}
	}
	found := func(today store.Day, k store.Key) bool {
		t.Helper()
		a, err := s.Lookup(t.Context(), today, store.AnyDay(k))
		if err != nil {
			t.Fatal(err)
		}
		return a.Found[0]
	}
	record(day, store.Record{Key: k, Expires: last})
	for _, ahead := range []store.Day{day + 20, last + margin} {
		record(ahead, store.Record{Key: store.Key{2}, Expires: ahead + 7})
		if !found(day, k) || !found(last, k) {
			t.Errorf("a record is gone after a day %d days ahead", ahead-day)
		}
		if found(last+1, k) {
			t.Error("a record is found after its last day")
		}
	}
	// Clocks differ: what one caller takes for over another one still asks for.
	record(last+1, store.Record{Key: store.Key{3}, Expires: last})
	if !found(last, store.Key{3}) {
		t.Error("a record made a day late is not found on its last day")
	}
	record(last+margin+1, store.Record{Key: store.Key{2}, Expires: last + 100})
	if found(day, k) {
		t.Error("a record outlives the margin")
	}
}

func BenchmarkMemory(b *testing.B) {
	storetest.Benchmark(b, func(*testing.B) store.Store { return memory.New() })
}
