package limit

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// watched returns a watch with a clock, and its log.
func watched() (w *Watch, now *time.Time, log *bytes.Buffer) {
	log, now = &bytes.Buffer{}, new(time.Time)
	*now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return NewWatch(slog.New(slog.NewTextHandler(log, nil)), func() time.Time { return *now }), now, log
}

// conn is a connection of a host.
type conn struct {
	net.Conn
	peer   string
	closed int
}

func (c *conn) LocalAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8766}
}
func (c *conn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(c.peer), Port: 40000} }
func (c *conn) Close() error         { c.closed++; return nil }

func TestOneLineAMinuteForEachLimit(t *testing.T) {
	w, now, log := watched()
	c := &conn{peer: "192.0.2.1"}
	for range 4 {
		w.Reached(Connections, 10, c)
	}
	w.Reached(Memory, 20, c)
	*now = now.Add(Interval - 1)
	w.Reached(Connections, 10, c)
	*now = now.Add(1)
	w.Reached(Connections, 10, &conn{peer: "2001:db8::1"})
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	for i, want := range []string{
		"limit=connections value=10 peer=192.0.2.1 listener=tcp:127.0.0.1:8766 suppressed=0",
		"limit=memory value=20 peer=192.0.2.1 listener=tcp:127.0.0.1:8766 suppressed=0",
		"limit=connections value=10 peer=2001:db8::1 listener=tcp:127.0.0.1:8766 suppressed=4",
	} {
		if len(lines) != 3 || !strings.HasSuffix(lines[i], want) {
			t.Fatalf("log:\n%s\nwant %s", log, want)
		}
	}
	if n := w.Count(Connections); n != 6 {
		t.Errorf("%d counted", n)
	}
}

func TestMetricHasAllLimits(t *testing.T) {
	w, _, _ := watched()
	w.Reached(ReadTimeout, time.Hour, &conn{peer: "192.0.2.1"})
	registry := prometheus.NewRegistry()
	registry.MustRegister(w.Collector())
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "bouncefilter_limit_reached_total" {
		t.Fatalf("%v, %v", families, err)
	}
	for _, m := range families[0].Metric {
		want := 0.0
		if m.Label[0].GetValue() == string(ReadTimeout) {
			want = 1
		}
		if got := m.Counter.GetValue(); got != want {
			t.Errorf("%s: %v, want %v", m.Label[0].GetValue(), got, want)
		}
	}
	if n := len(families[0].Metric); n != len(Names()) {
		t.Errorf("%d limits", n)
	}
}

func TestPeers(t *testing.T) {
	if p := Peer(&conn{peer: "192.0.2.1"}); p != "192.0.2.1" {
		t.Errorf("TCP: %q", p)
	}
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	if p := Peer(ours); p != "unknown" {
		t.Errorf("a pipe: %q", p)
	}
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if _, err := net.Dial("unix", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if p, want := Peer(c), "uid "+strconv.Itoa(os.Getuid()); p != want {
		t.Errorf("unix: %q, want %q", p, want)
	}
	if l := Listener(c); l != "unix:"+ln.Addr().String() {
		t.Errorf("listener %q", l)
	}
}

func TestConnectionsAtTheLimitAndOneMore(t *testing.T) {
	w, _, _ := watched()
	o := NewOpen(ConnectionOptions{Most: 3, PerPeer: 2, Name: Connections, PeerName: ConnectionsPerPeer, Watch: w})
	for i, tt := range []struct {
		peer     string
		ok       bool
		all, own uint64
	}{
		{"192.0.2.1", true, 0, 0},
		{"192.0.2.1", true, 0, 0},
		{"192.0.2.1", false, 0, 1},
		{"192.0.2.2", true, 0, 1},
		{"192.0.2.3", false, 1, 1},
	} {
		peer, ok := o.Add(&conn{peer: tt.peer})
		if peer != tt.peer || ok != tt.ok || w.Count(Connections) != tt.all || w.Count(ConnectionsPerPeer) != tt.own {
			t.Errorf("%d: %s %t, reached %d and %d times", i, peer, ok, w.Count(Connections), w.Count(ConnectionsPerPeer))
		}
	}
	o.Remove("192.0.2.1")
	if _, ok := o.Add(&conn{peer: "192.0.2.1"}); !ok || o.Count() != 3 {
		t.Errorf("no place after one was closed, %d open", o.Count())
	}
	for _, peer := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.2"} {
		o.Remove(peer)
	}
	if o.Count() != 0 || len(o.peers) != 0 {
		t.Errorf("%d open, peers %v", o.Count(), o.peers)
	}
}

// The share of one peer leaves a tenth to others.
func TestShare(t *testing.T) {
	for most, want := range map[int]int{1: 1, 9: 9, 10: 9, 100: 90, 10_000: 9000} {
		if got := Share(most); got != want {
			t.Errorf("%d: %d, want %d", most, got, want)
		}
	}
}

// queue is a listener with connections that have come.
type queue struct {
	net.Listener
	conns []net.Conn
}

func (q *queue) Accept() (net.Conn, error) {
	if len(q.conns) == 0 {
		return nil, net.ErrClosed
	}
	c := q.conns[0]
	q.conns = q.conns[1:]
	return c, nil
}

func TestListenerClosesWhatIsTooMuch(t *testing.T) {
	w, _, _ := watched()
	o := NewOpen(ConnectionOptions{Most: 1, Name: ControlConnections, Watch: w})
	first, second, third := &conn{peer: "192.0.2.1"}, &conn{peer: "192.0.2.1"}, &conn{peer: "192.0.2.1"}
	q := &queue{conns: []net.Conn{first, second}}
	ln := o.Listener(q)
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ln.Accept(); err != net.ErrClosed || second.closed != 1 || w.Count(ControlConnections) != 1 {
		t.Errorf("beyond the limit: %v, closed %d times", err, second.closed)
	}
	_ = c.Close()
	_ = c.Close()
	q.conns = []net.Conn{third}
	if _, err := ln.Accept(); err != nil || first.closed != 1 || o.Count() != 1 {
		t.Errorf("after one was closed: %v, %d open", err, o.Count())
	}
}
