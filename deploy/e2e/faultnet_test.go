package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// slowLink passes on what a client and a server say, with a delay that the test chooses. It replaces a long link: not every
// kernel that tests run on can delay packets (netem).
type slowLink struct {
	addr   string
	server string
	delay  atomic.Int64 // nanoseconds, each way, of what is sent from now on
	closed chan struct{}
	long   atomic.Int64 // what clients have said in many octets: more than there is to say about one message
}

// newSlowLink starts one that listens on an address. It ends with the test, and with it what it connects.
func newSlowLink(t *testing.T, listen, server string, dial func(network, address string) (net.Conn, error)) *slowLink {
	t.Helper()
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	l := &slowLink{addr: ln.Addr().String(), server: server, closed: make(chan struct{})}
	var wait sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	t.Cleanup(func() {
		ln.Close()
		close(l.closed)
		mu.Lock()
		for c := range open {
			c.Close()
		}
		open = nil
		mu.Unlock()
		wait.Wait()
	})
	wait.Go(func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			server, err := dial("tcp", l.server)
			if err != nil {
				client.Close()
				continue
			}
			mu.Lock()
			if open == nil {
				client.Close()
				server.Close()
			} else {
				open[client], open[server] = true, true
			}
			mu.Unlock()
			var both sync.WaitGroup
			both.Go(func() {
				l.pass(server, client, func(said int) {
					if said >= 1000 {
						l.long.Add(1)
					}
				})
			})
			both.Go(func() { l.pass(client, server, func(int) {}) })
			wait.Go(func() {
				both.Wait()
				mu.Lock()
				delete(open, client)
				delete(open, server)
				mu.Unlock()
			})
		}
	})
	return l
}

// pass passes on one direction. What was sent early is not held up by what waits for its time behind it.
func (l *slowLink) pass(to, from net.Conn, count func(octets int)) {
	type chunk struct {
		data []byte
		due  time.Time
	}
	chunks := make(chan chunk, 1024)
	var writer sync.WaitGroup
	writer.Go(func() {
		defer to.Close()
		for c := range chunks {
			select {
			case <-time.After(time.Until(c.due)):
			case <-l.closed:
			}
			if _, err := to.Write(c.data); err != nil {
				from.Close() // the rest cannot be delivered
			}
		}
	})
	for {
		buf := make([]byte, 16<<10)
		n, err := from.Read(buf)
		if n > 0 {
			count(n)
			chunks <- chunk{buf[:n], time.Now().Add(time.Duration(l.delay.Load()))}
		}
		if err != nil {
			break
		}
	}
	close(chunks)
	writer.Wait()
	_ = from.Close()
}

// island is a network namespace that is joined to this one by a link that leads to the store and can be cut. Unix sockets reach
// across.
type island struct {
	name  string
	store string // address on this side of the link
}

var islands atomic.Int32

// newIsland makes one. It ends with the test.
func newIsland(t *testing.T) *island {
	t.Helper()
	id := os.Getpid()%1000*8 + int(islands.Add(1))%8
	address := func(host int) string { // of a /30 in 198.18.0.0/15, which is for tests (RFC 2544)
		return fmt.Sprintf("198.18.%d.%d", id>>6, id&0x3f<<2+host)
	}
	is := &island{name: fmt.Sprintf("bf-e2e-%d", id), store: address(1)}
	privileged(t, "ip", "netns", "add", is.name)
	t.Cleanup(func() { execute(t, "ip", "netns", "del", is.name) }) // and the link
	link := fmt.Sprintf("bfe2e%d", id)
	execute(t, "ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", is.name)
	execute(t, "ip", "address", "add", address(1)+"/30", "dev", link)
	execute(t, "ip", "link", "set", link, "up")
	execute(t, "ip", "-n", is.name, "address", "add", address(2)+"/30", "dev", "eth0")
	execute(t, "ip", "-n", is.name, "link", "set", "lo", "up")
	execute(t, "ip", "-n", is.name, "link", "set", "eth0", "up")
	return is
}

// privileged runs a command that not every container lets root run. Where servers are not required the test is skipped then.
func privileged(t *testing.T, command ...string) {
	t.Helper()
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		if os.Getenv(requireServers) != "" {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
		t.Skipf("%v: %v\n%s", command, err, out)
	}
}

// cut cuts the island off from the store, join ends that.
func (is *island) cut(t *testing.T)  { execute(t, "ip", "-n", is.name, "link", "set", "eth0", "down") }
func (is *island) join(t *testing.T) { execute(t, "ip", "-n", is.name, "link", "set", "eth0", "up") }

// reach returns an address here under which a server on the island is reached.
func (is *island) reach(t *testing.T, server string) string {
	return newSlowLink(t, "127.0.0.1:0", server, is.dial).addr
}

// dial connects from the island. A thread that has been there is not used for anything else: it ends with its goroutine.
func (is *island) dial(network, address string) (conn net.Conn, err error) {
	var there sync.WaitGroup
	there.Go(func() {
		runtime.LockOSThread()
		var ns *os.File
		if ns, err = os.Open("/run/netns/" + is.name); err != nil {
			return
		}
		defer ns.Close()
		if err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err == nil {
			conn, err = net.Dial(network, address)
		}
	})
	there.Wait()
	return conn, err
}
