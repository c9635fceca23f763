package filter

import (
	"github.com/bouncefilter/bouncefilter/filter/limit"
	"github.com/bouncefilter/bouncefilter/filter/wire"
)

// Fault counts a frame at fault.
func (s *session) Fault(f wire.Fault) {
	s.server.stats.faults.add(f)
	if suppressed, ok := s.server.faults.Allow(s.server.now()); ok {
		nc := s.conn.NetConn()
		s.server.log.Warn("malformed milter frame", "fault", string(f), "peer", limit.Peer(nc), "listener", limit.Listener(nc), "suppressed", suppressed)
	}
}

// Reached tells that the connection has reached a limit.
func (s *session) Reached(n limit.Name, value any) {
	s.server.watch.Reached(n, value, s.conn.NetConn())
}

// Failed logs why the connection ended too early.
func (s *session) Failed(err error) {
	s.server.log.Debug("connection of the MTA has failed", "error", err)
}

// Panicked notes a panic outside of the callbacks that contain theirs. The connection ends without a reply, and the MTA tries again.
func (s *session) Panicked(value any) {
	s.server.panicked("the connection of an MTA failed, it is to try again", value)
}

// Closed counts the connection as closed.
func (s *session) Closed() {
	s.decisionMade()
	s.dropMessage()
	s.server.health.closed(s)
	s.server.acceptor.Remove(s.conn)
}
