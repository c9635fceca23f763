package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
)

// FirstSigned implements [store.Store]. It also removes domains that have signed nothing for [store.CounterRetention] days, and examines the
// shards, so that a server without mail is examined as well.
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

// parseDomains reads the fields of the hash domains: the first days, and the fields of domains whose last record is
// older than oldest.
func parseDomains(fields map[string]string, oldest store.Day) (first map[string]store.Day, gone []string, err error) {
	first = make(map[string]store.Day)
	for name, value := range fields {
		domain, ok := strings.CutPrefix(name, fieldFirst)
		if !ok {
			continue
		}
		f, err := strconv.ParseInt(value, 10, 32)
		if err != nil {
			return nil, nil, fmt.Errorf("first day of %q: %w", domain, err)
		}
		last, ok := fields[fieldLast+domain]
		if !ok { // its first record is being made at this moment
			last = value
		}
		l, err := strconv.ParseInt(last, 10, 32)
		if err != nil {
			return nil, nil, fmt.Errorf("last day of %q: %w", domain, err)
		}
		if store.Day(l) < oldest {
			gone = append(gone, name, fieldLast+domain)
			continue
		}
		first[domain] = store.Day(f)
	}
	return first, gone, nil
}
