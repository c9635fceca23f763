package redis

import (
	"context"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/internal/broadcastvalue"
)

// Publish implements [store.Store].
func (s *Store) Publish(ctx context.Context, b store.Broadcast, onlyNew bool) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, failed("publish", err)
	}
	name, value := s.layout.broadcasts(b.Topic), broadcastvalue.Format(b)
	if !onlyNew {
		if err := s.client.HSet(ctx, name, b.Name, value).Err(); err != nil {
			return false, failed("publish", err)
		}
		return true, nil
	}
	if _, err := s.Broadcasts(ctx, b.Topic, store.DayOf(time.Now())); err != nil { // removes an expired one
		return false, err
	}
	published, err := s.client.HSetNX(ctx, name, b.Name, value).Result()
	if err != nil {
		return false, failed("publish", err)
	}
	return published, nil
}

// Broadcasts implements [store.Store]. It also removes what has expired by the clock of this host.
func (s *Store) Broadcasts(ctx context.Context, topic string, today store.Day) ([]store.Broadcast, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed("broadcasts", err)
	}
	fields, err := s.client.HGetAll(ctx, s.layout.broadcasts(topic)).Result()
	if err != nil {
		return nil, failed("broadcasts", err)
	}
	var bs []store.Broadcast
	var expired []string
	for name, value := range fields {
		if b, ok := broadcastvalue.Parse(topic, name, []byte(value), today); ok {
			bs = append(bs, b)
		} else if today <= store.DayOf(time.Now()) {
			expired = append(expired, name)
		}
	}
	if len(expired) > 0 {
		// Readers leave out what has expired. If this fails, the next call removes it.
		_ = s.client.HDel(ctx, s.layout.broadcasts(topic), expired...).Err()
	}
	return bs, nil
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
