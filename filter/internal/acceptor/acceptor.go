// Package acceptor accepts the connections of a server, holds them to their limits, and ends them at shutdown.
//
// [Acceptor.Serve] accepts connections from one listener and passes each to the server, which calls [Acceptor.Add] for it
// and [Acceptor.Remove] once it is closed. [Acceptor.Shutdown] ends everything: it drains the open connections, and cuts
// them when its time is up.
//
// The package starts no goroutine for a connection, reads and writes nothing, and does not log: [Options] say what to call.
package acceptor

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/limit"
)

// Conn is an open connection. It is compared with ==. Both methods are called while the acceptor is locked, so they
// neither wait nor call it.
type Conn interface {
	// Drain ends the connection as soon as nothing is under way on it.
	Drain()
	// Abandon cuts the connection, whatever is under way.
	Abandon()
}

// Options of an [Acceptor].
type Options struct {
	// Open counts the connections, and has their limits.
	Open *limit.Open
	// Failed is called when a listener failed to accept a connection, before the acceptor pauses and tries again.
	Failed func(ln net.Listener, err error, pause time.Duration)
}

// Pauses after a failure to accept. The first is the shortest, each further failure doubles it.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// Acceptor holds the listeners and the open connections of one server. Its methods may be called from any goroutine.
type Acceptor struct {
	opts    Options
	closing atomic.Bool

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[Conn]string // with their peers
	removed   *sync.Cond      // signalled when a connection is removed
}

// New makes an acceptor without listeners.
func New(o Options) *Acceptor {
	a := &Acceptor{opts: o, listeners: map[net.Listener]struct{}{}, conns: map[Conn]string{}}
	a.removed = sync.NewCond(&a.mu)
	return a
}

// Serve accepts the connections of ln and calls serve for each, one after the other, until Shutdown is called; then it
// returns nil. It returns an error if another caller closed ln. It closes ln.
//
// Any other failure to accept is taken for a temporary one, such as that the process has no file descriptor left: Serve
// pauses, at most one second, and tries again.
func (a *Acceptor) Serve(ln net.Listener, serve func(net.Conn)) error {
	defer func() { _ = ln.Close() }() // Shutdown may have closed it already
	a.mu.Lock()
	if a.closing.Load() {
		a.mu.Unlock()
		return nil
	}
	a.listeners[ln] = struct{}{}
	a.mu.Unlock()

	var pause time.Duration
	for {
		c, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			serve(c)
			continue
		case a.closing.Load():
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		}
		pause = min(max(2*pause, minPause), maxPause)
		a.opts.Failed(ln, err, pause)
		time.Sleep(pause)
	}
}

// Add counts c, which is served on nc, as open. It returns false if c may not be served, because a limit is reached or Shutdown was
// called; the caller then closes it.
func (a *Acceptor) Add(c Conn, nc net.Conn) bool {
	if a.closing.Load() {
		return false
	}
	peer, ok := a.opts.Open.Add(nc)
	if !ok {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closing.Load() {
		a.opts.Open.Remove(peer)
		return false
	}
	a.conns[c] = peer
	return true
}

// Remove counts c as closed. Shutdown waits for it.
func (a *Acceptor) Remove(c Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if peer, ok := a.conns[c]; ok {
		a.opts.Open.Remove(peer)
		delete(a.conns, c)
	}
	a.removed.Broadcast()
}

// Open returns how many connections are open.
func (a *Acceptor) Open() int { return a.opts.Open.Count() }

// Accepting says whether Serve was called and Shutdown was not.
func (a *Acceptor) Accepting() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.listeners) > 0 && !a.closing.Load()
}

// Closing says whether Shutdown was called. It does not wait for a lock.
func (a *Acceptor) Closing() bool { return a.closing.Load() }

// Shutdown stops accepting connections, drains the open ones and waits until they are removed. When ctx is done it abandons
// those that are left, waits for them too, and returns ctx's error.
func (a *Acceptor) Shutdown(ctx context.Context) error {
	a.closing.Store(true)
	a.mu.Lock()
	defer a.mu.Unlock()
	for ln := range a.listeners {
		_ = ln.Close()
	}
	for c := range a.conns {
		c.Drain()
	}
	stop := context.AfterFunc(ctx, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		for c := range a.conns {
			c.Abandon()
		}
	})
	for len(a.conns) > 0 {
		a.removed.Wait()
	}
	if !stop() {
		return ctx.Err()
	}
	return nil
}
