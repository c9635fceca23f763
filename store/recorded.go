package store

import "sync"

// The cache of keys that were written today. It exists to spare the store a write per message: all messages of one
// sender on one day carry the same tag. Missing an entry costs a write that changes nothing, so the cache may drop
// whatever it likes.
const (
	// recordedShards keeps callers out of each other's way. A power of two.
	recordedShards = 16

	// maxRecorded is how many keys the cache holds. At about 40 octets each it stays below 6 MB; a site with more
	// active senders a day writes some of their tags again.
	maxRecorded = 1 << 17
)

// recorded is the cache. The zero value is empty.
type recorded struct {
	shards [recordedShards]recordedShard
}

type recordedShard struct {
	mu   sync.Mutex
	day  Day
	keys map[Key]Day // until when they were recorded
	_    [40]byte    // a cache line of its own
}

// has says whether r has been written on the day today, to expire no earlier than it has to now.
func (c *recorded) has(today Day, r Record) bool {
	s := c.shard(r.Key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.day != today {
		return false
	}
	expires, ok := s.keys[r.Key]
	return ok && expires >= r.Expires
}

// add notes that r was written on the day today. It drops what was written on an earlier day.
func (c *recorded) add(today Day, r Record) {
	s := c.shard(r.Key)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case today < s.day: // A call that began before midnight: not worth an entry.
		return
	case today > s.day || s.keys == nil || len(s.keys) >= maxRecorded/recordedShards:
		s.day = today
		s.keys = make(map[Key]Day)
	}
	s.keys[r.Key] = max(s.keys[r.Key], r.Expires)
}

func (c *recorded) shard(k Key) *recordedShard {
	return &c.shards[k[KeySize-1]%recordedShards]
}
