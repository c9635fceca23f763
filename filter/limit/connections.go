package limit

import (
	"net"
	"sync"
)

// ConnectionOptions of an [Open].
type ConnectionOptions struct {
	Most    int // open at once
	PerPeer int // of one peer; 0 for no limit of its own
	// Name and PeerName are the names of the limits. Watch is told when one is reached.
	Name, PeerName Name
	Watch          *Watch
}

// Share returns the limit for one peer unless it is configured: nine tenths of all, so that others find a place. The MTA of a site is
// one peer.
func Share(most int) int { return most - most/10 }

// Open counts open connections. Its methods may be called from any goroutine.
type Open struct {
	o ConnectionOptions

	mu    sync.Mutex
	count int
	peers map[string]int
}

// NewOpen makes a count of no connections.
func NewOpen(o ConnectionOptions) *Open { return &Open{o: o, peers: map[string]int{}} }

// Add counts a connection of the peer that it returns. ok is false if it may not be served; that was told, and the caller closes it.
func (c *Open) Add(nc net.Conn) (peer string, ok bool) {
	peer = Peer(nc)
	c.mu.Lock()
	all := c.count >= c.o.Most
	own := c.o.PerPeer > 0 && c.peers[peer] >= c.o.PerPeer
	if !all && !own {
		c.count++
		c.peers[peer]++
	}
	c.mu.Unlock()
	switch {
	case all:
		c.o.Watch.Reached(c.o.Name, c.o.Most, nc)
	case own:
		c.o.Watch.Reached(c.o.PeerName, c.o.PerPeer, nc)
	}
	return peer, !all && !own
}

// Remove counts a connection of a peer as closed.
func (c *Open) Remove(peer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count--
	if c.peers[peer]--; c.peers[peer] == 0 {
		delete(c.peers, peer)
	}
}

// Count returns how many connections are open.
func (c *Open) Count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

// Listener returns a listener whose connections are held to the limits: further ones are closed at once.
func (c *Open) Listener(ln net.Listener) net.Listener { return &listener{ln, c} }

type listener struct {
	net.Listener
	open *Open
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer, ok := l.open.Add(nc)
		if ok {
			return &counted{Conn: nc, closed: func() { l.open.Remove(peer) }}, nil
		}
		_ = nc.Close()
	}
}

// counted is a connection that is counted until it is closed.
type counted struct {
	net.Conn
	once   sync.Once
	closed func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		err = c.Conn.Close()
		c.closed()
	})
	return err
}
