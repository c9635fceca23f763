// Package memory is a [store.Store] in the memory of the process, for tests and demonstrations.
//
// [New] returns an empty one. Everything is lost when the process ends, so the record is complete (see [store.Completeness]) only since the
// first record after each start. A daemon that refuses bounces for want of a record needs package bolt or package redis.
package memory

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// Store holds everything in maps. Use [New]; a Store may be used by many goroutines.
type Store struct {
	now func() time.Time

	mu         sync.RWMutex
	start      time.Time // of the first record
	gaps       []store.Gap
	records    map[store.Day]map[store.Key]uint32 // counts by last day
	swept      store.Day                          // the latest day of a Record, on which expired records were dropped
	domains    map[string]signed
	counters   map[counter]int64
	latest     store.Hour // of a Count
	notes      map[place]store.Note
	nodes      map[string]store.Node
	broadcasts map[[2]string]store.Broadcast // by topic and name
}

// signed has the days of a domain's first and last record.
type signed struct{ first, last store.Day }

// counter is a store.Counter without its count, of an hour or a day.
type counter struct {
	by                store.Resolution
	hour              store.Hour
	node, topic, name string
}

// place is where a note is.
type place struct {
	node string
	slot uint16
}

var _ store.Store = (*Store)(nil)

// New returns an empty Store on the system's clock.
func New() *Store { return NewWithClock(time.Now) }

// NewWithClock returns an empty Store with the clock now, which sets [store.Completeness] and the times of heartbeats. Records expire
// by the days that callers pass.
func NewWithClock(now func() time.Time) *Store {
	return &Store{
		now:        now,
		records:    make(map[store.Day]map[store.Key]uint32),
		domains:    make(map[string]signed),
		counters:   make(map[counter]int64),
		notes:      make(map[place]store.Note),
		nodes:      make(map[string]store.Node),
		broadcasts: make(map[[2]string]store.Broadcast),
	}
}

// Record implements [store.Store]. All of rs is recorded or none.
func (s *Store) Record(ctx context.Context, today store.Day, domain string, rs ...store.Record) error {
	if err := check(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.start.IsZero() {
		s.start = s.now()
	}
	s.sweep(today)
	for _, r := range rs {
		if r.Expires < today-expiryMargin {
			continue
		}
		counts := s.records[r.Expires]
		if counts == nil {
			counts = make(map[store.Key]uint32)
			s.records[r.Expires] = counts
		}
		counts[r.Key] = store.AddCounts(counts[r.Key], r.Count)
	}
	if domain != "" {
		c, known := s.domains[domain]
		if !known {
			c = signed{first: today, last: today}
		}
		c.last = max(c.last, today)
		s.domains[domain] = c
	}
	return nil
}

// expiryMargin is for how many days after its last day a record is not dropped, although no Lookup finds it any more. Callers take their
// days from a clock that may be days ahead for a while. A record that was dropped too early would be missing afterwards, while the
// record counts as complete: bounces of genuine mail would look like those of mail that was never sent.
const expiryMargin = 30

// sweep drops what has expired, once a day.
func (s *Store) sweep(today store.Day) {
	if today <= s.swept {
		return
	}
	s.swept = today
	maps.DeleteFunc(s.records, func(d store.Day, _ map[store.Key]uint32) bool {
		return d < today-expiryMargin
	})
	maps.DeleteFunc(s.domains, func(_ string, c signed) bool { return c.last < today-store.CounterRetention })
	s.sweepCounters(today.FirstHour())
}

// sweepCounters drops the counters that are older than their retention at the hour now.
func (s *Store) sweepCounters(now store.Hour) {
	if now <= s.latest {
		return
	}
	s.latest = now
	days, hours := (now.Day() - store.CounterRetention).FirstHour(), now-store.HourRetention
	maps.DeleteFunc(s.counters, func(c counter, _ int64) bool {
		return c.by == store.ByDay && c.hour < days || c.by == store.ByHour && c.hour < hours
	})
}

// Lookup implements [store.Store].
func (s *Store) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	if err := check(ctx); err != nil {
		return store.Answer{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	a := store.Answer{Found: make([]bool, len(qs)), Counts: make([]uint32, len(qs)), Complete: store.Completed(s.start, s.gaps)}
	for day, counts := range s.records {
		if day < today {
			continue
		}
		for i, q := range qs {
			if n, ok := counts[q.Key]; ok && (q.Expires == 0 || q.Expires == day) {
				a.Found[i] = true
				a.Counts[i] = store.AddCounts(a.Counts[i], n)
			}
		}
	}
	return a, nil
}

// MarkIncomplete implements [store.Store].
func (s *Store) MarkIncomplete(ctx context.Context, g store.Gap) error {
	if err := check(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gaps = store.AddGap(s.gaps, g)
	return nil
}

// FirstSigned implements [store.Store].
func (s *Store) FirstSigned(ctx context.Context) (map[string]store.Day, error) {
	if err := check(ctx); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	oldest := s.swept - store.CounterRetention
	first := make(map[string]store.Day, len(s.domains))
	for domain, c := range s.domains {
		if c.last >= oldest {
			first[domain] = c.first
		}
	}
	return first, nil
}

// Count implements [store.Store]. All of cs is counted or none.
func (s *Store) Count(ctx context.Context, cs []store.Counter) error {
	if err := check(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	latest := s.latest
	for _, c := range cs {
		s.counters[counter{store.ByHour, c.Hour, c.Node, c.Topic, c.Name}] += c.Count
		s.counters[counter{store.ByDay, c.Hour.Day().FirstHour(), c.Node, c.Topic, c.Name}] += c.Count
		latest = max(latest, c.Hour)
	}
	s.sweepCounters(latest)
	return nil
}

// Counters implements [store.Store].
func (s *Store) Counters(ctx context.Context, by store.Resolution, from, to store.Hour) ([]store.Counter, error) {
	if err := check(ctx); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var cs []store.Counter
	for c, n := range s.counters {
		if c.by == by && c.hour >= from && c.hour <= to {
			cs = append(cs, store.Counter{Hour: c.hour, Node: c.node, Topic: c.topic, Name: c.name, Count: n})
		}
	}
	return cs, nil
}

// Note implements [store.Store]. All of ns is kept or none.
func (s *Store) Note(ctx context.Context, ns []store.Note) error {
	if err := check(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range ns {
		s.notes[place{n.Node, n.Slot}] = n
	}
	return nil
}

// Notes implements [store.Store].
func (s *Store) Notes(ctx context.Context) ([]store.Note, error) {
	if err := check(ctx); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	oldest := store.DayOf(s.now()) - store.NoteRetention
	var ns []store.Note
	for _, n := range s.notes {
		if n.Day >= oldest {
			ns = append(ns, n)
		}
	}
	return ns, nil
}

// Ping implements [store.Store].
func (s *Store) Ping(ctx context.Context) error { return check(ctx) }

// Close implements [store.Store]. It drops nothing: a closed Store may be inspected.
func (s *Store) Close() error { return nil }

// check returns the error of a call whose context has ended.
func check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memory store: %w: %w", store.ErrUnavailable, err)
	}
	return nil
}
