package filter

import (
	"context"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/internal/chunks"
	"github.com/bouncefilter/bouncefilter/filter/limit"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// busy is the reply for a message for which there is no memory.
const busy = "450 4.7.1 Filter busy: this message had to wait, try again later"

func withMemory(t *testing.T, role policy.Role, octets int64) *fixture {
	return startAs(t, role, memory.NewWithClock(func() time.Time { return testDay }), nil, func(o *Options) { o.Limits.Memory = octets })
}

// held waits until the server's messages hold that many octets.
func (f *fixture) held(want int64) {
	f.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); f.server.memory.held.Load() != want; {
		if time.Now().After(deadline) {
			f.t.Fatalf("messages hold %d octets, want %d", f.server.memory.held.Load(), want)
		}
		time.Sleep(time.Millisecond)
	}
}

// bodyOf returns the text of a bounce whose body has that many octets at least.
func bodyOf(octets int) string {
	return namelessBounce + strings.Repeat("This line is one of many that a bounce may have.\n", octets/49+1)
}

// rcptHeld is what the one recipient of the tests holds.
const rcptHeld = len("user@example.com")*2 + recipientCost

// senderHeld is what a sender of the tests holds that is not the null one, with what the MTA makes of it.
const senderHeld = 2 * len("friend@example.org")

// A bounce is judged while messages hold no more than they may, and deferred if it holds an octet more. Nothing is lost: it comes again.
func TestBounceThatWouldPassTheCeilingIsDeferred(t *testing.T) {
	const need = int64(5*chunks.Size + rcptHeld) // header and 33 kB of body
	for octets, want := range map[int64]string{need: untagged, need - 1: busy} {
		f := withMemory(t, policy.RoleBoth, octets)
		m := f.outsideMTA()
		m.mail("<>")
		m.rcpt("<user@example.com>")
		m.data()
		if r := m.contentIn(bodyOf(33<<10), 8000); r.text != want { // in frames that are too short to be charged
			t.Errorf("memory of %d octets: %c %q", octets, r.code, r.text)
		}
		deferred := uint64(0)
		if want == busy {
			deferred = 1
			wantLog(t, f, "reason=busy", `msg="limit reached" limit=memory`, "peer=\"uid ", "listener=unix:"+f.addr)
		}
		if n := f.server.watch.Count(limit.Memory); n != deferred {
			t.Errorf("memory of %d octets: the limit was reached %d times", octets, n)
		}
		f.held(int64(rcptHeld)) // the content was dropped; the client may repeat DATA
		if _, r := m.deliver("<>", "<user@example.com>", namelessBounce); r.text != untagged {
			t.Errorf("memory of %d octets, the next message: %c %q", octets, r.code, r.text)
		}
		_ = m.c.Close()
		f.held(0)
	}
}

// What a connection keeps from its greeting is short.
func TestLongHeloIsNotKept(t *testing.T) {
	for octets, want := range map[int]int{maxHelo: maxHelo, maxHelo + 1: 0} {
		s := &session{}
		if _, err := s.Helo(strings.Repeat("h", octets), nil); err != nil || len(s.helo) != want {
			t.Errorf("%d octets: kept %d, %v", octets, len(s.helo), err)
		}
	}
}

// A sender is held, too.
func TestSenderAtTheCeiling(t *testing.T) {
	for _, octets := range []int{0, 1} { // beyond the limit
		long := strings.Repeat("x", 1000) + "@example.org"
		f := withMemory(t, policy.RoleBoth, int64(2*len(long)+rcptHeld-octets))
		want := byte('a')
		if octets > 0 {
			want = 'y'
		}
		if stage, r := f.outsideMTA().message("<"+long+">", "<user@example.com>"); r.code != want {
			t.Errorf("%d octets too few: %s %c %q", octets, stage, r.code, r.text)
		}
	}
}

// The content of others is no reason to close a connection: new ones are answered, ordinary mail passes, and bounces are deferred.
func TestServiceAtTheCeiling(t *testing.T) {
	f := withMemory(t, policy.RoleBoth, int64(chunks.Size+3*rcptHeld+senderHeld))
	slow := f.outsideMTA()
	slow.mail("<>")
	slow.rcpt("<user@example.com>")
	slow.data()
	other := f.outsideMTA()
	if _, r := other.deliver("<>", "<user@example.com>", namelessBounce); r.text != busy {
		t.Errorf("a bounce: %c %q", r.code, r.text)
	}
	if _, r := f.outsideMTA().message("<friend@example.org>", "<user@example.com>"); r.code != 'a' {
		t.Errorf("ordinary mail: %c %q", r.code, r.text)
	}
	if r := slow.content(namelessBounce); r.text != untagged {
		t.Errorf("the bounce that was there first: %c %q", r.code, r.text)
	}
	other.abort()
	if _, r := other.deliver("<>", "<user@example.com>", namelessBounce); r.text != untagged {
		t.Errorf("the bounce comes again: %c %q", r.code, r.text)
	}
}

// Recipients are held, too. A message that would hold more is deferred as a whole at the next reply.
func TestRecipientsAtTheCeiling(t *testing.T) {
	for _, role := range []policy.Role{policy.RoleBoth, policy.RoleSign} {
		f := withMemory(t, role, int64(2*rcptHeld+senderHeld))
		m := f.dial()
		m.auth = "user"
		m.connect(outsider, 40123)
		to := "<user@example.org>"
		if stage, r := m.message("<user@example.com>", to, to); r.code != 'a' {
			t.Errorf("%v, two recipients: %s %c %q", role, stage, r.code, r.text)
		}
		m.abort()
		if stage, r := m.message("<user@example.com>", to, to, to); r.text != busy {
			t.Errorf("%v, three recipients: %s %c %q", role, stage, r.code, r.text)
		}
		m.abort()
		if stage, r := m.message("<user@example.com>", to); r.code != 'a' {
			t.Errorf("%v, the next message: %s %c %q", role, stage, r.code, r.text)
		}
	}
}

