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
	for _, expires := range []store.Day{day - 2, day - 1, day, day + 1} {
		wait(func(tx *bbolt.Tx) error {
			b, err := tx.Bucket(bucketIssued).CreateBucket([]byte(expires.String()))
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
		if err := s.Count(t.Context(), []store.Counter{{Day: d, Reason: "valid", Count: 1}}); err != nil {
			t.Fatal(err)
		}
		r := store.Record{Key: store.Key{1}, Domain: "d" + d.String(), Expires: day + 1}
		if err := s.Record(t.Context(), d, r); err != nil {
			t.Fatal(err)
		}
	}

	if err := s.expire(t.Context(), day); err != nil {
		t.Fatal(err)
	}
	if err := s.view(context.Background(), "test", func(tx *bbolt.Tx) error {
		for bucket, want := range map[string][]store.Day{"issued": {day, day + 1}, "counters": {old}} {
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
		if got := tx.Bucket(bucketIssued).Bucket([]byte(day.String())).Inspect().KeyN; got != n {
			t.Errorf("%d of %d records of today are left", got, n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
