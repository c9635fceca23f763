package redis

import (
	"sync/atomic"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// Who can write to the server and lacks the hash secret must not be able to make the daemons refuse genuine mail. So the values whose
// content could do that are signed under the hash secret for their place, the name of the hash and that of the field: heartbeats,
// broadcasts, first-signed days, the start of the record, the process noted beside it. What is not signed, as good as is not there: it
// is counted in [store.Doubts].
//
// Not signed is what can only be moved to the safe side, or shows nothing but presence: the field of a gap makes less of the record
// count; the name of a layer makes one more place be asked; the key of a record is a keyed hash already.

// sign returns the stored form of a value.
func (s *Store) sign(name, field, value string) string { return s.hasher.Sign(value, name, field) }

// verify returns the value of a stored form.
func (s *Store) verify(name, field, stored string) (value string, ok bool) {
	return s.hasher.Verify(stored, name, field)
}

// verifier is verify for the fields of one hash.
func (s *Store) verifier(name string) func(field, stored string) (value string, ok bool) {
	return func(field, stored string) (string, bool) { return s.verify(name, field, stored) }
}

// doubts counts what was not believed.
type doubts struct {
	broadcasts, heartbeats, firstSigned, starts, counters, crowded, missing atomic.Uint64
}

// Doubts implements [store.Doubter].
func (s *Store) Doubts() store.Doubts {
	d := &s.doubts
	return store.Doubts{Broadcasts: d.broadcasts.Load(), Heartbeats: d.heartbeats.Load(), FirstSigned: d.firstSigned.Load(),
		Starts: d.starts.Load(), Counters: d.counters.Load(), Crowded: d.crowded.Load(), Missing: d.missing.Load()}
}

// signedStart is the stored form of a shard's start.
func (s *Store) signedStart(shard int, at time.Time) string {
	return s.sign(s.layout.state(shard), fieldStart, formatTime(at))
}

// readState reads the state of a shard.
func (s *Store) readState(shard int, fields map[string]string) (shardState, error) {
	m, err := parseState(fields, s.verifier(s.layout.state(shard)))
	if err != nil {
		return m, err
	}
	s.doubts.starts.Add(uint64(m.doubtful))
	return m, nil
}
