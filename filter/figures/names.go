package figures

import (
	"time"

	"github.com/bouncefilter/bouncefilter/filter/internal/bounded"
	"github.com/bouncefilter/bouncefilter/store"
)

// Bounds of what outsiders can make up. Of a topic with a Name a node counts at most maxNames keys a day on their own; all others count as
// [Other]. So a node stores at most 6 × 384 = 2304 of them a day, and 921,600 in [store.CounterRetention] days, if an attacker fills them on
// each day: 280 MB in the embedded store. The keys of Other and of the other topics are as many as our domains have reasons, actions,
// causes, kinds and signs.
const (
	// maxNames is how many keys of a topic are counted on their own in a day.
	maxNames = 24 * maxNew
	// maxNew is how many of them an hour may begin, those apart that the day before had.
	maxNew = 16
	// atOnce is how many of these are counted on their own when they are seen first. The others are once they were seen repeats times.
	atOnce  = 4
	repeats = 3
	// mostAtOnce is atOnce of sightings: a route is one that is used on several days, and each day is a key of its own.
	mostAtOnce = 12
	// maxWatched is how many keys of a topic are watched for repetition, and watched is for how long.
	maxWatched = 1024
	watched    = 48 * time.Hour
	// someOf is of how many new keys one is watched once maxWatched are.
	someOf = 8
)

// names chooses the keys of one topic that are counted on their own. What comes again and again is chosen before what comes once, so that
// names that are made up do not push out others.
type names struct {
	day     store.Day
	hour    store.Hour
	today   map[string]struct{} // packed
	before  map[string]struct{} // of the day before
	fresh   int                 // that this hour has begun
	watched *bounded.Table[string, struct{}]
	strange int // keys that were seen while as many as may be were watched
	atOnce  int // how many new ones an hour are counted when they are seen first
}

func newNames(atOnce int) *names {
	return &names{atOnce: atOnce, today: map[string]struct{}{}, watched: bounded.New[string, struct{}](maxWatched, watched)}
}

// choose says whether a packed key is counted on its own. An observation that is late by less than a day belongs to the day before it.
func (c *names) choose(k []byte, at time.Time) bool {
	c.turn(store.HourOf(at))
	if _, chosen := c.today[string(k)]; chosen {
		return true
	}
	if len(c.today) >= maxNames {
		return false
	}
	if _, again := c.before[string(k)]; !again {
		if c.fresh >= maxNew || c.seen(k, at) < repeats && c.fresh >= c.atOnce {
			return false
		}
		c.fresh++
	}
	c.today[string(k)] = struct{}{}
	return true
}

// seen returns how often a key was seen, as far as it is watched. In a flood only some of the new keys are, which saves time: what comes
// again and again is soon among them.
func (c *names) seen(k []byte, at time.Time) uint64 {
	if c.watched.Len() >= maxWatched && !c.watched.Holds(string(k)) {
		if c.strange++; c.strange%someOf != 0 {
			return 1
		}
	}
	return c.watched.See(string(k), at).Count
}

// turn begins a new hour and a new day. A clock that was ahead for more than a day is followed back.
func (c *names) turn(hour store.Hour) {
	if day := hour.Day(); day > c.day || day < c.day-1 {
		if day != c.day+1 {
			c.today = nil
		}
		c.day, c.before, c.today = day, c.today, map[string]struct{}{}
	}
	if hour > c.hour || hour < c.hour-24 {
		c.hour, c.fresh = hour, 0
	}
}

// restore takes a packed key that this node has counted on a day before it was started.
func (c *names) restore(k []byte, day store.Day, today store.Day) {
	c.turn(today.FirstHour())
	if day == today-1 {
		if c.before == nil {
			c.before = map[string]struct{}{}
		}
		c.before[string(k)] = struct{}{}
	} else if day == today && len(c.today) < maxNames {
		c.today[string(k)] = struct{}{}
	}
}

// named says whether outsiders can make up the names of a topic.
func (t Topic) named() bool {
	switch t {
	case Sources, Reporters, Routes, Sightings, Sent, Failures:
		return true
	}
	return false
}

// atOnce returns how many new keys of a topic an hour are counted on their own when they are seen first.
func (t Topic) atOnce() int {
	if t == Sightings {
		return mostAtOnce
	}
	return atOnce
}

// other returns the key under which a key is counted that is not counted on its own.
func (k *Key) other() Key {
	o := *k
	o.Name = Other
	if len(o.Status) > 1 {
		o.Status = o.Status[:1] // the class
	}
	return o
}
