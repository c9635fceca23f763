package bolt

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/bouncefilter/bouncefilter/store"
)

// begin notes the time of the first record.
func begin(tx *bbolt.Tx, now time.Time) error {
	meta := tx.Bucket(bucketMeta)
	if len(meta.Get(keyStart)) > 0 {
		return nil
	}
	return meta.Put(keyStart, appendTime(nil, now))
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
			v = appendTime(appendTime(v, g.From), g.Until)
		}
		return tx.Bucket(bucketMeta).Put(keyGaps, v)
	})
}

// completeness returns of which time the record is complete.
func completeness(tx *bbolt.Tx) (store.Completeness, error) {
	meta := tx.Bucket(bucketMeta)
	v := meta.Get(keyStart)
	if len(v) != 0 && len(v) != timeSize {
		return store.Completeness{}, fmt.Errorf("%w: the time of the first record has %d octets", errDamaged, len(v))
	}
	var start time.Time
	if len(v) > 0 {
		start = timeOf(v)
	}
	v = meta.Get(keyGaps)
	if len(v)%(2*timeSize) != 0 {
		return store.Completeness{}, fmt.Errorf("%w: the times of which records are missing have %d octets", errDamaged, len(v))
	}
	var gaps []store.Gap
	for ; len(v) > 0; v = v[2*timeSize:] {
		gaps = store.AddGap(gaps, store.Gap{From: timeOf(v), Until: timeOf(v[timeSize:])})
	}
	return store.Completed(start, gaps), nil
}

// timeSize is the length of a time in the file, in octets: nanoseconds since 1970, 0 for no time.
const timeSize = 8

func appendTime(v []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.BigEndian.AppendUint64(v, 0)
	}
	return binary.BigEndian.AppendUint64(v, uint64(t.UnixNano()))
}

func timeOf(v []byte) time.Time {
	n := int64(binary.BigEndian.Uint64(v))
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
