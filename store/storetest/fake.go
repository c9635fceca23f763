package storetest

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// Fake is a store that answers what a test sets, and takes everything. Its fields must not change while it is asked, except Beating.
// What it has no field for panics.
type Fake struct {
	store.Store
	Answer store.Answer         // of every Lookup
	First  map[string]store.Day // of FirstSigned
	Known  []store.Node         // of Nodes
	Shared []store.Broadcast    // of Broadcasts
	Err    error                // of every call
	Panics bool                 // Lookup does

	Beating    atomic.Bool // all nodes send a heartbeat before each answer of Nodes
	Incomplete store.Gap   // the last mark

	beat atomic.Int64
}

// NothingFound returns an answer to up to 99 queries by a record that is complete since a time and holds none of what is asked for.
func NothingFound(since time.Time) store.Answer {
	return store.Answer{Found: make([]bool, 99), Counts: make([]uint32, 99), Complete: store.Completeness{Since: since}}
}

// Record implements [store.Records].
func (s *Fake) Record(context.Context, store.Day, string, ...store.Record) error { return s.Err }

// Lookup implements [store.Records].
func (s *Fake) Lookup(context.Context, store.Day, []store.Query) (store.Answer, error) {
	if s.Panics {
		panic("store bug")
	}
	return s.Answer, s.Err
}

// MarkIncomplete implements [store.Records].
func (s *Fake) MarkIncomplete(_ context.Context, g store.Gap) error {
	if s.Err == nil {
		s.Incomplete = g
	}
	return s.Err
}

// FirstSigned implements [store.Records].
func (s *Fake) FirstSigned(context.Context) (map[string]store.Day, error) {
	return maps.Clone(s.First), s.Err
}

// Count implements [store.Counters].
func (s *Fake) Count(context.Context, []store.Counter) error { return s.Err }

// Counters implements [store.Counters]. It has none.
func (s *Fake) Counters(context.Context, store.Resolution, store.Hour, store.Hour) ([]store.Counter, error) {
	return nil, s.Err
}

// Note implements [store.Notes].
func (s *Fake) Note(context.Context, []store.Note) error { return s.Err }

// Notes implements [store.Notes]. It has none.
func (s *Fake) Notes(context.Context) ([]store.Note, error) { return nil, s.Err }

// Nodes implements [store.Nodes].
func (s *Fake) Nodes(context.Context) ([]store.Node, error) {
	ns := slices.Clone(s.Known)
	if s.Beating.Load() {
		beat := time.Duration(s.beat.Add(int64(store.HeartbeatInterval)))
		for i := range ns {
			ns[i].Seen = ns[i].Seen.Add(beat)
		}
	}
	return ns, s.Err
}

// Broadcasts implements [store.Broadcasts].
func (s *Fake) Broadcasts(context.Context, string, store.Day) ([]store.Broadcast, error) {
	return s.Shared, s.Err
}

// Ping implements [store.Store].
func (s *Fake) Ping(context.Context) error { return s.Err }

// Close implements [store.Store].
func (s *Fake) Close() error { return nil }
