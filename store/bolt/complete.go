package bolt

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/internal/timevalue"
)

// begin notes the time of the first record.
func begin(tx *bbolt.Tx, now time.Time) error {
	meta := tx.Bucket(bucketMeta)
	if len(meta.Get(keyStart)) > 0 {
		return nil
	}
	return meta.Put(keyStart, timevalue.Append(nil, now))
}

// MarkIncomplete implements [store.Store].
func (s *Store) MarkIncomplete(ctx context.Context, g store.Gap) error {
	return s.update(ctx, "mark incomplete", func(tx *bbolt.Tx) error {
		c, err := completeness(tx)
		if err != nil {
			return err
		}
		var v []byte
		for _, g := range store.AddGap(c.Gaps, g) {
			v = timevalue.Append(timevalue.Append(v, g.From), g.Until)
		}
		return tx.Bucket(bucketMeta).Put(keyGaps, v)
	})
}

// completeness returns of which time the record is complete.
func completeness(tx *bbolt.Tx) (store.Completeness, error) {
	meta := tx.Bucket(bucketMeta)
	v := meta.Get(keyStart)
	if len(v) != 0 && len(v) != timevalue.Size {
		return store.Completeness{}, fmt.Errorf("%w: the time of the first record has %d octets", errDamaged, len(v))
	}
	var start time.Time
	if len(v) > 0 {
		start = timevalue.Parse(v)
	}
	v = meta.Get(keyGaps)
	if len(v)%(2*timevalue.Size) != 0 {
		return store.Completeness{}, fmt.Errorf("%w: the times of which records are missing have %d octets", errDamaged, len(v))
	}
	var gaps []store.Gap
	for ; len(v) > 0; v = v[2*timevalue.Size:] {
		gaps = store.AddGap(gaps, store.Gap{From: timevalue.Parse(v), Until: timevalue.Parse(v[timevalue.Size:])})
	}
	return store.Completed(start, gaps), nil
}
