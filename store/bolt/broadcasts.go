package bolt

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/internal/broadcastvalue"
)

// broadcastKey is the key of a broadcast: topic, octet 0 and name. No topic has an octet 0.
func broadcastKey(topic, name string) []byte { return []byte(topic + "\x00" + name) }

// Publish implements [store.Store]. It also removes expired broadcasts.
func (s *Store) Publish(ctx context.Context, b store.Broadcast, onlyNew bool) (published bool, err error) {
	key := broadcastKey(b.Topic, b.Name)
	if b.Name == "" || strings.ContainsRune(b.Topic, 0) || len(key) > bbolt.MaxKeySize {
		return false, fmt.Errorf("bolt store: broadcast with a name of %d octets", len(b.Name))
	}
	today := store.DayOf(s.now())
	err = s.update(ctx, "publish", func(tx *bbolt.Tx) error {
		published = false // a transaction may be run again
		bucket := tx.Bucket(bucketBroadcasts)
		if err := deleteIf(bucket, func(v []byte) bool {
			_, ok := broadcastvalue.Parse("", "", v, today)
			return !ok
		}); err != nil {
			return err
		}
		if onlyNew && bucket.Get(key) != nil {
			return nil
		}
		published = true
		return bucket.Put(key, broadcastvalue.Format(b))
	})
	return published && err == nil, err
}

// Broadcasts implements [store.Store].
func (s *Store) Broadcasts(ctx context.Context, topic string, today store.Day) ([]store.Broadcast, error) {
	var bs []store.Broadcast
	err := s.view(ctx, "broadcasts", func(tx *bbolt.Tx) error {
		prefix := broadcastKey(topic, "")
		c := tx.Bucket(bucketBroadcasts).Cursor()
		for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			if b, ok := broadcastvalue.Parse(topic, string(k[len(prefix):]), v, today); ok {
				bs = append(bs, b)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return bs, nil
}

// Withdraw implements [store.Store].
func (s *Store) Withdraw(ctx context.Context, topic, name string) error {
	return s.update(ctx, "withdraw", func(tx *bbolt.Tx) error { return tx.Bucket(bucketBroadcasts).Delete(broadcastKey(topic, name)) })
}
