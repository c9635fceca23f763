package bolt

import (
	"context"

	"github.com/bouncefilter/bouncefilter/store"
)

// Nodes are those of this process: nobody else has the file. They are not in it, so that saying every few seconds that it runs costs a
// daemon no write.

// Announce implements [store.Store].
func (s *Store) Announce(ctx context.Context, n store.Node) error { return s.nodes.Announce(ctx, n) }

// Nodes implements [store.Store].
func (s *Store) Nodes(ctx context.Context) ([]store.Node, error) { return s.nodes.Nodes(ctx) }

// Dismiss implements [store.Store].
func (s *Store) Dismiss(ctx context.Context, node string) error { return s.nodes.Dismiss(ctx, node) }
