package socketmap

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bouncefilter/bouncefilter/filter/limit"
)

// answers is the map of the tests: it has some keys, panics for one, and returns too much for another.
func answers(key string) (string, bool) {
	switch key {
	case "tagged@example.com":
		return "user@example.com", true
	case `"two words"@example.com`:
		return "quoted", true
	case "fails":
		panic("a fault")
	case "long":
		return strings.Repeat("x", MaxReply), true
	}
	return "", false
}

// fixture is a running server.
type fixture struct {
	*Server
	t    *testing.T
	addr string
	log  *logBuffer
}

// logBuffer collects log lines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, limits Limits) *fixture {
	t.Helper()
	f := &fixture{t: t, log: &logBuffer{}}
	var err error
	f.Server, err = New(Options{Maps: map[string]Lookup{"untag": answers}, Limits: limits, Logger: slog.New(slog.NewTextHandler(f.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- f.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := f.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return f
}

func (f *fixture) dial() net.Conn {
	f.t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
	return c
}

// talk lets a client send input at once and nothing more, and returns all replies. It uses no network, which may lose a reply
// when the connection ends before all input was read.
func (f *fixture) talk(input string) string {
	ours, theirs := net.Pipe() // for the deadlines
	defer func() { _, _ = ours.Close(), theirs.Close() }()
	c := &whole{Conn: theirs, Reader: strings.NewReader(input)}
	f.answerAll(c)
	return c.out.String()
}

// ask sends one request and returns the reply without its netstring.
func (f *fixture) ask(c net.Conn, request string) string {
	f.t.Helper()
	if _, err := c.Write(appendNetstring(nil, request)); err != nil {
		f.t.Fatal(err)
	}
	var b [1000]byte
	n, err := c.Read(b[:])
	if err != nil {
		f.t.Fatal(err)
	}
	_, reply, _ := strings.Cut(string(b[:n]), ":")
	return strings.TrimSuffix(reply, ",")
}

// metrics returns the server's metrics by name and label, without what all names begin with.
func (f *fixture) metrics() map[string]float64 {
	f.t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(f.Collector())
	families, err := registry.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := strings.TrimPrefix(family.GetName(), "bouncefilter_socketmap_")
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return values
}

func TestReplies(t *testing.T) {
	f := start(t, Limits{})
	c := f.dial()
	for _, tt := range []struct{ name, request, reply string }{
		{"known", "untag tagged@example.com", "OK user@example.com"},
		{"a key with a space", `untag "two words"@example.com`, "OK quoted"},
		{"unknown", "untag user@example.com", "NOTFOUND "},
		{"no key", "untag ", "NOTFOUND "},
		{"no space", "untag", "NOTFOUND "},
		{"unknown map", "other tagged@example.com", "PERM no such map"},
		{"nothing", "", "PERM no such map"},
		{"lookup that fails", "untag fails", "TEMP lookup failed"},
		{"more than Postfix reads", "untag long", "PERM answer too long"},
		{"known, after all others", "untag tagged@example.com", "OK user@example.com"},
	} {
		if got := f.ask(c, tt.request); got != tt.reply {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.reply)
		}
	}
	want := map[string]float64{"connections_open": 1, "malformed_total": 0,
		"lookups_total found": 3, "lookups_total not-found": 3, "lookups_total unknown-map": 2, "lookups_total failed": 2}
	if got := f.metrics(); !maps.Equal(got, want) {
		t.Errorf("metrics: got %v, want %v", got, want)
	}
	if log := f.log.String(); strings.Count(log, "a client asked for an unknown map") != 1 || !strings.Contains(log, `panic="a fault"`) {
		t.Errorf("log:\n%s", log)
	}
}

func TestRequestsThatArriveTogetherAreAnsweredInOrder(t *testing.T) {
	f := start(t, Limits{})
	var in, want []byte
	for range 1000 {
		in = appendNetstring(appendNetstring(in, "untag tagged@example.com"), "untag nobody@example.com")
		want = appendNetstring(appendNetstring(want, "OK user@example.com"), "NOTFOUND ")
	}
	if got := f.talk(string(in)); got != string(want) {
		t.Errorf("got %d octets, want %d", len(got), len(want))
	}
}

func TestRequestInPieces(t *testing.T) {
	f := start(t, Limits{})
	c := f.dial()
	for _, piece := range strings.SplitAfter(string(appendNetstring(nil, "untag tagged@example.com")), "") {
		if _, err := io.WriteString(c, piece); err != nil {
			t.Fatal(err)
		}
	}
	want := string(appendNetstring(nil, "OK user@example.com"))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestMalformedRequestEndsTheConnection(t *testing.T) {
	f := start(t, Limits{})
	good := string(appendNetstring(nil, "untag tagged@example.com"))
	reply := string(appendNetstring(nil, "OK user@example.com"))
	bad := []string{
		"untag tagged@example.com\n", ":", ":,", "-1:,", "+3:abc,", "03:abc,", "00:,", " 3:abc,", "3 :abc,", "3:abc;", "3:abcd,",
		"3", "3:", "3:ab", "3:abc", "10001:" + strings.Repeat("x", 10001) + ",", "99999:", "100000:", "99999999999999999999:",
	}
	for _, b := range bad {
		if got := f.talk(good + b + good); got != reply && b != "3" && b != "3:" && b != "3:ab" && b != "3:abc" {
			t.Errorf("%.30q: got %q", b, got)
		}
		if got := f.talk(good + b); got != reply {
			t.Errorf("%.30q at the end: got %q", b, got)
		}
	}
	if n := f.stats.malformed.Load(); n != uint64(2*len(bad)) {
		t.Errorf("%d malformed requests counted, want %d", n, 2*len(bad))
	}
	longest := "untag " + strings.Repeat("x", MaxRequest-len("untag "))
	if got := f.talk(string(appendNetstring(nil, longest))); got != string(appendNetstring(nil, "NOTFOUND ")) {
		t.Errorf("the longest request: got %q", got)
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	f := start(t, Limits{Connections: 2})
	first, second := f.dial(), f.dial()
	f.ask(first, "untag x")
	f.ask(second, "untag x")
	third := f.dial()
	if _, err := third.Read(make([]byte, 1)); err == nil {
		t.Error("a third connection was served")
	}
	if n := f.watch.Count(limit.LookupConnections); n != 1 {
		t.Errorf("%d counted", n)
	}
	_ = first.Close()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		c := f.dial()
		_, err := c.Write(appendNetstring(nil, "untag tagged@example.com"))
		if err == nil {
			if _, err = c.Read(make([]byte, 1)); err == nil {
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the place of a closed connection stays taken: %v", err)
		}
	}
}

func TestSilentClientsAreCut(t *testing.T) {
	for name, tt := range map[string]struct {
		limits Limits
		said   string
	}{
		"between requests":  {Limits{IdleTimeout: 20 * time.Millisecond}, ""},
		"within a request":  {Limits{RequestTimeout: 20 * time.Millisecond}, "100:untag"},
		"within the length": {Limits{RequestTimeout: 20 * time.Millisecond}, "10"},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, tt.limits)
			c := f.dial()
			if _, err := io.WriteString(c, tt.said); err != nil {
				t.Fatal(err)
			}
			if n, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("%d octets, %v", n, err)
			}
		})
	}
}

