package redis

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/internal/counterkey"
)

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
	// No counter is older than the retention, and no node's clock is more than a day ahead.
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

// appendCounters reads the fields of one day's counters.
func appendCounters(cs []store.Counter, day store.Day, fields map[string]string) ([]store.Counter, error) {
	for name, value := range fields {
		c, err := counterkey.Parse(name)
		if err != nil {
			return nil, err
		}
		if c.Count, err = strconv.ParseInt(value, 10, 64); err != nil {
			return nil, fmt.Errorf("counter %q: %w", name, err)
		}
		c.Day = day
		cs = append(cs, c)
	}
	return cs, nil
}
