package limit

import (
	"sync"
	"time"
)

// Interval is the least time between two lines about one thing.
const Interval = time.Minute

// Rate bounds how often something is logged that another one can make happen. Its methods may be called from any goroutine.
type Rate struct {
	mu         sync.Mutex
	last       time.Time
	suppressed uint64
}

// Allow says whether a line may be written at a time, one in an Interval, and how many have been suppressed since the last one.
func (r *Rate) Allow(now time.Time) (suppressed uint64, ok bool) { return r.AllowEvery(now, Interval) }

// AllowEvery is Allow with another interval.
func (r *Rate) AllowEvery(now time.Time, interval time.Duration) (suppressed uint64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.last.IsZero() && now.Sub(r.last) < interval {
		r.suppressed++
		return 0, false
	}
	suppressed = r.suppressed
	r.last, r.suppressed = now, 0
	return suppressed, true
}
