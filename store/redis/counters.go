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
		expires := make(map[string]time.Time)
		for _, n := range cs {
			name, day := counterkey.Format(n), n.Hour.Day()
			c.HIncrBy(ctx, s.layout.counters(store.ByDay, n.Hour), name, n.Count)
			c.HIncrBy(ctx, s.layout.counters(store.ByHour, n.Hour), name, n.Count)
			expires[s.layout.counters(store.ByDay, n.Hour)] = (day + store.CounterRetention + 1).Time()
			expires[s.layout.counters(store.ByHour, n.Hour)] = (n.Hour + store.HourRetention + 1).Time()
		}
		for key, at := range expires {
			c.ExpireAt(ctx, key, at)
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
func (s *Store) Counters(ctx context.Context, by store.Resolution, from, to store.Hour) ([]store.Counter, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed("counters", err)
	}
	// No counter is older than the retention, and no node's clock is more than a day ahead.
	now, step := store.HourOf(time.Now()), store.Hour(1)
	oldest := now - store.HourRetention
	if by == store.ByDay {
		step, oldest = 24, (now.Day() - store.CounterRetention).FirstHour()
	}
	from, to = max(from, oldest), min(to, now+24)
	if from%step > 0 { // of days: the first one has begun before
		from += step - from%step
	}
	var cs []store.Counter
	for h := from; h <= to; h += step {
		fields, err := s.entries(ctx, s.layout.counters(by, h), maxCounters-int64(len(cs)))
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
			c.Hour = h
			cs = append(cs, c)
		}
	}
	return cs, nil
}
