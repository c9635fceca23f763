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

// broadcastKey is the key of a broadcast: topic and name with an octet between them that is in no topic.
func broadcastKey(topic, name string) []byte { return []byte(topic + "\x00" + name) }

// Publish implements [store.Store]. Broadcasts that are over are removed.
func (s *Store) Publish(ctx context.Context, n store.Broadcast, onlyNew bool) (published bool, err error) {
	key := broadcastKey(n.Topic, n.Name)
	if n.Name == "" || strings.ContainsRune(n.Topic, 0) || len(key) > bbolt.MaxKeySize {
		return false, fmt.Errorf("bolt store: broadcast with a name of %d octets", len(n.Name))
	}
	today := store.DayOf(s.now())
	err = s.update(ctx, "publish", func(tx *bbolt.Tx) error {
		published = false // a transaction may be run again
		b := tx.Bucket(bucketBroadcasts)
		if err := deleteIf(b, func(v []byte) bool {
			_, ok := broadcastvalue.Parse("", "", v, today)
			return !ok
		}); err != nil {
			return err
		}
		if onlyNew && b.Get(key) != nil {
			return nil
		}
		published = true
		return b.Put(key, broadcastvalue.Format(n))
	})
	return published && err == nil, err
}

// Broadcasts implements [store.Store].
func (s *Store) Broadcasts(ctx context.Context, topic string, today store.Day) ([]store.Broadcast, error) {
	var ns []store.Broadcast
	err := s.view(ctx, "broadcasts", func(tx *bbolt.Tx) error {
		prefix := broadcastKey(topic, "")
		c := tx.Bucket(bucketBroadcasts).Cursor()
		for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			if n, ok := broadcastvalue.Parse(topic, string(k[len(prefix):]), v, today); ok {
				ns = append(ns, n)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ns, nil
}

// Withdraw implements [store.Store].
func (s *Store) Withdraw(ctx context.Context, topic, name string) error {
	return s.update(ctx, "withdraw", func(tx *bbolt.Tx) error { return tx.Bucket(bucketBroadcasts).Delete(broadcastKey(topic, name)) })
}
