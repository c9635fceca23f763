package filter

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/policy"
)

// A listener that fails is told with the time since its first failure, until it has accepted a connection, whether or not that one finds
// a place. Another listener that goes on does not hide it.
func TestHealthOfListeners(t *testing.T) {
	f := start(t, nil)
	now := testDay
	f.setClock(now)
	f.outsideMTA() // it is accepting
	if h := f.server.Health(); !h.Accepting || h.Failing != 0 || h.Failure != nil {
		t.Errorf("before: %+v", h)
	}
	broken, other := &net.TCPListener{}, &net.TCPListener{}
	f.server.health.failed(broken, errors.New("first"), now)
	f.setClock(now.Add(time.Minute))
	f.server.health.failed(broken, syscall.EMFILE, now.Add(time.Minute))
	f.server.health.failed(other, errors.New("another"), now.Add(time.Minute))
	f.server.health.accepted(other)
	if h := f.server.Health(); h.Failing != time.Minute || !errors.Is(h.Failure, syscall.EMFILE) {
		t.Errorf("it fails: %+v", h)
	}
	ours, theirs := net.Pipe()
	defer func() { _ = theirs.Close() }()
	f.server.serveConn(broken, ours, policy.RoleBoth)
	if h := f.server.Health(); h.Failing != 0 || h.Failure != nil {
		t.Errorf("after: %+v", h)
	}
}

// An event counts from its begin to its end. What the MTA takes between two events does not count, and neither does a session that is
// over.
func TestHealthOfEvents(t *testing.T) {
	f := start(t, nil)
	longest := func(what string, want time.Duration) {
		t.Helper()
		if h := f.server.Health(); h.Longest != want {
			t.Errorf("%s: %v, want %v", what, h.Longest, want)
		}
	}
	began := f.server.now()
	m := f.outsideMTA()
	m.mail("<friend@example.org>")
	m.rcpt("<user@example.com>")
	f.setClock(began.Add(time.Hour))
	longest("an MTA that waits inside a message", 0)

	stuck, later := &session{server: f.server}, &session{server: f.server}
	f.server.health.opened(stuck)
	f.server.health.opened(later)
	stuck.begin()
	f.setClock(began.Add(time.Hour + time.Minute))
	later.begin()
	longest("two events", time.Minute)
	stuck.end()
	longest("one has ended", 0)
	f.setClock(began.Add(2 * time.Hour))
	longest("the other goes on", 59*time.Minute)
	f.server.health.closed(later)
	longest("its session is closed", 0)
}
