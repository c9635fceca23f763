// Package limit names the limits of what peers may use, and tells when one is reached: a [Watch] counts that and logs it, at a bounded
// rate. An [Open] counts open connections, and holds them to a limit of all and one of each peer.
//
// What happens to a peer beyond a limit is left to the caller.
package limit

import (
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Name is the name of a limit, in log and metric.
type Name string

// The limits.
const (
	Connections              Name = "connections"          // of MTAs
	ConnectionsPerPeer       Name = "connections-per-peer" // of one MTA
	Memory                   Name = "memory"               // that messages under way hold
	Readers                  Name = "readers"              // of bounces, at the same time
	Work                     Name = "work"                 // of reading a bounce
	NegotiateTimeout         Name = "negotiate-timeout"    // of an MTA
	ReadTimeout              Name = "read-timeout"         // between two frames of an MTA
	FrameTimeout             Name = "frame-timeout"        // for all octets of a frame
	FrameLength              Name = "frame-length"         // of a header, body chunk or command
	WriteTimeout             Name = "write-timeout"        // for an MTA that reads no replies
	LookupConnections        Name = "lookup-connections"   // to the lookup service
	LookupConnectionsPerPeer Name = "lookup-connections-per-peer"
	LookupRate               Name = "lookup-rate"         // of one connection to it
	LookupTimeout            Name = "lookup-timeout"      // for all octets of a request, and for reading the answer
	ControlConnections       Name = "control-connections" // to the control socket
	HTTPConnections          Name = "http-connections"    // for page, metrics and health
	PageWrongTags            Name = "page-wrong-tags"     // that the form of the page judges
)

// Names returns all names.
func Names() []Name {
	return []Name{Connections, ConnectionsPerPeer, Memory, Readers, Work, NegotiateTimeout, ReadTimeout, FrameTimeout, FrameLength, WriteTimeout,
		LookupConnections, LookupConnectionsPerPeer, LookupRate, LookupTimeout, ControlConnections, HTTPConnections, PageWrongTags}
}

// Watch counts and logs the limits that are reached. Its methods may be called from any goroutine.
type Watch struct {
	log    *slog.Logger
	now    func() time.Time
	limits map[Name]*state // of all names
}

// state is what is known of one limit.
type state struct {
	count atomic.Uint64
	lines Rate
}

// NewWatch makes a watch that logs to log.
func NewWatch(log *slog.Logger, now func() time.Time) *Watch {
	w := &Watch{log: log, now: now, limits: map[Name]*state{}}
	for _, n := range Names() {
		w.limits[n] = &state{}
	}
	return w
}

// Reached tells that a limit of the given value was reached by the peer of c.
func (w *Watch) Reached(n Name, value any, c net.Conn) {
	s := w.limits[n]
	s.count.Add(1)
	if suppressed, ok := s.lines.Allow(w.now()); ok {
		w.log.Warn("limit reached", "limit", string(n), "value", value, "peer", Peer(c), "listener", Listener(c), "suppressed", suppressed)
	}
}

// Count returns how often a limit was reached.
func (w *Watch) Count(n Name) uint64 { return w.limits[n].count.Load() }

// Listener returns the address on which a connection was accepted.
func Listener(c net.Conn) string {
	if a := c.LocalAddr(); a != nil {
		return a.Network() + ":" + a.String()
	}
	return "unknown"
}

// Peer returns who is at the other end of a connection: the IP address of a host, without its port, or the user of a process that
// connects to a unix socket, "uid 105".
func Peer(c net.Conn) string {
	switch a := c.RemoteAddr().(type) {
	case *net.TCPAddr:
		return a.IP.String()
	case *net.UnixAddr:
		return user(c)
	}
	return "unknown"
}

// collector reports the counts to Prometheus.
type collector struct {
	w       *Watch
	reached *prometheus.Desc
}

// Collector returns the metrics of the watch.
func (w *Watch) Collector() prometheus.Collector {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("bouncefilter_"+name, help, labels, nil)
	}
	return &collector{w, d("limit_reached_total", "How often a peer has reached a limit.", "limit")}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) { ch <- c.reached }

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for _, n := range Names() {
		ch <- prometheus.MustNewConstMetric(c.reached, prometheus.CounterValue, float64(c.w.Count(n)), string(n))
	}
}
