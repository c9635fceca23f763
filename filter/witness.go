package filter

import (
	"context"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// witnessDays is for how many days a witness is found. A daemon that was away for longer takes the record for somebody
// else's, which costs a period of grace and no bounce.
const witnessDays = 60

// checkWitness makes sure, once a day, that the store was written under the hash secret in use. Under another one, after
// the secret's file was lost or replaced, no tag issued before would be found, and a record that claims to be complete
// would turn genuine bounces away. Until the check has succeeded the record vouches for nothing.
func (s *Server) checkWitness(ctx context.Context) {
	now := s.now()
	today := store.DayOf(now)
	if s.witnessed.Load() && s.summary.witness == today {
		return
	}
	key := s.hasher.Witness()
	a, err := s.store.Lookup(ctx, today, store.AnyDay(key))
	if err != nil {
		return
	}
	if !a.Found[0] && !a.Memory.Since.IsZero() {
		s.log.Warn("the store was written with another hash secret, or by nobody for long: starting its record anew", "since", a.Memory.Since)
		if err := s.store.Store().Forget(ctx, now.Add(time.Minute)); err != nil {
			return
		}
	}
	if s.store.Record(ctx, today, store.Record{Key: key, Expires: today + witnessDays}) != nil {
		return
	}
	s.summary.witness = today
	s.witnessed.Store(true)
}

// memory is how far back the record can be relied upon.
func (s *Server) memory(m store.Memory) store.Memory {
	if !s.witnessed.Load() {
		return store.Memory{}
	}
	return m
}
