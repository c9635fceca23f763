package redis

import (
	"context"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/internal/broadcastvalue"
)

// Publish implements [store.Store].
func (s *Store) Publish(ctx context.Context, n store.Broadcast, onlyNew bool) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, failed("publish", err)
	}
	name, value := s.layout.broadcasts(n.Topic), broadcastvalue.Format(n)
	if !onlyNew {
		if err := s.client.HSet(ctx, name, n.Name, value).Err(); err != nil {
			return false, failed("publish", err)
		}
		return true, nil
	}
	if _, err := s.Broadcasts(ctx, n.Topic, store.DayOf(time.Now())); err != nil { // removes one that is over
		return false, err
	}
	published, err := s.client.HSetNX(ctx, name, n.Name, value).Result()
	if err != nil {
		return false, failed("publish", err)
	}
	return published, nil
}

// Broadcasts implements [store.Store]. It also removes what is over by the clock of this host.
func (s *Store) Broadcasts(ctx context.Context, topic string, today store.Day) ([]store.Broadcast, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed("broadcasts", err)
	}
	fields, err := s.client.HGetAll(ctx, s.layout.broadcasts(topic)).Result()
	if err != nil {
		return nil, failed("broadcasts", err)
	}
	var ns []store.Broadcast
	var over []string
	for name, value := range fields {
		if n, ok := broadcastvalue.Parse(topic, name, []byte(value), today); ok {
			ns = append(ns, n)
		} else if today <= store.DayOf(time.Now()) {
			over = append(over, name)
		}
	}
	if len(over) > 0 {
		// Tidiness only: readers leave out what is over.
		_ = s.client.HDel(ctx, s.layout.broadcasts(topic), over...).Err()
	}
	return ns, nil
}

// Withdraw implements [store.Store].
func (s *Store) Withdraw(ctx context.Context, topic, name string) error {
	if err := ctx.Err(); err != nil {
		return failed("withdraw", err)
	}
	if err := s.client.HDel(ctx, s.layout.broadcasts(topic), name).Err(); err != nil {
		return failed("withdraw", err)
	}
	return nil
}
