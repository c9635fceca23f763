package bolt

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/internal/noticevalue"
)

// noticeKey is the key of a notice: topic and name with an octet between them that is in no topic.
func noticeKey(topic, name string) []byte { return []byte(topic + "\x00" + name) }

// Publish implements [store.Store]. Notices that are over are removed.
func (s *Store) Publish(ctx context.Context, n store.Notice, onlyNew bool) (published bool, err error) {
	key := noticeKey(n.Topic, n.Name)
	if n.Name == "" || strings.ContainsRune(n.Topic, 0) || len(key) > bbolt.MaxKeySize {
		return false, fmt.Errorf("bolt store: notice with a name of %d octets", len(n.Name))
	}
	today := store.DayOf(s.now())
	err = s.update(ctx, "publish", func(tx *bbolt.Tx) error {
		published = false // a transaction may be run again
		b := tx.Bucket(bucketNotices)
		if err := deleteIf(b, func(v []byte) bool {
			_, ok := noticevalue.Parse("", "", v, today)
			return !ok
		}); err != nil {
			return err
		}
		if onlyNew && b.Get(key) != nil {
			return nil
		}
		published = true
		return b.Put(key, noticevalue.Format(n))
	})
	return published && err == nil, err
}

// Notices implements [store.Store].
func (s *Store) Notices(ctx context.Context, topic string, today store.Day) ([]store.Notice, error) {
	var ns []store.Notice
	err := s.view(ctx, "notices", func(tx *bbolt.Tx) error {
		prefix := noticeKey(topic, "")
		c := tx.Bucket(bucketNotices).Cursor()
		for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
			if n, ok := noticevalue.Parse(topic, string(k[len(prefix):]), v, today); ok {
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
	return s.update(ctx, "withdraw", func(tx *bbolt.Tx) error { return tx.Bucket(bucketNotices).Delete(noticeKey(topic, name)) })
}
