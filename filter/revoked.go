package filter

import (
	"bytes"
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
	ns, err := s.store.Store().Broadcasts(ctx, RevocationTopic, store.DayOf(s.now()))
	if err != nil {
		return // Guard has logged that the store is unavailable
	}
	before := map[string]store.Broadcast{}
	if known := s.revoked.Load(); known != nil {
		before = known.notices
	}
	if unchanged(ns, before) {
		return
	}
	if ns, err = s.restoreRevocations(ctx, ns, before); err != nil || unchanged(ns, before) {
		return
	}
	next := NewRevocations(s.hasher, ns, func(name string, err error) {
		s.log.Warn("a revocation cannot be understood and is skipped", "id", name, "error", err)
	})
	s.revoked.Store(next)
	s.log.Info("revocations changed", "active", next.Len(),
		"added", missing(next.notices, before), "removed", missing(before, next.notices))
}

// restoreRevocations writes those again that the store has lost, because it was wiped, restarted or replaced: they are gone, and nobody
// has taken them back. It returns what is revoked then.
func (s *Server) restoreRevocations(ctx context.Context, ns []store.Broadcast, before map[string]store.Broadcast) ([]store.Broadcast, error) {
	today := store.DayOf(s.now())
	lost := maps.Clone(before)
	for _, n := range ns {
		delete(lost, n.Name)
	}
	maps.DeleteFunc(lost, func(_ string, n store.Broadcast) bool { return n.Expires < today })
	if len(lost) == 0 {
		return ns, nil
	}
	st := s.store.Store()
	taken, err := st.Broadcasts(ctx, TakenBackTopic, today)
	if err != nil {
		return nil, err
	}
	for _, n := range taken {
		delete(lost, n.Name)
	}
	if len(lost) == 0 {
		return ns, nil
	}
	names := slices.Sorted(maps.Keys(lost))
	for _, name := range names {
		if _, err := st.Publish(ctx, lost[name], true); err != nil {
			return nil, err // again at the next round
		}
	}
	s.log.Warn("the store has lost revocations: they are written to it again", "ids", names)
	return st.Broadcasts(ctx, RevocationTopic, today)
}

func unchanged(ns []store.Broadcast, before map[string]store.Broadcast) bool {
	return len(ns) == len(before) && !slices.ContainsFunc(ns, func(n store.Broadcast) bool {
		known, ok := before[n.Name]
		return !ok || !bytes.Equal(known.Value, n.Value)
	})
}

// missing returns the names in a that are not in b, or have another value there, in their order.
func missing(a, b map[string]store.Broadcast) []string {
	names := []string{}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if n, ok := b[name]; !ok || !bytes.Equal(n.Value, a[name].Value) {
			names = append(names, name)
		}
	}
	return names
}
