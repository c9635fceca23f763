package bolt

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/internal/counterkey"
)

// hourLayout is how the names of hours are written.
const hourLayout = "2006-01-02T15"

// Count implements [store.Store]. All of cs is counted or none.
func (s *Store) Count(ctx context.Context, cs []store.Counter) error {
	names := make([][]byte, len(cs))
	for i, c := range cs {
		if c.Hour < 0 {
			return fmt.Errorf("bolt store: hour %s is before 1970", c.Hour)
		}
		if names[i] = []byte(counterkey.Format(c)); len(names[i]) > bbolt.MaxKeySize {
			return fmt.Errorf("bolt store: counter with names of %d octets", len(names[i]))
		}
	}
	return s.update(ctx, "count", func(tx *bbolt.Tx) error {
		days, hours := tx.Bucket(bucketCounters), tx.Bucket(bucketHours)
		for i, c := range cs {
			if err := addTo(days, c.Hour.Day().String(), names[i], c.Count); err != nil {
				return err
			}
			if err := addTo(hours, c.Hour.String(), names[i], c.Count); err != nil {
				return err
			}
		}
		return nil
	})
}

// addTo adds to a counter of a day or an hour.
func addTo(periods *bbolt.Bucket, period string, name []byte, n int64) error {
	b, err := periods.CreateBucketIfNotExists([]byte(period))
	if err != nil {
		return err
	}
	if v := b.Get(name); len(v) == 8 {
		n += int64(binary.BigEndian.Uint64(v))
	}
	return b.Put(name, binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// Counters implements [store.Store].
func (s *Store) Counters(ctx context.Context, by store.Resolution, from, to store.Hour) ([]store.Counter, error) {
	from = max(from, 0)
	bucket, layout, first := bucketHours, hourLayout, from.String()
	if by == store.ByDay {
		bucket, layout, first = bucketCounters, time.DateOnly, from.Day().String()
	}
	var cs []store.Counter
	err := s.view(ctx, "counters", func(tx *bbolt.Tx) error {
		all := tx.Bucket(bucket)
		periods := all.Cursor()
		for name, _ := periods.Seek([]byte(first)); name != nil; name, _ = periods.Next() {
			t, err := time.Parse(layout, string(name))
			if err != nil {
				return err
			}
			hour := store.HourOf(t)
			if hour > to {
				break
			}
			if hour < from { // the first day has begun before
				continue
			}
			if err := all.Bucket(name).ForEach(func(name, v []byte) error {
				c, err := counterkey.Parse(string(name))
				if err != nil || len(v) != 8 {
					return fmt.Errorf("counter %q of %s cannot be read", name, hour)
				}
				c.Hour, c.Count = hour, int64(binary.BigEndian.Uint64(v))
				cs = append(cs, c)
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return cs, nil
}
