package store_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

func at(hour int) time.Time { return time.Date(2026, 11, 1, hour, 0, 0, 0, time.UTC) }

func between(from, until int) store.Gap { return store.Gap{From: at(from), Until: at(until)} }

func TestAddGap(t *testing.T) {
	for _, test := range []struct {
		name string
		add  []store.Gap
		want []store.Gap
	}{
		{"apart", []store.Gap{between(5, 6), between(1, 2)}, []store.Gap{between(1, 2), between(5, 6)}},
		{"touching", []store.Gap{between(1, 2), between(2, 3)}, []store.Gap{between(1, 3)}},
		{"within", []store.Gap{between(1, 9), between(2, 3)}, []store.Gap{between(1, 9)}},
		{"over several", []store.Gap{between(1, 2), between(4, 5), between(7, 8), between(2, 6)}, []store.Gap{between(1, 6), between(7, 8)}},
		{"without a beginning", []store.Gap{between(1, 2), {Until: at(5)}, between(4, 7), between(9, 10)}, []store.Gap{{Until: at(7)}, between(9, 10)}},
		{"the wrong way round", []store.Gap{between(3, 1)}, []store.Gap{between(1, 1)}},
	} {
		var gaps []store.Gap
		for _, g := range test.add {
			gaps = store.AddGap(gaps, g)
		}
		if !slices.Equal(gaps, test.want) {
			t.Errorf("%s: %v, want %v", test.name, gaps, test.want)
		}
	}
}

// However many gaps there are, no time of one is forgotten, and they are few.
func TestAddGapForgetsNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var gaps, all []store.Gap
	for range 500 {
		from := random.IntN(100_000)
		g := between(from, from+random.IntN(20))
		all = append(all, g)
		before := slices.Clone(gaps)
		added := store.AddGap(gaps, g)
		if !slices.Equal(gaps, before) {
			t.Fatal("AddGap changed its argument")
		}
		gaps = added
		if len(gaps) > store.MaxGaps {
			t.Fatalf("%d gaps", len(gaps))
		}
		for i := 1; i < len(gaps); i++ {
			if !gaps[i-1].Until.Before(gaps[i].From) {
				t.Fatalf("%v and %v are not in order", gaps[i-1], gaps[i])
			}
		}
	}
	for _, g := range all {
		if !slices.ContainsFunc(gaps, func(o store.Gap) bool { return o.Covers(g) }) {
			t.Errorf("%v is forgotten", g)
		}
	}
}

func TestCompleted(t *testing.T) {
	for _, test := range []struct {
		name  string
		start time.Time
		gaps  []store.Gap
		since time.Time
	}{
		{"nothing", time.Time{}, nil, time.Time{}},
		{"a first record", at(1), nil, at(1)},
		{"a gap", at(1), []store.Gap{between(3, 4)}, at(1)},
		{"a gap without a beginning", at(1), []store.Gap{{Until: at(4)}, between(5, 6)}, at(4)},
		{"one that ended before", at(5), []store.Gap{{Until: at(4)}}, at(5)},
		{"without a record", time.Time{}, []store.Gap{{Until: at(4)}}, at(4)},
		{"a gap in an empty record", time.Time{}, []store.Gap{between(3, 4)}, time.Time{}},
	} {
		if c := store.Completed(test.start, test.gaps); !c.Since.Equal(test.since) || !slices.Equal(c.Gaps, test.gaps) {
			t.Errorf("%s: %+v, want since %v", test.name, c, test.since)
		}
	}
}

func TestWhatWasLostStaysLost(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 11, 30, hour, 0, 0, 0, time.UTC) }
	gap := func(from, until int) store.Gap { return store.Gap{From: at(from), Until: at(until)} }
	for _, tt := range []struct {
		name        string
		before, now store.Completeness
		want        store.Completeness
	}{
		{"nothing was seen before", store.Completeness{}, store.Completeness{Since: at(3)}, store.Completeness{Since: at(3)}},
		{"the same", store.Completeness{Since: at(3), Gaps: []store.Gap{gap(4, 5)}}, store.Completeness{Since: at(3), Gaps: []store.Gap{gap(4, 5)}},
			store.Completeness{Since: at(3), Gaps: []store.Gap{gap(4, 5)}}},
		{"one more gap", store.Completeness{Since: at(3)}, store.Completeness{Since: at(3), Gaps: []store.Gap{gap(4, 5)}}, store.Completeness{Since: at(3), Gaps: []store.Gap{gap(4, 5)}}},
		{"a gap is gone", store.Completeness{Since: at(3), Gaps: []store.Gap{gap(4, 5)}}, store.Completeness{Since: at(3)}, store.Completeness{Since: at(3), Gaps: []store.Gap{gap(4, 5)}}},
		{"a gap is shorter", store.Completeness{Since: at(3), Gaps: []store.Gap{gap(4, 6)}}, store.Completeness{Since: at(3), Gaps: []store.Gap{gap(4, 5)}},
			store.Completeness{Since: at(3), Gaps: []store.Gap{gap(4, 6)}}},
		{"it reaches further back", store.Completeness{Since: at(3)}, store.Completeness{Since: at(1)}, store.Completeness{Since: at(3), Gaps: []store.Gap{{Until: at(3)}}}},
		{"it has begun anew", store.Completeness{Since: at(3), Gaps: []store.Gap{gap(4, 5)}}, store.Completeness{Since: at(6)}, store.Completeness{Since: at(6)}},
		{"it is empty", store.Completeness{Since: at(3), Gaps: []store.Gap{gap(4, 5)}}, store.Completeness{Reason: "x"}, store.Completeness{Reason: "x"}},
	} {
		if got := tt.now.With(tt.before); !got.Equal(tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
