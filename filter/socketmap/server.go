package socketmap

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/internal/acceptor"
	"github.com/bouncefilter/bouncefilter/filter/limit"
)

// Lookup returns the data of a key, and whether the map has the key. It is called from many goroutines. The client waits until it
// returns.
type Lookup func(key string) (data string, found bool)

// Limits bounds what clients may use. 0 means the default.
type Limits struct {
	// Connections is how many connections are served at once. Further ones are closed, and Postfix defers the mail for which it
	// needs them. Each smtpd and cleanup process of Postfix has one connection for each table that names the service.
	Connections int
	// ConnectionsPerPeer is how many of them one host has, or one user of a unix socket; by default [limit.Share].
	ConnectionsPerPeer int
	// Rate is how many requests a second are answered on one connection. Further ones wait: an smtpd process serves one client at
	// a time, and has no more than a few addresses to ask for at once.
	Rate int
	// IdleTimeout is how long a client may be silent between two requests. Postfix itself ends a connection that it has not
	// used for 10 s.
	IdleTimeout time.Duration
	// RequestTimeout is how long a request may take to arrive once it has begun. Clients are on this host.
	RequestTimeout time.Duration
	// WriteTimeout is how long a client may take to read a reply.
	WriteTimeout time.Duration
}

// DefaultLimits returns the limits that replace those that are 0.
func DefaultLimits() Limits {
	return Limits{Connections: 5000, Rate: 1000, IdleTimeout: time.Minute, RequestTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	l.Connections = cmp.Or(l.Connections, d.Connections)
	l.ConnectionsPerPeer = cmp.Or(l.ConnectionsPerPeer, limit.Share(l.Connections))
	l.Rate = cmp.Or(l.Rate, d.Rate)
	l.IdleTimeout = cmp.Or(l.IdleTimeout, d.IdleTimeout)
	l.RequestTimeout = cmp.Or(l.RequestTimeout, d.RequestTimeout)
	l.WriteTimeout = cmp.Or(l.WriteTimeout, d.WriteTimeout)
	return l
}

// Options is what a [Server] is made from.
type Options struct {
	Maps   map[string]Lookup // by name; the caller does not change it afterwards
	Limits Limits
	Logger *slog.Logger
	Watch  *limit.Watch // told of limits that are reached; nil for one of its own, which logs to Logger
}

// Server serves lookups.
type Server struct {
	maps   map[string]Lookup
	limits Limits
	log    *slog.Logger
	stats  stats
	watch  *limit.Watch
	lines  limit.Rate // about malformed requests

	notAccepted limit.Rate // of lines about connections that cannot be accepted

	acceptor *acceptor.Acceptor
}

// New makes a server. It serves no client before [Server.Serve] is called.
func New(o Options) (*Server, error) {
	if o.Logger == nil || len(o.Maps) == 0 {
		return nil, errors.New("socketmap: Logger and Maps are needed")
	}
	s := &Server{maps: o.Maps, limits: o.Limits.withDefaults(), log: o.Logger}
	if s.watch = o.Watch; s.watch == nil {
		s.watch = limit.NewWatch(s.log, time.Now)
	}
	s.acceptor = acceptor.New(acceptor.Options{
		Open: limit.NewOpen(limit.ConnectionOptions{
			Most: s.limits.Connections, PerPeer: s.limits.ConnectionsPerPeer,
			Name: limit.LookupConnections, PeerName: limit.LookupConnectionsPerPeer, Watch: s.watch,
		}),
		Failed: s.cannotAccept,
	})
	return s, nil
}

// Serve serves the connections of ln until [Server.Shutdown] is called, and then returns nil. It closes ln.
func (s *Server) Serve(ln net.Listener) error { return s.acceptor.Serve(ln, s.serveConn) }

// cannotAccept logs that a listener failed to accept a connection.
func (s *Server) cannotAccept(ln net.Listener, err error, pause time.Duration) {
	if suppressed, ok := s.notAccepted.Allow(time.Now()); ok {
		s.log.Error("socketmap: cannot accept a connection, trying again", "address", ln.Addr().String(), "error", err, "pause", pause, "suppressed", suppressed)
	}
}

// client is the connection of a client.
type client struct{ net.Conn }

// Drain ends the wait for what the client sends next.
func (c client) Drain() { _ = c.SetReadDeadline(over) }

// Abandon cuts the connection.
func (c client) Abandon() { _ = c.Close() }

// serveConn serves one connection in a goroutine of its own. Shutdown waits for it.
func (s *Server) serveConn(nc net.Conn) {
	c := client{nc}
	if !s.acceptor.Add(c, nc) {
		_ = c.Close()
		return
	}
	go func() {
		defer func() {
			_ = c.Close()
			s.acceptor.Remove(c)
		}()
		s.answerAll(nc)
	}()
}

// answerAll answers requests until the connection ends.
func (s *Server) answerAll(c net.Conn) {
	r := bufio.NewReaderSize(c, 512) // more than an address has; longer requests are read past the buffer
	var p pace
	for {
		s.waitFor(c, s.limits.IdleTimeout)
		if _, err := r.Peek(1); err != nil {
			return // the client ended the connection, or was silent for too long
		}
		s.waitFor(c, s.limits.RequestTimeout)
		request, err := readNetstring(r)
		if err != nil {
			s.unread(c, err)
			return
		}
		if wait := p.next(time.Now(), s.limits.Rate); wait > 0 {
			s.watch.Reached(limit.LookupRate, s.limits.Rate, c)
			time.Sleep(wait)
		}
		_ = c.SetWriteDeadline(time.Now().Add(s.limits.WriteTimeout))
		if _, err := c.Write(s.answer(request)); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				s.watch.Reached(limit.LookupTimeout, s.limits.WriteTimeout, c)
			}
			return
		}
	}
}

