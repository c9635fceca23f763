package bolt

import (
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/internal/nodevalue"
)

// Announce implements [store.Store]. What others said longer ago than the retention is removed.
func (s *Store) Announce(ctx context.Context, n store.Node) error {
	if n.Name == "" || len(n.Name) > bbolt.MaxKeySize {
		return fmt.Errorf("bolt store: node with a name of %d octets", len(n.Name))
	}
	n.Seen = s.now()
	if !n.Holds() {
		return nil
	}
	value, err := nodevalue.Format(n)
	if err != nil {
		return fmt.Errorf("bolt store: announce: %w", err)
	}
	return s.update(ctx, "announce", func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketNodes)
		var gone [][]byte
		if err := b.ForEach(func(name, v []byte) error {
			if _, ok := nodevalue.Parse(string(name), string(v), n.Seen); !ok {
				gone = append(gone, name)
			}
			return nil
		}); err != nil {
			return err
		}
		for _, name := range gone {
			if err := b.Delete(name); err != nil {
				return err
			}
		}
		return b.Put([]byte(n.Name), value)
	})
}

// Nodes implements [store.Store].
func (s *Store) Nodes(ctx context.Context) ([]store.Node, error) {
	now := s.now()
	var nodes []store.Node
	err := s.view(ctx, "nodes", func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketNodes).ForEach(func(name, v []byte) error {
			if n, ok := nodevalue.Parse(string(name), string(v), now); ok {
				nodes = append(nodes, n)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return nodes, nil
}

// Dismiss implements [store.Store].
func (s *Store) Dismiss(ctx context.Context, node string) error {
	return s.update(ctx, "dismiss", func(tx *bbolt.Tx) error { return tx.Bucket(bucketNodes).Delete([]byte(node)) })
}
