package bolt

import (
	"context"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"github.com/bouncefilter/bouncefilter/store"
)

const (
	// expireEvery is the interval at which expired records are removed.
	expireEvery = time.Hour

	// expireKeys is how many keys are removed in one commit, which takes some 10 ms: records on the mail path wait for it.
	expireKeys = 4096

	// expiryMargin is for how many days after its last day a record is not removed, although no Lookup finds it any more. A host may
	// boot with a clock that is days ahead, until it is set. A record that was removed too early would be missing afterwards,
	// while the record counts as complete: bounces of genuine mail would look like those of mail that was never sent.
	expiryMargin = 30
)

// expireHourly is the janitor. It removes what has expired, now and every hour until Close.
func (s *Store) expireHourly() {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		// A failure is not reported here: it also shows in other calls, and the next round tries again.
		_ = s.expire(s.life, s.now())
		select {
		case <-s.life.Done():
			return
		case <-tick.C:
		}
	}
}

// expire removes what has expired at the time now, a part in each commit: records after the margin, counters, notes and domains after
// their retention.
func (s *Store) expire(ctx context.Context, now time.Time) error {
	today := store.DayOf(now)
	for {
		more := false
		err := s.update(ctx, "expire", func(tx *bbolt.Tx) error {
			left := expireKeys
			for _, part := range []struct {
				bucket []byte
				oldest string
			}{
				{bucketRecords, (today - expiryMargin).String()},
				{bucketCounters, (today - store.CounterRetention).String()},
				{bucketHours, (store.HourOf(now) - store.HourRetention).String()},
			} {
				n, err := dropBefore(tx.Bucket(part.bucket), part.oldest, left)
				if err != nil {
					return err
				}
				left -= n
			}
			more = left <= 0
			if more {
				return nil
			}
			return errors.Join(dropDomains(tx.Bucket(bucketDomains), today-store.CounterRetention),
				dropNotes(tx.Bucket(bucketNotes), today-store.NoteRetention))
		})
		if err != nil || !more {
			return err
		}
	}
}

// dropBefore removes the days or hours before oldest from a bucket of them, but no more than about limit keys at a time. It
// returns how many it removed.
func dropBefore(days *bbolt.Bucket, oldest string, limit int) (removed int, err error) {
	for removed < limit {
		day, _ := days.Cursor().First()
		if day == nil || string(day) >= oldest {
			break
		}
		b := days.Bucket(day)
		if b == nil {
			return removed, errNoBucket
		}
		// The keys are gathered first: a cursor may skip keys when they are deleted under it.
		var keys [][]byte
		c := b.Cursor()
		k, _ := c.First()
		for ; k != nil && removed+len(keys) < limit; k, _ = c.Next() {
			keys = append(keys, k)
		}
		rest := k != nil
		removed += len(keys) + 1
		if !rest {
			if err := days.DeleteBucket(day); err != nil {
				return removed, err
			}
			continue
		}
		for _, k := range keys {
			if err := b.Delete(k); err != nil {
				return removed, err
			}
		}
	}
	return removed, nil
}

// dropDomains removes the domains without a record since oldest.
func dropDomains(b *bbolt.Bucket, oldest store.Day) error {
	return deleteIf(b, func(v []byte) bool {
		_, last, ok := parseDomain(v)
		return !ok || last < oldest
	})
}

// deleteIf removes the keys of a small bucket whose values have expired.
func deleteIf(b *bbolt.Bucket, expired func(value []byte) bool) error {
	var gone [][]byte
	if err := b.ForEach(func(key, value []byte) error {
		if expired(value) {
			gone = append(gone, key)
		}
		return nil
	}); err != nil {
		return err
	}
	for _, key := range gone {
		if err := b.Delete(key); err != nil {
			return err
		}
	}
	return nil
}
