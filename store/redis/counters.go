package redis

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/internal/counterkey"
)

// FirstSigned implements [store.Store]. It also removes the domains whose time is over, and examines the server: one that is
// asked nothing else is looked at then.
func (s *Store) FirstSigned(ctx context.Context) (map[string]store.Day, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed("first-signed days", err)
	}
	if err := s.examine(ctx); err != nil {
		return nil, failed("first-signed days", err)
	}
	replies := make([]*redis.MapStringStringCmd, len(s.shards))
	if _, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		for i := range s.shards {
			replies[i] = c.HGetAll(ctx, s.layout.domains(i))
		}
		return nil
	}); err != nil {
		return nil, failed("first-signed days", err)
	}
	all := make(map[string]store.Day)
	for i, reply := range replies {
		first, gone, err := parseDomains(reply.Val(), store.DayOf(time.Now())-store.CounterRetention)
		if err != nil {
			return nil, failed("first-signed days", err)
		}
		if len(gone) > 0 {
			if err := s.client.HDel(ctx, s.layout.domains(i), gone...).Err(); err != nil {
				return nil, failed("first-signed days", err)
			}
		}
		for domain, day := range first {
			if d, known := all[domain]; !known || day < d {
				all[domain] = day
			}
		}
	}
	return all, nil
}

// Count implements [store.Store].
func (s *Store) Count(ctx context.Context, cs []store.Counter) error {
	if err := ctx.Err(); err != nil {
		return failed("count", err)
	}
	if len(cs) == 0 {
		return nil
	}
	_, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		expires := make(map[store.Day]struct{})
		for _, n := range cs {
			c.HIncrBy(ctx, s.layout.counters(n.Day), counterkey.Format(n), n.Count)
			expires[n.Day] = struct{}{}
		}
		for day := range expires {
			c.ExpireAt(ctx, s.layout.counters(day), (day + store.CounterRetention + 1).Time())
		}
		return nil
	})
	if err != nil {
		return failed("count", err)
	}
	return nil
}

// Counters implements [store.Store].
func (s *Store) Counters(ctx context.Context, from, to store.Day) ([]store.Counter, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed("counters", err)
	}
	// Nothing is older than the retention, and no node's clock is a day ahead.
	today := store.DayOf(time.Now())
	from, to = max(from, today-store.CounterRetention), min(to, today+1)
	var days []*redis.MapStringStringCmd
	if from > to {
		return nil, nil
	}
	if _, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		for d := from; d <= to; d++ {
			days = append(days, c.HGetAll(ctx, s.layout.counters(d)))
		}
		return nil
	}); err != nil {
		return nil, failed("counters", err)
	}
	var cs []store.Counter
	for i, day := range days {
		var err error
		if cs, err = appendCounters(cs, from+store.Day(i), day.Val()); err != nil {
			return nil, failed("counters", err)
		}
	}
	return cs, nil
}
