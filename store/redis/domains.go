package redis

import (
	"context"
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
		return nil, failed("first-signed days", s.crowded(err))
	}
	all := make(map[string]store.Day)
	for i, reply := range replies {
		hash := s.layout.domains(i)
		first, gone, doubtful := parseDomains(reply.Val(), store.DayOf(time.Now())-store.CounterRetention, s.verifier(hash))
		s.doubts.firstSigned.Add(uint64(doubtful))
		if len(gone) > 0 {
			if err := s.client.HDel(ctx, hash, gone...).Err(); err != nil {
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
// older than oldest. It leaves out what verify does not, and says how many.
func parseDomains(fields map[string]string, oldest store.Day, verify func(field, stored string) (string, bool)) (first map[string]store.Day, gone []string, doubtful int) {
	first = make(map[string]store.Day)
	for name, stored := range fields {
		domain, ok := strings.CutPrefix(name, fieldFirst)
		if !ok {
			continue
		}
		value, ok := verify(name, stored)
		f, err := strconv.ParseInt(value, 10, 32)
		if !ok || err != nil {
			doubtful++
			continue
		}
		// Without a last day its first record is being made at this moment. A last day that is none is replaced by its next record.
		if l, err := strconv.ParseInt(fields[fieldLast+domain], 10, 32); err == nil && store.Day(l) < oldest {
			gone = append(gone, name, fieldLast+domain)
			continue
		}
		first[domain] = store.Day(f)
	}
	return first, gone, doubtful
}
