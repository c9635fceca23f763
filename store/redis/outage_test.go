package redis_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
	"github.com/bouncefilter/bouncefilter/store/storetest/pace"
)

// timeout is that of a Guard here: long enough for what a busy machine does in time.
const timeout = 4 * time.Second

// guard returns a Guard of the server, with a journal of so many octets.
func newGuard(t *testing.T, srv *server, size int64) (g *guard.Guard, journal string) {
	t.Helper()
	s := open(t, srv.url(""))
	journal = filepath.Join(t.TempDir(), "store.journal")
	g = guard.New(s, guard.Options{
		Timeout:     timeout,
		Probe:       20 * time.Millisecond,
		JournalFile: journal,
		JournalSize: size,
		Logger:      slog.New(slog.DiscardHandler),
	})
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return g, journal
}

// gapMarked says whether a journal's file says that records were lost.
func gapMarked(t *testing.T, journal string) bool {
	t.Helper()
	b, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	return b[64] != '-'
}

func tagOf(n int) store.Record {
	return store.Record{Key: key(n), Expires: today() + 7}
}

// back waits until the Guard has found out that the server is back.
func back(t *testing.T, g *guard.Guard) {
	t.Helper()
	eventually(t, "the guard notices that the server is back", g.Available)
}

// outage is a way in which a server does not take records for a while.
type outage struct {
	name       string
	begin, end func(t *testing.T, srv *server)
	keeps      bool // what was recorded before
}

func outages() []outage {
	return []outage{
		{
			"killed and started again",
			func(t *testing.T, srv *server) { srv.Kill(t) },
			func(t *testing.T, srv *server) { srv.Start(t) },
			false,
		},
		{
			"hanging",
			func(t *testing.T, srv *server) { srv.Pause(t) },
			func(t *testing.T, srv *server) { srv.Resume(t) },
			true,
		},
		{
			"out of memory",
			func(t *testing.T, srv *server) { set(t, srv, "maxmemory", "1") },
			func(t *testing.T, srv *server) { set(t, srv, "maxmemory", "0") },
			true,
		},
	}
}

// What is recorded during an outage is found after it.
func TestGuardKeepsTheRecordsOfAnOutage(t *testing.T) {
	t.Parallel()
	for _, outage := range outages() {
		t.Run(outage.name, func(t *testing.T) {
			srv := startServer(t)
			g, journal := newGuard(t, srv, 0)
			if err := g.Record(t.Context(), today(), "example.com", tagOf(1)); err != nil {
				t.Fatal(err)
			}
			before, err := g.Lookup(t.Context(), today(), nil)
			if err != nil {
				t.Fatal(err)
			}
			outage.begin(t, srv)
			const n = 600
			qs := make([]store.Query, n)
			var wait sync.WaitGroup
			for i := range n {
				qs[i].Key = key(10 + i)
				wait.Go(func() {
					if err := g.Record(t.Context(), today(), "example.com", tagOf(10+i)); err != nil {
						t.Errorf("Record during the outage: %v", err)
					}
				})
			}
			wait.Wait()
			if j := g.Journal(); g.Gap() || gapMarked(t, journal) || j.Entries != n {
				t.Errorf("gap %t, mark %t, %+v", g.Gap(), gapMarked(t, journal), j)
			}
			outage.end(t, srv)
			back(t, g)
			a, err := g.Lookup(t.Context(), today(), qs)
			if err != nil {
				t.Fatal(err)
			}
			for i, found := range a.Found {
				if !found {
					t.Errorf("record %d is not found", i)
				}
			}
			if outage.keeps != a.Complete.Since.Equal(before.Complete.Since) || a.Complete.Since.IsZero() {
				t.Errorf("Since %v, before the outage %v", a.Complete.Since, before.Complete.Since)
			}
		})
	}
}

// Records that could not be journalled during an outage are a gap after it.
func TestGuardThroughAnOutage(t *testing.T) {
	t.Parallel()
	for _, outage := range outages() {
		t.Run(outage.name, func(t *testing.T) {
			srv := startServer(t)
			g, journal := newGuard(t, srv, 1)
			if err := g.Record(t.Context(), today(), "example.com", tagOf(1)); err != nil {
				t.Fatal(err)
			}
			outage.begin(t, srv)
			meter := pace.Start(t)
			start := time.Now()
			if err := g.Record(t.Context(), today(), "example.com", tagOf(2)); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Record during the outage: %v", err)
			}
			// The timeout, once for the call and once for the mark on disk.
			if d, limit := time.Since(start), meter.Allow(2*timeout+time.Second, 10); d > limit {
				t.Errorf("the first message took %v, expected %v at the most", d, limit)
			}
			if !gapMarked(t, journal) {
				t.Error("the gap is not marked")
			}
			start = time.Now()
			for n := range 1000 {
				_ = g.Record(t.Context(), today(), "example.com", tagOf(10+n))
			}
			if d, limit := time.Since(start), meter.Allow(time.Second, 10); d > limit {
				t.Errorf("1000 messages after it took %v, expected %v at the most", d, limit)
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
			if !a.Complete.Since.After(lost) {
				t.Errorf("Since %v, the last record was lost at %v", a.Complete.Since, lost)
			}
			eventually(t, "the gap is not marked any more", func() bool { return !gapMarked(t, journal) })
			if err := g.Record(t.Context(), today(), "example.com", tagOf(3)); err != nil {
				t.Errorf("Record after the outage: %v", err)
			}
		})
	}
}

func set(t *testing.T, srv *server, name, value string) {
	t.Helper()
	if err := srv.admin(t).ConfigSet(t.Context(), name, value).Err(); err != nil {
		t.Fatal(err)
	}
}