// A client that sends requests and never reads does not hold a goroutine for ever.
func TestClientThatDoesNotReadIsCut(t *testing.T) {
	f := start(t, Limits{WriteTimeout: 50 * time.Millisecond, Rate: 1 << 30})
	c := f.dial()
	request := bytes.Repeat(appendNetstring(nil, "untag tagged@example.com"), 1000)
	for {
		if _, err := c.Write(request); err != nil {
			if strings.Contains(err.Error(), "timeout") {
				t.Error("the connection was still open")
			}
			if n := f.watch.Count(limit.LookupTimeout); n != 1 {
				t.Errorf("reached %d times", n)
			}
			return
		}
	}
}

func TestShutdown(t *testing.T) {
	f := start(t, Limits{})
	idle, cut := f.dial(), f.dial()
	f.ask(idle, "untag x")
	f.ask(cut, "untag x")
	if _, err := io.WriteString(cut, "100:unt"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := f.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{idle, cut} {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a connection is still served")
		}
	}
	if c, err := net.Dial("tcp", f.addr); err == nil {
		_ = c.Close()
		t.Error("connections are still accepted")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Serve(ln); err != nil {
		t.Errorf("Serve after Shutdown: %v", err)
	}
}

// A lookup that hangs does not prevent the end of the daemon.
func TestShutdownDoesNotWaitForever(t *testing.T) {
	hang := make(chan struct{})
	s, err := New(Options{Logger: slog.New(slog.DiscardHandler), Maps: map[string]Lookup{"untag": func(string) (string, bool) { <-hang; return "", false }}})
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	s.serveConn(theirs)
	if _, err := ours.Write(appendNetstring(nil, "untag x")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	context.AfterFunc(ctx, func() { close(hang) })
	if err := s.Shutdown(ctx); err != context.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
}

func TestNewNeedsMaps(t *testing.T) {
	if _, err := New(Options{Logger: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("a server without maps was made")
	}
}

// The rate of one connection is bounded: further requests wait, and are answered all the same.
func TestPace(t *testing.T) {
	const rate = 1000
	start := time.Unix(1_800_000_000, 0)
	var p pace
	for i := range rate {
		if wait := p.next(start.Add(time.Duration(i)*time.Microsecond), rate); wait != 0 {
			t.Fatalf("request %d waits %v", i+1, wait)
		}
	}
	if wait, want := p.next(start.Add(time.Millisecond), rate), time.Second-time.Millisecond; wait != want {
		t.Errorf("one more waits %v, want %v", wait, want)
	}
	for i := range rate - 1 { // in the next second, of which one is used up
		if wait := p.next(start.Add(time.Second), rate); wait != 0 {
			t.Fatalf("request %d of the next second waits %v", i+2, wait)
		}
	}
	if wait := p.next(start.Add(time.Second), rate); wait != time.Second {
		t.Errorf("one more waits %v", wait)
	}
	if wait := p.next(start.Add(time.Hour), rate); wait != 0 {
		t.Errorf("after an hour: %v", wait)
	}
}

func TestRateOfAConnection(t *testing.T) {
	f := start(t, Limits{Rate: 3})
	c := f.dial()
	for i := range 4 {
		if got := f.ask(c, "untag tagged@example.com"); got != string(appendNetstring(nil, "OK user@example.com")) && got != "OK user@example.com" {
			t.Errorf("request %d: %q", i, got)
		}
	}
	if n := f.watch.Count(limit.LookupRate); n != 1 {
		t.Errorf("reached %d times", n)
	}
}

func TestConnectionsOfOnePeer(t *testing.T) {
	f := start(t, Limits{Connections: 10})
	for range 9 {
		f.ask(f.dial(), "untag x")
	}
	if _, err := f.dial().Read(make([]byte, 1)); err == nil {
		t.Error("a tenth connection of one peer was served")
	}
	if n := f.watch.Count(limit.LookupConnectionsPerPeer); n != 1 {
		t.Errorf("reached %d times", n)
	}
}
