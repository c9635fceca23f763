package redis

import (
	"context"
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

// Counters implements [store.Store]. Counters are not signed, because a server adds them up: others can change what reports say, and no
// verdict. What is none is left out.
func (s *Store) Counters(ctx context.Context, from, to store.Day) ([]store.Counter, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed("counters", err)
	}
	// No counter is older than the retention, and no node's clock is more than a day ahead.
	today := store.DayOf(time.Now())
	from, to = max(from, today-store.CounterRetention), min(to, today+1)
	var cs []store.Counter
	for d := from; d <= to; d++ {
		fields, err := s.entries(ctx, s.layout.counters(d), maxCounters-int64(len(cs)))
		if err != nil {
			return nil, failed("counters", err)
		}
		for name, value := range fields {
			c, err := counterkey.Parse(name)
			if err == nil {
				c.Count, err = strconv.ParseInt(value, 10, 64)
			}
			if err != nil {
				s.doubts.counters.Add(1)
				continue
			}
			c.Day = d
			cs = append(cs, c)
		}
	}
	return cs, nil
}
