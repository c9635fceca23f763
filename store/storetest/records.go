package storetest

import (
	"math"
	"slices"
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
)

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
			t.Error("a lookup of no keys does not say since when the record is complete")
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
}

// testLastDays tests how long records are found.
func testLastDays(t *testing.T, newStore func(t *testing.T) store.Store) {
	day := today()

	t.Run("a record is found when its last day is asked for", func(t *testing.T) {
		s := newStore(t)
		record(t, s, day, store.Record{Key: key(1), Expires: day + 3})
		record(t, s, day, store.Record{Key: key(2), Expires: day + 30})
		a, err := s.Lookup(t.Context(), day, []store.Query{
			{Key: key(1), Expires: day + 3}, {Key: key(2)}, {Key: key(3), Expires: day + 3}, {Key: key(1), Expires: day + 60},
		})
		if err != nil || !slices.Equal(a.Found, []bool{true, true, false, false}) || a.Complete.Since.IsZero() {
			t.Errorf("found %v, complete %v, %v", a.Found, a.Complete, err)
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
}

// testCounts tests what is counted under keys.
func testCounts(t *testing.T, newStore func(t *testing.T) store.Store) {
	day := today()

	t.Run("counts add up, and records without a count do not change them", func(t *testing.T) {
		s := newStore(t)
		for _, n := range []uint32{0, 2, 0, 300, 70_000} {
			record(t, s, day, store.Record{Key: key(1), Expires: day + 7, Count: n})
		}
		if a := lookup(t, s, day, key(1)); !a.Found[0] || a.Counts[0] != 70_302 {
			t.Errorf("found %v with the count %d", a.Found[0], a.Counts[0])
		}
	})
	t.Run("counts are of one last day, or of all days together", func(t *testing.T) {
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
	t.Run("counts stop at the largest number", func(t *testing.T) {
		s := newStore(t)
		for range 3 {
			record(t, s, day, store.Record{Key: key(1), Expires: day + 7, Count: math.MaxUint32 - 1})
		}
		if a := lookup(t, s, day, key(1)); a.Counts[0] != math.MaxUint32 {
			t.Errorf("count %d", a.Counts[0])
		}
	})
}

// testKeys tests keys, of any number and any octets.
func testKeys(t *testing.T, newStore func(t *testing.T) store.Store) {
	day := today()

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
	t.Run("answers are in the order of the keys", func(t *testing.T) {
		s := newStore(t)
		record(t, s, day, store.Record{Key: key(2), Expires: day + 7})
		record(t, s, day, store.Record{Key: key(4), Expires: day + 20})
		a := lookup(t, s, day, key(1), key(2), key(3), key(4), key(2))
		if want := []bool{false, true, false, true, true}; !slices.Equal(a.Found, want) {
			t.Errorf("found %v, want %v", a.Found, want)
		}
	})
}
