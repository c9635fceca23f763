package filter

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// revocationInterval is how often the store is asked what is revoked. Whoever revokes something waits for it.
const revocationInterval = 2 * time.Second

// watchRevocations learns what is revoked until ctx is done.
func (s *Server) watchRevocations(ctx context.Context) {
	tick := time.NewTicker(revocationInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.RefreshRevocations(ctx)
		}
	}
}

// RefreshRevocations asks the store what is revoked, as [Server.Run] does regularly. If it does not answer, what is known stays.
func (s *Server) RefreshRevocations(ctx context.Context) {
	s.learning.Lock() // else the older of two answers might be the last to be stored
	defer s.learning.Unlock()
	ctx, cancel := context.WithTimeout(ctx, backgroundTimeout)
	defer cancel()
	ns, err := s.store.Store().Notices(ctx, RevocationTopic, store.DayOf(s.now()))
	if err != nil {
		return // Guard has logged that the store is unavailable
	}
	before := map[string]string{}
	if known := s.revoked.Load(); known != nil {
		before = known.values
	}
	if unchanged(ns, before) {
		return
	}
	next := NewRevocations(s.hasher, ns, func(name string, err error) {
		s.log.Warn("a revocation cannot be understood and is skipped", "id", name, "error", err)
	})
	s.revoked.Store(next)
	s.log.Info("revocations changed", "active", next.Len(),
		"added", missing(next.values, before), "removed", missing(before, next.values))
}

func unchanged(ns []store.Notice, before map[string]string) bool {
	return len(ns) == len(before) && !slices.ContainsFunc(ns, func(n store.Notice) bool {
		value, known := before[n.Name]
		return !known || value != string(n.Value)
	})
}

// missing returns the names in a that are not in b, or have another value there, in their order.
func missing(a, b map[string]string) []string {
	names := []string{}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if value, ok := b[name]; !ok || value != a[name] {
			names = append(names, name)
		}
	}
	return names
}
