package guard

import (
	"sync"

	"github.com/bouncefilter/bouncefilter/store"
)

const (
	// recordedShards is into how many parts the cache is divided, so that callers seldom wait for each other. A power of two.
	recordedShards = 16

	// maxRecorded is how many keys the cache holds. At about 40 octets each it stays below 6 MB. A site with more
	// correspondents a day writes some of them again.
	maxRecorded = 1 << 17
)

// recorded is a cache of the keys that were written today. It spares the store writes that change nothing: a sender writes to the
// same domains all day. A missing key costs one such write, so the cache may drop any key. The zero value is empty.
type recorded struct {
	shards [recordedShards]recordedShard
}

type recordedShard struct {
	mu   sync.Mutex
	day  store.Day
	keys map[store.Key]store.Day // with the last day of their records
	_    [40]byte                // a cache line of its own
}

// without returns the records of rs that have to be written on the day today: those that count, and those that were
// not written on that day with this last day or a later one. It does not change rs.
func (c *recorded) without(today store.Day, rs []store.Record) []store.Record {
	known := false
	var rest []store.Record
	for i, r := range rs {
		switch {
		case c.has(today, r):
			if !known {
				known, rest = true, rs[:i:i] // appending to it copies
			}
		case known:
			rest = append(rest, r)
		}
	}
	if !known {
		return rs
	}
	return rest
}

func (c *recorded) has(today store.Day, r store.Record) bool {
	if r.Count > 0 {
		return false
	}
	s := c.shard(r.Key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.day != today {
		return false
	}
	expires, ok := s.keys[r.Key]
	return ok && expires >= r.Expires
}

// add adds the keys of rs, which were written on the day today. It drops the keys of earlier days.
func (c *recorded) add(today store.Day, rs []store.Record) {
	for _, r := range rs {
		if r.Count == 0 {
			c.addOne(today, r)
		}
	}
}

func (c *recorded) addOne(today store.Day, r store.Record) {
	s := c.shard(r.Key)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case today < s.day: // a call that began before midnight
		return
	case today > s.day || s.keys == nil || len(s.keys) >= maxRecorded/recordedShards:
		s.day = today
		s.keys = make(map[store.Key]store.Day)
	}
	s.keys[r.Key] = max(s.keys[r.Key], r.Expires)
}

// forget drops all keys.
func (c *recorded) forget() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.keys = nil
		s.mu.Unlock()
	}
}

func (c *recorded) shard(k store.Key) *recordedShard {
	return &c.shards[k[store.KeySize-1]%recordedShards]
}
