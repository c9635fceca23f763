package redis_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// guard returns a Guard of the server, with a gap file.
func guard(t *testing.T, srv *server) (g *store.Guard, gapFile string) {
	t.Helper()
	s := open(t, srv.url(""))
	gapFile = filepath.Join(t.TempDir(), "gap")
	g = store.NewGuard(s, store.GuardOptions{
		Probe:   20 * time.Millisecond,
		GapFile: gapFile,
		Logger:  slog.New(slog.DiscardHandler),
	})
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return g, gapFile
}

func tagOf(n int) store.Record {
	return store.Record{Key: key(n), Expires: today() + 7}
}

// back waits until the Guard has found out that the server is back.
func back(t *testing.T, g *store.Guard) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !g.Available(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the guard does not notice that the server is back")
		}
	}
}

func TestGuardThroughAnOutage(t *testing.T) {
	for _, outage := range []struct {
		name       string
		begin, end func(t *testing.T, srv *server)
		keeps      bool // what was recorded before
	}{
		{
			"killed and started again",
			func(t *testing.T, srv *server) { srv.kill(t) },
			func(t *testing.T, srv *server) { srv.start(t) },
			false,
		},
		{
			"hanging",
			func(t *testing.T, srv *server) { signal(t, srv, syscall.SIGSTOP) },
			func(t *testing.T, srv *server) { signal(t, srv, syscall.SIGCONT) },
			true,
		},
		{
			"out of memory",
			func(t *testing.T, srv *server) { set(t, srv, "maxmemory", "1") },
			func(t *testing.T, srv *server) { set(t, srv, "maxmemory", "0") },
			true,
		},
	} {
		t.Run(outage.name, func(t *testing.T) {
			srv := startServer(t)
			g, gapFile := guard(t, srv)
			if err := g.Record(t.Context(), today(), "example.com", tagOf(1)); err != nil {
				t.Fatal(err)
			}
			outage.begin(t, srv)
			start := time.Now()
			if err := g.Record(t.Context(), today(), "example.com", tagOf(2)); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Record during the outage: %v", err)
			}
			// The timeout, once for the call and once for the mark on disk, and some for a busy machine.
			if d := time.Since(start); d > 2*store.DefaultTimeout+time.Second {
				t.Errorf("the first message took %v", d)
			}
			if _, err := os.Stat(gapFile); err != nil {
				t.Errorf("gap file: %v", err)
			}
			start = time.Now()
			for n := range 1000 {
				_ = g.Record(t.Context(), today(), "example.com", tagOf(10+n))
			}
			if d := time.Since(start); d > time.Second {
				t.Errorf("1000 messages after it took %v", d)
			}
			lost := time.Now()

			outage.end(t, srv)
			back(t, g)
			a, err := g.Lookup(t.Context(), today(), store.AnyDay(key(1), key(10)))
			if err != nil {
				t.Fatal(err)
			}
			if a.Found[0] != outage.keeps || a.Found[1] {
				t.Errorf("found %v, want %t and false", a.Found, outage.keeps)
			}
			if !a.Memory.Since.After(lost) {
				t.Errorf("Since %v, the last record was lost at %v", a.Memory.Since, lost)
			}
			if _, err := os.Stat(gapFile); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("gap file after the outage: %v", err)
			}
			if err := g.Record(t.Context(), today(), "example.com", tagOf(3)); err != nil {
				t.Errorf("Record after the outage: %v", err)
			}
		})
	}
}

func signal(t *testing.T, srv *server, sig syscall.Signal) {
	t.Helper()
	if err := srv.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

func set(t *testing.T, srv *server, name, value string) {
	t.Helper()
	if err := srv.admin(t).ConfigSet(t.Context(), name, value).Err(); err != nil {
		t.Fatal(err)
	}
}
