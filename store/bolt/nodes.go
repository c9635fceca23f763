package bolt

import (
	"context"

	"github.com/bouncefilter/bouncefilter/store"
)

// Heartbeats stay in memory, so that a heartbeat costs no write to the disk: no other process can have the file open.

// Heartbeat implements [store.Store].
func (s *Store) Heartbeat(ctx context.Context, n store.Node) error { return s.nodes.Heartbeat(ctx, n) }

// Nodes implements [store.Store].
func (s *Store) Nodes(ctx context.Context) ([]store.Node, error) { return s.nodes.Nodes(ctx) }

// RemoveNode implements [store.Store].
func (s *Store) RemoveNode(ctx context.Context, node string) error {
	return s.nodes.RemoveNode(ctx, node)
}
