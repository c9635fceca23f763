package filter

import (
	"net"
	"sync"
	"time"
)

// Health is what the server knows of the way that mail takes through it. How long is too long is for the caller to say.
type Health struct {
	Accepting bool          // connections; false before Serve and after Shutdown
	Longest   time.Duration // for which an event of an MTA that is under way has been worked on, 0 if none is; waiting for the MTA, or for other bounces to be read, excluded
	Failing   time.Duration // for which a listener has failed to accept connections, one after the other; 0 if none does
	Failure   error         // of that listener
}

// health watches the sessions and the listeners. It asks nothing of the store and of the network.
type health struct {
	mu       sync.Mutex
	sessions map[*session]struct{}
	failing  map[net.Listener]failing
}

// failing is since when a listener fails, and how it failed last.
type failing struct {
	since time.Time
	last  error
}

func newHealth() *health {
	return &health{sessions: map[*session]struct{}{}, failing: map[net.Listener]failing{}}
}

// accepted notes that ln has accepted a connection.
func (h *health) accepted(ln net.Listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.failing, ln)
}

// opened begins to watch a session.
func (h *health) opened(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions[s] = struct{}{}
}

// closed forgets a session.
func (h *health) closed(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions, s)
}

// failed notes that ln has failed to accept a connection.
func (h *health) failed(ln net.Listener, err error, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f, known := h.failing[ln]
	if !known {
		f.since = now
	}
	f.last = err
	h.failing[ln] = f
}

// Health returns how the server is.
func (s *Server) Health() Health {
	now := s.now()
	result := Health{Accepting: s.acceptor.Accepting()}
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	for sess := range s.health.sessions {
		if began := sess.event.Load(); began != 0 {
			result.Longest = max(result.Longest, now.Sub(s.started)-time.Duration(began))
		}
	}
	for _, f := range s.health.failing {
		if d := now.Sub(f.since); result.Failure == nil || d > result.Failing {
			result.Failing, result.Failure = d, f.last
		}
	}
	return result
}

// watch lets [Server.Health] know that the session works on an event since a time. It keeps the time since the server was made, and not
// that of the wall clock, which may be set.
func (s *session) watch(began time.Time) {
	s.event.Store(max(1, int64(began.Sub(s.server.started))))
}
