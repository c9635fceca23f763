package redis

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/internal/broadcastvalue"
)

// Publish implements [store.Store].
func (s *Store) Publish(ctx context.Context, b store.Broadcast, onlyNew bool) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, failed("publish", err)
	}
	name := s.layout.broadcasts(b.Topic)
	value := s.sign(name, b.Name, string(broadcastvalue.Format(b)))
	if !onlyNew {
		if err := s.client.HSet(ctx, name, b.Name, value).Err(); err != nil {
			return false, failed("publish", err)
		}
		return true, nil
	}
	if err := s.clear(ctx, name, b.Name, store.DayOf(time.Now())); err != nil {
		return false, failed("publish", err)
	}
	published, err := s.client.HSetNX(ctx, name, b.Name, value).Result()
	if err != nil {
		return false, failed("publish", err)
	}
	return published, nil
}

// clear removes what is in the place of a broadcast and has expired, or is none.
func (s *Store) clear(ctx context.Context, hash, name string, today store.Day) error {
	stored, err := s.client.HGet(ctx, hash, name).Result()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if err != nil {
		return err
	}
	if value, ok := s.verify(hash, name, stored); ok {
		if _, ok := broadcastvalue.Parse("", name, []byte(value), today); ok {
			return nil
		}
	}
	return s.client.HDel(ctx, hash, name).Err()
}

// Broadcasts implements [store.Store]. It leaves out what was not written under this hash secret, and removes what has expired by the clock of this host.
func (s *Store) Broadcasts(ctx context.Context, topic string, today store.Day) ([]store.Broadcast, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed("broadcasts", err)
	}
	hash := s.layout.broadcasts(topic)
	fields, err := s.entries(ctx, hash, maxBroadcasts)
	if err != nil {
		return nil, failed("broadcasts", err)
	}
	var bs []store.Broadcast
	var expired []string
	for name, stored := range fields {
		value, ok := s.verify(hash, name, stored)
		if !ok {
			s.doubts.broadcasts.Add(1) // it stays: a daemon with another hash secret by mistake must not remove what the others wrote
			continue
		}
		if b, ok := broadcastvalue.Parse(topic, name, []byte(value), today); ok {
			bs = append(bs, b)
		} else if today <= store.DayOf(time.Now()) {
			expired = append(expired, name)
		}
	}
	if len(expired) > 0 {
		// Readers leave out what has expired. If this fails, the next call removes it.
		_ = s.client.HDel(ctx, hash, expired...).Err()
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
