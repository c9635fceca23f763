package acceptor

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/limit"
)

// listener returns what it was given, one accepted connection or error at a time, and then blocks until it is closed.
type listener struct {
	net.Listener
	results []result
	closed  chan struct{}
}

type result struct {
	conn net.Conn
	err  error
}

func newListener(results ...result) *listener {
	return &listener{results: results, closed: make(chan struct{})}
}

func (l *listener) Accept() (net.Conn, error) {
	if len(l.results) > 0 {
		r := l.results[0]
		l.results = l.results[1:]
		return r.conn, r.err
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *listener) Close() error {
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return nil
}

// conn counts what the acceptor calls.
type conn struct {
	net.Conn
	drained, abandoned chan struct{}
}

func newConn() *conn { return &conn{drained: make(chan struct{}), abandoned: make(chan struct{})} }

func (c *conn) Drain()   { close(c.drained) }
func (c *conn) Abandon() { close(c.abandoned) }

// LocalAddr and RemoteAddr are unknown.
func (c *conn) LocalAddr() net.Addr  { return nil }
func (c *conn) RemoteAddr() net.Addr { return nil }

func options(most int) Options {
	return Options{
		Open: limit.NewOpen(limit.ConnectionOptions{
			Most: most, Name: limit.Connections, Watch: limit.NewWatch(slog.New(slog.DiscardHandler), time.Now),
		}),
		Failed: func(net.Listener, error, time.Duration) {},
	}
}

func TestPausesDoubleUpToOneSecondAndBeginAnewAfterAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := result{err: errors.New("too many open files")}
		ln := newListener(full, full, full, full, full, full, full, full, full, full, result{conn: newConn()}, full)
		var pauses []time.Duration
		o := options(1)
		o.Failed = func(_ net.Listener, err error, pause time.Duration) {
			if err != full.err {
				t.Errorf("error: %v", err)
			}
			pauses = append(pauses, pause)
		}
		a := New(o)
		served := 0
		start := time.Now()
		done := make(chan error)
		go func() { done <- a.Serve(ln, func(net.Conn) { served++ }) }()
		time.Sleep(time.Minute)
		if err := a.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		ms := time.Millisecond
		want := []time.Duration{5 * ms, 10 * ms, 20 * ms, 40 * ms, 80 * ms, 160 * ms, 320 * ms, 640 * ms, 1000 * ms, 1000 * ms, 5 * ms}
		if !slices.Equal(pauses, want) || served != 1 {
			t.Errorf("pauses %v, %d connections", pauses, served)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("Serve ended after %v", took)
		}
	})
}

func TestServeReturnsTheErrorOfAListenerThatAnotherCallerClosed(t *testing.T) {
	ln := newListener()
	_ = ln.Close()
	if err := New(options(1)).Serve(ln, func(net.Conn) {}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestLimit(t *testing.T) {
	a := New(options(2))
	first, second, third := newConn(), newConn(), newConn()
	if !a.Add(first, first) || !a.Add(second, second) || a.Add(third, third) || a.Open() != 2 {
		t.Errorf("at the limit: %d open", a.Open())
	}
	a.Remove(third) // was not added
	a.Remove(first)
	if !a.Add(third, third) || a.Open() != 2 {
		t.Errorf("after one was closed: %d open", a.Open())
	}
}

func TestShutdownWaitsForOpenConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, ln, c := New(options(1)), newListener(), newConn()
		served := make(chan error)
		go func() { served <- a.Serve(ln, nil) }()
		synctest.Wait()
		if !a.Accepting() || a.Closing() || !a.Add(c, c) {
			t.Fatal("the acceptor does not accept")
		}
		done := make(chan error)
		go func() { done <- a.Shutdown(context.Background()) }()
		<-c.drained
		synctest.Wait()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		select {
		case err := <-done:
			t.Fatalf("Shutdown did not wait: %v", err)
		default:
		}
		if a.Accepting() || !a.Closing() || a.Add(newConn(), newConn()) {
			t.Error("the acceptor still accepts")
		}
		a.Remove(c)
		if err := <-done; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := a.Serve(newListener(), nil); err != nil {
			t.Errorf("Serve after Shutdown: %v", err)
		}
	})
}

func TestShutdownAbandonsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := New(options(1)), newConn()
		a.Add(c, c)
		go func() {
			<-c.abandoned
			a.Remove(c)
		}()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := a.Shutdown(ctx); err != context.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
		if a.Open() != 0 {
			t.Errorf("%d connections are open", a.Open())
		}
	})
}