// An MTA that waits for the reply to RCPT gets it there.
func TestRecipientAtTheCeilingIsToldAtOnce(t *testing.T) {
	f := withMemory(t, policy.RoleBoth, 0)
	f.server.memory.limit = 10
	m := f.dialAs(6, allActions, allProtocol&^milter.OptNoRcptReply)
	m.connect(outsider, 40123)
	m.mail("<>")
	if r := m.rcpt("<user@example.com>"); r.text != busy {
		t.Errorf("%c %q", r.code, r.text)
	}
}

// A frame that is too long for the memory is dropped, and its message deferred.
func TestLongFrameAtTheCeiling(t *testing.T) {
	f := withMemory(t, policy.RoleBoth, 64<<10)
	m := f.outsideMTA()
	m.mail("<>")
	m.rcpt("<user@example.com>")
	m.data()
	m.header("X-Long", strings.Repeat("x", 100<<10))
	if r := m.content(namelessBounce); r.text != busy {
		t.Errorf("%c %q", r.code, r.text)
	}
}

// Many messages at the same time give back what they took, whatever becomes of them.
func TestMemoryIsGivenBack(t *testing.T) {
	f := withMemory(t, policy.RoleBoth, 10*chunks.Size)
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			m := f.outsideMTA()
			for range 3 {
				m.mail("<>")
				m.rcpt("<user@example.com>")
				m.data()
				if i%3 == 0 {
					break // cut in the middle
				}
				m.content(bodyOf(20 << 10))
				m.abort()
			}
			_ = m.c.Close()
		})
	}
	all.Wait()
	f.held(0)
}

// Connections that come and go leave nothing behind: no goroutine, no descriptor, no memory.
func TestConnectionsLeaveNothingBehind(t *testing.T) {
	f := start(t, nil)
	comeAndGo := func(n int) (goroutines, files int, heap uint64) {
		for range n {
			m := f.outsideMTA()
			m.message("<friend@example.org>", "<user@example.com>")
			_ = m.c.Close()
		}
		wait(t, "connections are open still", func() bool { return f.server.acceptor.Open() == 0 })
		runtime.GC()
		runtime.GC() // what is in pools goes with the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("needs /proc")
		}
		return runtime.NumGoroutine(), len(fds), m.HeapAlloc
	}
	const n = 500
	f.t = quietly{t} // whose Cleanup would hold each connection
	comeAndGo(n)
	goroutines, files, heap := comeAndGo(n)
	moreGoroutines, moreFiles, moreHeap := comeAndGo(n)
	f.t = t
	if moreGoroutines > goroutines+2 || moreFiles > files+2 {
		t.Errorf("after %d connections: %d goroutines and %d descriptors, before %d and %d", n, moreGoroutines, moreFiles, goroutines, files)
	}
	if grown := int64(moreHeap) - int64(heap); grown > 100*n {
		t.Errorf("%d connections left %d octets behind", n, grown)
	}
}

// quietly is a test that does not clean up.
type quietly struct{ *testing.T }

func (quietly) Cleanup(func()) {}

// One peer cannot have all connections, and the last places are for others.
func TestConnectionsOfOnePeer(t *testing.T) {
	f := startWith(t, memory.New(), nil, func(o *Options) { o.Limits.Connections, o.Limits.ConnectionsPerPeer = 3, 2 })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- f.server.Serve(ln, policy.RoleBoth) }()
	defer func() {
		_ = f.server.Shutdown(context.Background())
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	first := f.outsideMTA()
	f.outsideMTA()
	third := &mta{t: t}
	third.c, third.br = rawDial(t, f)
	if _, _, err := third.tryRead(); err == nil {
		t.Error("a third connection of one user is served")
	}
	f.addr = ln.Addr().String()
	other := f.dialOn("tcp")
	if _, r := other.message("<friend@example.org>", "<user@example.com>"); r.code != 'a' {
		t.Errorf("the other peer: %c", r.code)
	}
	fourth, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer fourth.Close()
	if _, err := fourth.Read(make([]byte, 1)); err == nil {
		t.Error("a connection beyond all is served")
	}
	if _, r := first.message("<friend@example.org>", "<user@example.com>"); r.code != 'a' {
		t.Errorf("the first peer: %c", r.code)
	}
	if all, own := f.server.watch.Count(limit.Connections), f.server.watch.Count(limit.ConnectionsPerPeer); all != 1 || own != 1 {
		t.Errorf("reached %d and %d times", all, own)
	}
	wantLog(t, f, "limit=connections-per-peer value=2 peer=\"uid ", "limit=connections value=3 peer=127.0.0.1 listener=tcp:"+f.addr)
}

// What peers make the log say is bounded.
func TestLinesAboutMalformedFramesAreBounded(t *testing.T) {
	f := start(t, nil)
	for range 5 {
		c, _ := rawDial(t, f)
		_, _ = c.Write([]byte("EHLO client.example\r\n"))
		_, _ = c.Read(make([]byte, 1))
	}
	f.setClock(testDay.Add(limit.Interval))
	c, _ := rawDial(t, f)
	_, _ = c.Write([]byte("EHLO client.example\r\n"))
	_, _ = c.Read(make([]byte, 1))
	if n := strings.Count(f.log.String(), "malformed milter frame"); n != 2 {
		t.Errorf("%d lines", n)
	}
	wantLog(t, f, "suppressed=4")
}
