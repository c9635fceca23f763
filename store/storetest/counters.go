package storetest

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

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
	hour := store.HourOf(time.Now())
	day := hour.Day().FirstHour()
	s := newStore(t)
	counters := func(by store.Resolution, from, to store.Hour) []store.Counter {
		t.Helper()
		cs, err := s.Counters(t.Context(), by, from, to)
		if err != nil {
			t.Fatalf("Counters: %v", err)
		}
		slices.SortFunc(cs, func(a, b store.Counter) int {
			return cmp.Or(cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Node, b.Node), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Name, b.Name))
		})
		return cs
	}
	count := func(cs ...store.Counter) {
		t.Helper()
		if err := s.Count(t.Context(), cs); err != nil {
			t.Fatalf("Count: %v", err)
		}
	}
	if cs := counters(store.ByDay, day-240, hour); len(cs) != 0 {
		t.Errorf("an empty store has %v", cs)
	}
	count()
	count(
		store.Counter{Hour: hour - 24, Node: "a", Topic: "verdict", Name: "example.com|valid", Count: 1},
		store.Counter{Hour: hour, Node: "a", Topic: "verdict", Name: "example.com|valid", Count: 2},
		store.Counter{Hour: hour, Node: "a", Topic: "verdict", Name: "example.com|valid", Count: 3},
		store.Counter{Hour: hour, Node: "b", Topic: "verdict", Name: "example.com|valid", Count: 4},
	)
	count(
		store.Counter{Hour: hour, Node: "a", Topic: "verdict", Name: "example.com|valid", Count: 1 << 40},
		store.Counter{Hour: hour, Node: "a", Topic: "source", Name: "", Count: 5},
		store.Counter{Hour: hour, Node: "a|b :\x00%", Topic: "c", Name: "münchen.example|d", Count: 6},
	)
	want := func(hour store.Hour) []store.Counter {
		return []store.Counter{
			{Hour: hour, Node: "a", Topic: "source", Name: "", Count: 5},
			{Hour: hour, Node: "a", Topic: "verdict", Name: "example.com|valid", Count: 5 + 1<<40},
			{Hour: hour, Node: "a|b :\x00%", Topic: "c", Name: "münchen.example|d", Count: 6},
			{Hour: hour, Node: "b", Topic: "verdict", Name: "example.com|valid", Count: 4},
		}
	}
	before := func(hour store.Hour) store.Counter {
		return store.Counter{Hour: hour, Node: "a", Topic: "verdict", Name: "example.com|valid", Count: 1}
	}
	for _, c := range []struct {
		what     string
		by       store.Resolution
		from, to store.Hour
		want     []store.Counter
	}{
		{"today", store.ByDay, day, hour, want(day)},
		{"days that begin after the first hour of yesterday", store.ByDay, day - 23, hour, want(day)},
		{"two days", store.ByDay, day - 24, day, slices.Insert(want(day), 0, before(day-24))},
		{"all days", store.ByDay, 0, hour, slices.Insert(want(day), 0, before(day-24))},
		{"this hour", store.ByHour, hour, hour, want(hour)},
		{"hours since yesterday", store.ByHour, hour - 24, hour, slices.Insert(want(hour), 0, before(hour-24))},
		{"no hours", store.ByHour, hour + 1, hour, nil},
		{"the next hour", store.ByHour, hour + 1, hour + 2, nil},
	} {
		if got := counters(c.by, c.from, c.to); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %v\nwant %v", c.what, got, c.want)
		}
	}
}

func testNotes(t *testing.T, newStore func(t *testing.T) store.Store) {
	day := today()
	s := newStore(t)
	notes := func() []store.Note {
		t.Helper()
		ns, err := s.Notes(t.Context())
		if err != nil {
			t.Fatalf("Notes: %v", err)
		}
		slices.SortFunc(ns, func(a, b store.Note) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Slot, b.Slot)) })
		return ns
	}
	if ns := notes(); len(ns) != 0 {
		t.Errorf("an empty store has %v", ns)
	}
	for _, ns := range [][]store.Note{
		nil,
		{{Node: "a", Slot: 0, Day: day, Text: "one"}, {Node: "a", Slot: 1, Day: day, Text: "two"}, {Node: "b|:\x00", Slot: 0, Day: day, Text: "three\nfour \xff"}},
		{{Node: "a", Slot: 0, Day: day, Text: "five"}, {Node: "a", Slot: store.MaxNotes - 1, Day: day - store.NoteRetention, Text: strings.Repeat("x", store.MaxNote)}},
		{{Node: "a", Slot: 3, Day: day - store.NoteRetention - 1, Text: "too old"}},
	} {
		if err := s.Note(t.Context(), ns); err != nil {
			t.Fatalf("Note: %v", err)
		}
	}
	want := []store.Note{
		{Node: "a", Slot: 0, Day: day, Text: "five"}, {Node: "a", Slot: 1, Day: day, Text: "two"},
		{Node: "a", Slot: store.MaxNotes - 1, Day: day - store.NoteRetention, Text: strings.Repeat("x", store.MaxNote)},
		{Node: "b|:\x00", Slot: 0, Day: day, Text: "three\nfour \xff"},
	}
	if got := notes(); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
