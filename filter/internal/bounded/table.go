// Package bounded counts things of which outsiders can make up any number, in bounded memory.
package bounded

import (
	"container/list"
	"iter"
	"time"
)

// Table counts sightings by key. It holds a number of keys; a new one takes the place of one that was seen seldom and not lately, so that
// what is made up and seen once does not push out what is seen again and again. It is not safe for concurrent use.
type Table[K comparable, V any] struct {
	most  int
	keep  time.Duration
	known map[K]*list.Element
	order *list.List // of *Entry[K, V], the one that was seen last in front
}

// Entry is a key with what was seen of it. The Value belongs to the caller.
type Entry[K comparable, V any] struct {
	Key   K
	Count uint64    // sightings
	Since time.Time // of the first
	Seen  time.Time // the last
	Value V
}

// New makes a table of so many keys, each of which is forgotten when it was not seen for so long.
func New[K comparable, V any](most int, keep time.Duration) *Table[K, V] {
	return &Table[K, V]{most, keep, map[K]*list.Element{}, list.New()}
}

// See counts a sighting. The entry may be changed until the next call.
func (t *Table[K, V]) See(key K, now time.Time) *Entry[K, V] {
	e := t.known[key]
	if e == nil {
		if t.order.Len() >= t.most {
			t.forgetOne(now)
		}
		e = t.order.PushFront(&Entry[K, V]{Key: key, Since: now})
		t.known[key] = e
	}
	t.order.MoveToFront(e)
	seen := e.Value.(*Entry[K, V])
	if t.forgotten(seen, now) {
		*seen = Entry[K, V]{Key: key, Since: now}
	}
	seen.Count++
	seen.Seen = now
	return seen
}

// candidates is how many of the entries that were not seen for longest are looked at for one to forget: what a new key costs.
const candidates = 64

// forgetOne makes room for another key.
func (t *Table[K, V]) forgetOne(now time.Time) {
	least := t.order.Back()
	for e, n := least, 0; e != nil && n < candidates && !t.forgotten(least.Value.(*Entry[K, V]), now); e, n = e.Prev(), n+1 {
		if e.Value.(*Entry[K, V]).Count < least.Value.(*Entry[K, V]).Count {
			least = e
		}
	}
	delete(t.known, least.Value.(*Entry[K, V]).Key)
	t.order.Remove(least)
}

func (t *Table[K, V]) forgotten(e *Entry[K, V], now time.Time) bool {
	return e.Count > 0 && now.Sub(e.Seen) > t.keep
}

// Latest returns the entries that are not forgotten, the one that was seen last first.
func (t *Table[K, V]) Latest(now time.Time) iter.Seq[*Entry[K, V]] {
	return func(yield func(*Entry[K, V]) bool) {
		for e := t.order.Front(); e != nil; e = e.Next() {
			if seen := e.Value.(*Entry[K, V]); !t.forgotten(seen, now) && !yield(seen) {
				return
			}
		}
	}
}

// Holds says whether a key is held, forgotten or not.
func (t *Table[K, V]) Holds(key K) bool { return t.known[key] != nil }

// Len returns how many keys are held, forgotten or not.
func (t *Table[K, V]) Len() int { return t.order.Len() }