// unread notes why a request was not read.
func (s *Server) unread(c net.Conn, err error) {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && !s.acceptor.Closing():
		s.watch.Reached(limit.LookupTimeout, s.limits.RequestTimeout, c)
	case errors.Is(err, errMalformed) || errors.Is(err, io.ErrUnexpectedEOF):
		s.stats.malformed.Add(1)
		if suppressed, ok := s.lines.Allow(time.Now()); ok {
			s.log.Warn("socketmap: malformed request", "error", err, "peer", limit.Peer(c), "listener", limit.Listener(c), "suppressed", suppressed)
		}
	}
}

// pace is how many requests a connection has made in the second under way.
type pace struct {
	second time.Time // when it began
	made   int
}

// next counts a request, and returns how long it waits so that no second has more than rate of them.
func (p *pace) next(now time.Time, rate int) time.Duration {
	if now.Sub(p.second) >= time.Second {
		p.second, p.made = now, 0
	}
	if p.made++; p.made <= rate {
		return 0
	}
	p.second, p.made = p.second.Add(time.Second), 1
	return p.second.Sub(now)
}

// over is a deadline in the past.
var over = time.Unix(1, 0)

// waitFor bounds the wait for what the client sends next. After Shutdown there is no wait: only requests that have arrived
// already are answered.
func (s *Server) waitFor(c net.Conn, d time.Duration) {
	_ = c.SetReadDeadline(time.Now().Add(d))
	if s.acceptor.Closing() { // Shutdown sets its deadline after Closing is true, so this deadline or that one is set last
		_ = c.SetReadDeadline(over)
	}
}

// answer returns the reply to a request, as a netstring.
func (s *Server) answer(request string) (reply []byte) {
	defer func() {
		if p := recover(); p != nil {
			s.stats.count(Failed)
			s.log.Error("socketmap: lookup failed, the client is asked to try again", "panic", p, "stack", string(debug.Stack()))
			reply = appendNetstring(nil, "TEMP ", "lookup failed")
		}
	}()
	name, key, _ := strings.Cut(request, " ")
	lookup := s.maps[name]
	if lookup == nil {
		if s.stats.count(UnknownMap) == 1 {
			s.log.Error("socketmap: a client asked for an unknown map; correct the name after the last colon in main.cf", "map", cut(name))
		}
		return appendNetstring(nil, "PERM ", "no such map")
	}
	data, found := lookup(key)
	switch {
	case !found:
		s.stats.count(NotFound)
		return appendNetstring(nil, "NOTFOUND ")
	case len("OK ")+len(data) > MaxReply:
		s.stats.count(Failed)
		return appendNetstring(nil, "PERM ", "answer too long")
	}
	s.stats.count(Found)
	return appendNetstring(nil, "OK ", data)
}

// cut shortens text that a client sent, for the log. The log handler quotes it.
func cut(s string) string {
	const most = 80
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// Shutdown stops accepting connections, ends idle ones, and lets requests under way be answered. When ctx is done it cuts the
// connections that are left and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error { return s.acceptor.Shutdown(ctx) }
