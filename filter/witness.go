package filter

import (
	"context"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// witnessDays is for how many days a witness is found. A store that nobody used for longer begins its record anew, which
// costs a period of grace and no bounce.
const witnessDays = 30

// anchor is the key of a record that all daemons make, whatever their hash secret: whoever finds it, and not the witness
// of its own secret, shares the store with daemons that have another one.
func anchor() store.Key { return store.Key([]byte("bouncefilter use")) }

// checkWitness makes sure, once a day, that the store is written under one hash secret, and that it is ours. Under another
// one, on a host to which the secret was not copied or after its file was lost, no tag of the other hosts or of the time
// before is found, and a record that claims to be complete would turn genuine bounces away. Until the check has succeeded
// the record vouches for nothing here, and neither does it before it is known since when domains have been signing. The other hosts learn from the start of its memory that some is missing.
func (s *Server) checkWitness(ctx context.Context) {
	now := s.now()
	today := store.DayOf(now)
	if s.summary.witness == today {
		return
	}
	if !s.summary.learned {
		if s.refreshSigning(ctx); !s.summary.learned {
			return
		}
	}
	witness := s.hasher.KeyCheck()
	a, err := s.store.Lookup(ctx, today, store.AnyDay(anchor(), witness))
	if err != nil {
		return
	}
	used, ours := a.Found[0], a.Found[1]
	if used && !ours {
		s.witnessed.Store(false)
		// What is signed here is on record under keys that the other hosts do not find, and until tomorrow's check it will be.
		if err := s.store.Store().MarkIncomplete(ctx, (today + 1).Time()); err != nil {
			return
		}
		s.summary.witness = today
		s.log.Error("the hash secret is not the one that this store was written with: the record of signed mail cannot be used; give all hosts the same secret")
		return
	}
	if !used && !a.Complete.Since.IsZero() {
		if err := s.store.Store().MarkIncomplete(ctx, now.Add(time.Minute)); err != nil {
			return
		}
	}
	for _, key := range []store.Key{witness, anchor()} { // the anchor last: a witness alone is no foreign store
		if s.store.Record(ctx, today, "", store.Record{Key: key, Expires: today + witnessDays}) != nil {
			return
		}
	}
	s.summary.witness = today
	s.witnessed.Store(true)
}

// reliable is the record as far as it can be relied upon.
type reliable struct{ *Server }

// Lookup asks the store.
func (r reliable) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	a, err := r.store.Lookup(ctx, today, qs)
	if !r.witnessed.Load() {
		a.Complete = store.Completeness{}
	}
	return a, err
}
