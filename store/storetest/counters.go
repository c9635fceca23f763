package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
)

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
