package redis

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/internal/nodevalue"
)

// Heartbeat implements [store.Store]. What others said longer ago than the retention is removed.
//
// The server is asked for its time. A user without the right to do so gets the node's own instead, which shows no skew.
func (s *Store) Heartbeat(ctx context.Context, n store.Node) error {
	if err := ctx.Err(); err != nil {
		return failed("heartbeat", err)
	}
	var err error
	if n.Seen, err = s.client.Time(ctx).Result(); err != nil {
		var reply redis.Error
		if !errors.As(err, &reply) {
			return failed("heartbeat", err)
		}
		n.Seen = time.Now()
	}
	if !n.ConditionHolds() {
		return nil
	}
	value, err := nodevalue.Format(n)
	if err != nil {
		return failed("heartbeat", err)
	}
	var all *redis.MapStringStringCmd
	if _, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		c.HSet(ctx, s.layout.nodes(), n.Name, value)
		c.ExpireAt(ctx, s.layout.nodes(), n.Seen.Add(store.NodeRetention))
		all = c.HGetAll(ctx, s.layout.nodes())
		return nil
	}); err != nil {
		return failed("heartbeat", err)
	}
	var gone []string
	for name, value := range all.Val() {
		if _, ok := nodevalue.Parse(name, value, n.Seen); !ok {
			gone = append(gone, name)
		}
	}
	if len(gone) > 0 {
		// Tidiness only: readers leave out what is too old.
		_ = s.client.HDel(ctx, s.layout.nodes(), gone...).Err()
	}
	return nil
}

// Nodes implements [store.Store].
func (s *Store) Nodes(ctx context.Context) ([]store.Node, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed("nodes", err)
	}
	fields, err := s.client.HGetAll(ctx, s.layout.nodes()).Result()
	if err != nil {
		return nil, failed("nodes", err)
	}
	now := time.Now()
	var nodes []store.Node
	for name, value := range fields {
		if n, ok := nodevalue.Parse(name, value, now); ok {
			nodes = append(nodes, n)
		}
	}
	return nodes, nil
}

// RemoveNode implements [store.Store].
func (s *Store) RemoveNode(ctx context.Context, node string) error {
	if err := ctx.Err(); err != nil {
		return failed("remove node", err)
	}
	if err := s.client.HDel(ctx, s.layout.nodes(), node).Err(); err != nil {
		return failed("remove node", err)
	}
	return nil
}
