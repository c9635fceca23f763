package bolt

import (
	"context"

	"github.com/bouncefilter/bouncefilter/store"
)

// Nodes are those of this process: nobody else has the file. They are not in it, so that saying every few seconds that it runs costs a
// daemon no write.

// Heartbeat implements [store.Store].
func (s *Store) Heartbeat(ctx context.Context, n store.Node) error { return s.nodes.Heartbeat(ctx, n) }

// Nodes implements [store.Store].
func (s *Store) Nodes(ctx context.Context) ([]store.Node, error) { return s.nodes.Nodes(ctx) }

// RemoveNode implements [store.Store].
func (s *Store) RemoveNode(ctx context.Context, node string) error {
	return s.nodes.RemoveNode(ctx, node)
}
