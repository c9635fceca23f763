package redis

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/internal/nodevalue"
)

// Heartbeat implements [store.Store]. It also writes the time into the states of the shards, see keep, and now and then removes heartbeats
// that are older than the retention.
func (s *Store) Heartbeat(ctx context.Context, n store.Node) error {
	if err := ctx.Err(); err != nil {
		return failed("heartbeat", err)
	}
	var err error
	if n.Seen, err = s.serverTime(ctx); err != nil {
		return failed("heartbeat", err)
	}
	if !n.ConditionHolds() {
		return nil
	}
	value, err := nodevalue.Format(n)
	if err != nil {
		return failed("heartbeat", err)
	}
	if _, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		c.HSet(ctx, s.layout.nodes(), n.Name, s.sign(s.layout.nodes(), n.Name, string(value)))
		c.ExpireAt(ctx, s.layout.nodes(), n.Seen.Add(store.NodeRetention))
		return nil
	}); err != nil {
		return failed("heartbeat", err)
	}
	if err := s.keep(ctx, n.Seen); err != nil {
		return failed("heartbeat", err)
	}
	s.removeOld(ctx, n.Seen)
	return nil
}

// serverTime asks the server for the time. If the user may not ask for it, it is the node's own, which shows no skew.
func (s *Store) serverTime(ctx context.Context) (time.Time, error) {
	now, err := s.client.Time(ctx).Result()
	if isReply(err) {
		return time.Now(), nil
	}
	return now, err
}

// leftFor is how long the mark of a node stays that has left. A process that has not asked for longer takes it for silent.
const leftFor = 24 * time.Hour

// tidyInterval is how often a node removes heartbeats that are older than the retention.
const tidyInterval = time.Hour

// removeOld removes heartbeats that are older than the retention at the time now, on the server's clock. Readers leave them out, so that
// it does not matter if this fails.
func (s *Store) removeOld(ctx context.Context, now time.Time) {
	last := s.tidied.Load()
	if now.Unix()-last < int64(tidyInterval/time.Second) || !s.tidied.CompareAndSwap(last, now.Unix()) {
		return
	}
	all, err := s.entries(ctx, s.layout.nodes(), maxNodes)
	if err != nil {
		return
	}
	var old []string
	for name, stored := range all {
		value, signed := s.verify(s.layout.nodes(), name, stored)
		at, left := nodevalue.ParseLeft(value)
		if _, ok := nodevalue.Parse(name, value, now); signed && (!left && !ok || left && now.Sub(at) > leftFor) {
			old = append(old, name)
		}
	}
	if len(old) > 0 {
		_ = s.client.HDel(ctx, s.layout.nodes(), old...).Err()
	}
}

// Nodes implements [store.Store]. It leaves out what was not written under this hash secret, and remembers what it has seen, see nodeMemory.
func (s *Store) Nodes(ctx context.Context) ([]store.Node, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed("nodes", err)
	}
	fields, err := s.entries(ctx, s.layout.nodes(), maxNodes)
	if err != nil {
		return nil, failed("nodes", err)
	}
	now := time.Now()
	var nodes []store.Node
	left := map[string]time.Time{}
	for name, stored := range fields {
		value, signed := s.verify(s.layout.nodes(), name, stored)
		if !signed {
			s.doubts.heartbeats.Add(1)
			continue
		}
		if at, ok := nodevalue.ParseLeft(value); ok {
			left[name] = at
		} else if n, ok := nodevalue.Parse(name, value, now); ok {
			nodes = append(nodes, n)
		}
	}
	return s.nodes.complete(nodes, left, now), nil
}

// RemoveNode implements [store.Store]. It leaves a mark for [leftFor], for processes that have seen the node.
func (s *Store) RemoveNode(ctx context.Context, node string) error {
	if err := ctx.Err(); err != nil {
		return failed("remove node", err)
	}
	now, err := s.serverTime(ctx)
	if err != nil {
		return failed("remove node", err)
	}
	value, err := nodevalue.FormatLeft(now)
	if err != nil {
		return failed("remove node", err)
	}
	if err := s.client.HSet(ctx, s.layout.nodes(), node, s.sign(s.layout.nodes(), node, string(value))).Err(); err != nil {
		return failed("remove node", err)
	}
	return nil
}
