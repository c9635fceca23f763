package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/remedy"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/status"
	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/filter/limit"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

// stub is a daemon whose store does not answer, and at whose barrier requests wait until they are ended.
type stub struct {
	waiting chan struct{} // has a value for each request that waits at the barrier
	ended   chan struct{} // and for each that no longer does
}

func (*stub) Status(context.Context) (*status.Status, error) { return nil, store.ErrUnavailable }
func (*stub) Keys() []Key                                    { return nil }
func (*stub) Known() Known                                   { return Known{Store: "redis://127.0.0.1:6379"} }
func (*stub) Store() store.Store                             { return &storetest.Fake{Err: store.ErrUnavailable} }
func (s *stub) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	return s.Store().Lookup(ctx, today, qs)
}
func (*stub) FlushFigures(context.Context) error { return store.ErrUnavailable }
func (*stub) RefreshRevocations(context.Context) {}
func (*stub) BeginTest() (string, error)         { return "", filter.ErrTooManyTests }
func (*stub) EndTest(string)                     {}
func (s *stub) Barrier(ctx context.Context) (passed, waited bool) {
	s.waiting <- struct{}{}
	<-ctx.Done()
	s.ended <- struct{}{}
	return false, true
}

// served is a server of a test.
type served struct {
	socket string
	watch  *limit.Watch
	close  func() error // of the server; the end of the test calls it, too
}

func serve(t *testing.T) (*stub, served, *Client) {
	t.Helper()
	d := &stub{waiting: make(chan struct{}, 9), ended: make(chan struct{}, 9)}
	s, c := serveDaemon(t, d)
	return d, s, c
}

func serveDaemon(t *testing.T, d Daemon) (served, *Client) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "control.sock")
	watch := limit.NewWatch(slog.New(slog.DiscardHandler), time.Now)
	s, err := Listen(socket, d, watch, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve() }()
	closeOnce := sync.OnceValue(s.Close)
	t.Cleanup(func() {
		_ = closeOnce()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return served{socket, watch, closeOnce}, NewClient(socket)
}

// Commands beyond the limit find the socket closed, and those that are there are answered.
func TestConnectionsAreLimited(t *testing.T) {
	_, s, c := serve(t)
	conns := make([]net.Conn, maxConnections)
	for i := range conns {
		nc, err := net.Dial("unix", s.socket)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		conns[i] = nc
	}
	last := conns[maxConnections-1]
	_, _ = io.WriteString(last, "GET /keys HTTP/1.1\r\nHost: x\r\n\r\n")
	if n, err := last.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("the last connection: %v", err)
	}
	if _, err := c.Keys(t.Context()); err == nil {
		t.Error("one more is served")
	}
	if n := s.watch.Count(limit.ControlConnections); n == 0 {
		t.Error("that was not counted")
	}
	for _, nc := range conns {
		_ = nc.Close()
	}
	for deadline := time.Now().Add(2 * time.Minute); ; {
		if _, err := c.Keys(t.Context()); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("the places stay taken: %v", err)
		}
	}
}

// A request of the longest body is read, and one of an octet more is not.
func TestRequestsAreLimited(t *testing.T) {
	_, s, _ := serve(t)
	for octets, want := range map[int]string{maxRequest: "HTTP/1.1 503", maxRequest + 1: "HTTP/1.1 400"} {
		nc, err := net.Dial("unix", s.socket)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		body := `{"queries":[]` + strings.Repeat(" ", octets-len(`{"queries":[]}`)) + "}"
		go func() {
			fmt.Fprintf(nc, "POST /lookup HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", octets, body)
		}()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(nc, got); err != nil || string(got) != want {
			t.Errorf("%d octets: %q, %v", octets, got, err)
		}
	}
}

func TestClientSaysWhatTheDaemonSays(t *testing.T) {
	_, _, c := serve(t)
	if _, err := c.Nodes(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "the daemon says: the store does not answer: ") {
		t.Errorf("got %v", err)
	}
}

func TestClientSaysThatTooManyTestsAreUnderWay(t *testing.T) {
	_, _, c := serve(t)
	if _, err := c.BeginTest(t.Context()); err == nil || err.Error() != "the daemon says: too many tests at the same time" {
		t.Errorf("got %v", err)
	}
}

func TestDaemonWithAnotherStore(t *testing.T) {
	_, _, c := serve(t)
	if err := c.sameStore(t.Context(), &config.Config{Store: "redis://127.0.0.1:6379"}); err != nil {
		t.Errorf("the same store: %v", err)
	}
	err := c.sameStore(t.Context(), &config.Config{Store: "redis://127.0.0.1:6380"})
	if err == nil || !strings.Contains(err.Error(), "uses another store than the configuration names: redis://127.0.0.1:6379, not redis://127.0.0.1:6380") || remedy.Of(err) == "" {
		t.Errorf("another store: %v", err)
	}
}

// One command waits at the barrier at a time, no longer than its client, and none is there any more when the server is closed.
func TestCommandsAtTheBarrier(t *testing.T) {
	d, s, c := serve(t)
	ask := func() (end context.CancelFunc, done <-chan error) {
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() {
			_, _, err := c.Barrier(ctx)
			result <- err
		}()
		return cancel, result
	}
	end, first := ask()
	<-d.waiting
	endSecond, second := ask()
	defer endSecond()
	select {
	case <-d.waiting:
		t.Fatal("two commands wait at the barrier")
	case <-time.After(50 * time.Millisecond):
	}
	end()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first: %v", err)
	}
	<-d.ended
	<-d.waiting // the second
	if err := s.close(); err != nil {
		t.Error(err)
	}
	select {
	case <-d.ended:
	default:
		t.Error("a request uses the daemon after Close")
	}
	if err := <-second; err == nil {
		t.Error("the second was answered")
	}
}
