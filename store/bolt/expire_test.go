package bolt

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/bouncefilter/bouncefilter/store"
)

func TestExpireRemovesWhatIsOver(t *testing.T) {
	const n = 3*expireKeys + 17 // More than one commit may remove.
	s, err := Open(filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	day := store.DayOf(time.Now())
	wait := func(apply func(tx *bbolt.Tx) error) {
		t.Helper()
		if err := s.update(t.Context(), "test", apply); err != nil {
			t.Fatal(err)
		}
	}
	over := day - expiryMargin // The last day on which this is to be found is so long ago that it may go tomorrow.
	for _, expires := range []store.Day{over - 2, over - 1, over, over + 1} {
		wait(func(tx *bbolt.Tx) error {
			b, err := tx.Bucket(bucketRecords).CreateBucket([]byte(expires.String()))
			if err != nil {
				return err
			}
			for i := range uint64(n) {
				if err := b.Put(binary.BigEndian.AppendUint64(make([]byte, 8), i), nil); err != nil {
					return err
				}
			}
			return nil
		})
	}
	old := day - store.CounterRetention
	for _, d := range []store.Day{old - 1, old} {
		if err := s.Count(t.Context(), []store.Counter{{Hour: d.FirstHour(), Name: "valid", Count: 1}}); err != nil {
			t.Fatal(err)
		}
		r := store.Record{Key: store.Key{1}, Expires: over + 1}
		if err := s.Record(t.Context(), d, "d"+d.String(), r); err != nil {
			t.Fatal(err)
		}
	}

	if err := s.expire(t.Context(), day.Time()); err != nil {
		t.Fatal(err)
	}
	if err := s.view(context.Background(), "test", func(tx *bbolt.Tx) error {
		for bucket, want := range map[string][]store.Day{"records": {over, over + 1}, "counters": {old}} {
			var got []string
			if err := tx.Bucket([]byte(bucket)).ForEachBucket(func(name []byte) error {
				got = append(got, string(name))
				return nil
			}); err != nil {
				return err
			}
			if len(got) != len(want) || got[0] != want[0].String() {
				t.Errorf("%s holds %v, want %v", bucket, got, want)
			}
		}
		if tx.Bucket(bucketDomains).Get([]byte("d"+(old-1).String())) != nil {
			t.Error("an old domain was kept")
		}
		if tx.Bucket(bucketDomains).Get([]byte("d"+old.String())) == nil {
			t.Error("a domain was removed too early")
		}
		if got := tx.Bucket(bucketRecords).Bucket([]byte(over.String())).Inspect().KeyN; got != n {
			t.Errorf("%d of %d records of the last day of the margin are left", got, n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestRecordsOutliveAClockThatRanAhead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	day := store.DayOf(now)
	last := day + 7
	k := store.Key{1}
	if err := s.Record(t.Context(), day, "example.com", store.Record{Key: k, Expires: last}); err != nil {
		t.Fatal(err)
	}
	found := func(today store.Day, q store.Query) bool {
		t.Helper()
		a, err := s.Lookup(t.Context(), today, []store.Query{q})
		if err != nil || a.Complete.Since.IsZero() {
			t.Fatalf("Lookup: %+v, %v", a, err)
		}
		return a.Found[0]
	}
	for _, ahead := range []store.Day{20, 7 + expiryMargin} {
		// What the janitor does when the process starts on such a day.
		if err := s.expire(t.Context(), (day + ahead).Time()); err != nil {
			t.Fatal(err)
		}
		for _, q := range []store.Query{{Key: k}, {Key: k, Expires: last}} {
			if !found(day, q) {
				t.Errorf("%v is not found after the clock was %d days ahead", q, ahead)
			}
			if !found(last, q) {
				t.Errorf("%v is not found on its last day after the clock was %d days ahead", q, ahead)
			}
			if found(last+1, q) {
				t.Errorf("%v is found after its last day", q)
			}
		}
	}
	if err := s.expire(t.Context(), (last + expiryMargin + 1).Time()); err != nil {
		t.Fatal(err)
	}
	if found(day, store.Query{Key: k}) {
		t.Error("the record is kept for longer than the margin")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
