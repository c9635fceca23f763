package view

import (
	"sync"
	"time"
)

// repeatInterval is how often the log says that the store holds what it should not: who writes to it could fill the log otherwise.
const repeatInterval = time.Hour

// rate bounds how often something is logged.
type rate struct {
	mu   sync.Mutex
	last time.Time
}

// allows says whether it may be logged at the time now.
func (r *rate) allows(now time.Time, interval time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.last.IsZero() && now.Sub(r.last) < interval {
		return false
	}
	r.last = now
	return true
}
