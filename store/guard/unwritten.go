package guard

import "slices"

// unwritten is what waits in memory for a disk that does not answer.
type unwritten struct {
	flight, next *commit
	frames       []byte // of both
	nextSize     int
}

// unwritten returns what waits in memory for a disk that does not answer. ok is false if nothing does, or if the disk answers.
func (j *journal) unwritten() (u unwritten, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.late {
		return unwritten{}, false
	}
	if j.flight.waits() {
		u.flight, u.frames = j.flight, slices.Clone(j.flight.frames)
	}
	if j.next.waits() {
		u.next, u.nextSize = j.next, len(j.next.frames)
		u.frames = append(u.frames, j.next.frames...)
	}
	return u, len(u.frames) > 0
}

// tookUnwritten is called when the store has taken u. What has been added meanwhile goes on waiting, with what was there before.
func (j *journal) tookUnwritten(u unwritten) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if u.flight != nil {
		u.flight.taken = true
	}
	if c := u.next; c != nil && c == j.next && len(c.frames) == u.nextSize {
		j.uncount(c.entries, int64(len(c.frames)))
		c.frames, c.entries, c.records = nil, 0, 0
	}
}
