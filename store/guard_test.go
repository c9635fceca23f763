package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// flaky is a store in memory whose calls can be made to fail or to hang.
type flaky struct {
	*memory.Store
	mu      sync.Mutex
	err     error // what calls fail with; nil for nothing
	only    string
	hang    bool // failing calls wait for the end of their context
	records int
	lookups int
	forgets []time.Time
	closed  atomic.Bool
}

func newFlaky() *flaky { return &flaky{Store: memory.New()} }

// fail makes the calls of one method fail, or those of all if only is empty.
func (f *flaky) fail(err error, only string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.only = err, only
}

func (f *flaky) call(ctx context.Context, method string) error {
	f.mu.Lock()
	err, hang := f.err, f.hang
	if f.only != "" && f.only != method {
		err = nil
	}
	switch method {
	case "Record":
		f.records++
	case "Lookup":
		f.lookups++
	}
	f.mu.Unlock()
	if err != nil && hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (f *flaky) calls() (records, lookups int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.records, f.lookups
}

func (f *flaky) forgotten() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.forgets
}

func (f *flaky) Record(ctx context.Context, today store.Day, domain string, rs ...store.Record) error {
	if err := f.call(ctx, "Record"); err != nil {
		return err
	}
	return f.Store.Record(ctx, today, domain, rs...)
}

func (f *flaky) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	if err := f.call(ctx, "Lookup"); err != nil {
		return store.Answer{}, err
	}
	return f.Store.Lookup(ctx, today, qs)
}

func (f *flaky) MarkIncomplete(ctx context.Context, at time.Time) error {
	if err := f.call(ctx, "MarkIncomplete"); err != nil {
		return err
	}
	f.mu.Lock()
	f.forgets = append(f.forgets, at)
	f.mu.Unlock()
	return f.Store.MarkIncomplete(ctx, at)
}

func (f *flaky) Close() error { f.closed.Store(true); return f.Store.Close() }

var errDown = errors.New("connection refused")

// logs collects log lines.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

// newGuard returns a Guard with a journal that has no room for entries, unless journal is empty: what the store does not
// take is lost.
func newGuard(t *testing.T, s store.Store, journal string) (*store.Guard, *logs) {
	t.Helper()
	return newJournalGuard(t, s, journal, 1)
}

func newJournalGuard(t *testing.T, s store.Store, journal string, size int64) (*store.Guard, *logs) {
	t.Helper()
	l := &logs{}
	g := store.NewGuard(s, store.GuardOptions{JournalFile: journal, JournalSize: size, Logger: slog.New(slog.NewTextHandler(l, nil))})
	return g, l
}

func today() store.Day { return store.DayOf(time.Now()) }

func rec(n byte) store.Record {
	return store.Record{Key: store.Key{n}, Expires: today() + 7}
}

func exists(path string) bool { _, err := os.Lstat(path); return err == nil }

// gapMarked says whether a journal's file says that records were lost.
func gapMarked(path string) bool {
	b, err := os.ReadFile(path)
	return err == nil && b[64] != '-'
}

func TestGuardWritesWhatIsNewOnly(t *testing.T) {
	s := newFlaky()
	g, _ := newGuard(t, s, "")
	defer g.Close()
	day := today()
	for i, step := range []struct {
		day     store.Day
		r       store.Record
		written int // so far
	}{
		{day, store.Record{Key: store.Key{1}, Expires: day + 7}, 1},
		{day, store.Record{Key: store.Key{1}, Expires: day + 7}, 1},
		{day, store.Record{Key: store.Key{1}, Expires: day + 6}, 1},
		{day, store.Record{Key: store.Key{1}, Expires: day + 8}, 2},
		{day, store.Record{Key: store.Key{1}, Expires: day + 8}, 2},
		{day, store.Record{Key: store.Key{2}, Expires: day + 7}, 3},
		{day + 1, store.Record{Key: store.Key{1}, Expires: day + 8}, 4},
		{day + 1, store.Record{Key: store.Key{1}, Expires: day + 8}, 4},
		{day, store.Record{Key: store.Key{1}, Expires: day + 8}, 5}, // A call that began before midnight.
		{day + 1, store.Record{Key: store.Key{1}, Expires: day + 8}, 5},
		{day + 1, store.Record{Key: store.Key{3}, Expires: day + 8, Count: 1}, 6},
		{day + 1, store.Record{Key: store.Key{3}, Expires: day + 8, Count: 1}, 7}, // What counts is always written.
	} {
		if err := g.Record(t.Context(), step.day, "", step.r); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if n, _ := s.calls(); n != step.written {
			t.Errorf("step %d: written %d times, want %d", i, n, step.written)
		}
	}
}

// Of the records of one message those are left out that are known already.
func TestGuardWritesWhatIsNew(t *testing.T) {
	s := newFlaky()
	g, _ := newGuard(t, s, "")
	defer g.Close()
	day := today()
	count := func(n byte) uint32 {
		t.Helper()
		a, err := g.Lookup(t.Context(), day, store.AnyDay(store.Key{n}))
		if err != nil || !a.Found[0] {
			t.Fatalf("record %d: %v, %v", n, a, err)
		}
		return a.Counts[0]
	}
	tag := store.Record{Key: store.Key{1}, Expires: day + 7, Count: 2}
	friend := store.Record{Key: store.Key{2}, Expires: day + 30}
	other := store.Record{Key: store.Key{3}, Expires: day + 30}
	for i, message := range [][]store.Record{{tag, friend}, {friend, tag, other}, {friend, other}, {other, tag}} {
		if err := g.Record(t.Context(), day, "example.com", message...); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if written, _ := s.calls(); written != 3 || count(1) != 6 || count(2) != 0 || count(3) != 0 {
		t.Errorf("%d writes, counts %d %d %d", written, count(1), count(2), count(3))
	}
}

// A note that is lost is no gap in the record, but the store is left alone for a while all the same.
func TestGuardLosesANoteWithoutAGap(t *testing.T) {
	s := newFlaky()
	gap := filepath.Join(t.TempDir(), "store.journal")
	g, _ := newGuard(t, s, gap)
	defer g.Close()
	if err := g.RecordBestEffort(t.Context(), today(), rec(1)); err != nil {
		t.Fatal(err)
	}
	s.fail(errDown, "")
	if err := g.RecordBestEffort(t.Context(), today(), rec(2)); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("RecordBestEffort: %v", err)
	}
	if g.Gap() || gapMarked(gap) || g.Available() {
		t.Errorf("gap %v, mark %v, available %v", g.Gap(), gapMarked(gap), g.Available())
	}
	if err := g.RecordBestEffort(t.Context(), today(), rec(3)); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("RecordBestEffort with an open circuit: %v", err)
	}
	if n, _ := s.calls(); n != 2 {
		t.Errorf("%d calls reached the store", n)
	}
}

func TestGuardCacheIsBounded(t *testing.T) {
	s := newFlaky()
	// The timeout is not what is tested here, and 400,000 calls on a busy machine may meet it.
	g := store.NewGuard(s, store.GuardOptions{Timeout: time.Minute, Logger: slog.New(slog.DiscardHandler)})
	defer g.Close()
	const n = 200_000
	day := today()
	for range 2 {
		for i := range n {
			r := store.Record{Expires: day}
			binary.BigEndian.PutUint32(r.Key[store.KeySize-4:], uint32(i))
			if err := g.Record(t.Context(), day, "example.com", r); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The cache holds 2^17 keys at most, so most of the second round is written again.
	if written, _ := s.calls(); written < 2*n-1<<17 {
		t.Errorf("%d of %d records written: more were kept than the cache may hold", written, 2*n)
	}
}

func TestGuardOpensTheCircuit(t *testing.T) {
	for _, method := range []string{"Record", "Lookup"} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFlaky()
				g, l := newGuard(t, s, "")
				defer g.Close()
				s.fail(errDown, "")
				call := func() error {
					if method == "Record" {
						return g.Record(t.Context(), today(), "example.com", rec(1))
					}
					_, err := g.Lookup(t.Context(), today(), nil)
					return err
				}
				if err := call(); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, errDown) {
					t.Errorf("first call: %v", err)
				}
				for range 100 {
					if err := call(); !errors.Is(err, store.ErrUnavailable) {
						t.Errorf("next call: %v", err)
					}
				}
				if records, lookups := s.calls(); records+lookups != 1 {
					t.Errorf("the store got %d calls, want 1", records+lookups)
				}
				if g.Available() || g.Failures() != 1 || g.Refused() != 100 || g.Gap() != (method == "Record") {
					t.Errorf("available %t, failures %d, refused %d, gap %t", g.Available(), g.Failures(), g.Refused(), g.Gap())
				}

				time.Sleep(10*store.DefaultProbe + time.Millisecond)
				if records, lookups := s.calls(); records+lookups != 11 {
					t.Errorf("the store got %d calls in 10 probe times, want 10", records+lookups-1)
				}
				s.fail(nil, "")
				time.Sleep(store.DefaultProbe)
				synctest.Wait()
				if !g.Available() || g.Gap() {
					t.Errorf("after its return: available %t, gap %t", g.Available(), g.Gap())
				}
				if err := call(); err != nil {
					t.Errorf("call after its return: %v", err)
				}
				if l.count("store unavailable") != 1 || l.count("store available again") != 1 {
					t.Errorf("log:\n%s", &l.buf)
				}
			})
		})
	}
}

func TestGuardBoundsACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFlaky()
		s.hang = true
		g, _ := newGuard(t, s, "")
		defer g.Close()
		s.fail(errDown, "")
		start := time.Now()
		if err := g.Record(t.Context(), today(), "example.com", rec(1)); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Record: %v", err)
		}
		if d := time.Since(start); d != store.DefaultTimeout {
			t.Errorf("it took %v, want %v", d, store.DefaultTimeout)
		}
		for range 1000 {
			_ = g.Record(t.Context(), today(), "example.com", rec(1))
			_, _ = g.Lookup(t.Context(), today(), nil)
		}
		if d := time.Since(start); d != store.DefaultTimeout {
			t.Errorf("calls after the first took %v", d-store.DefaultTimeout)
		}
	})
}

// No message waits for a note, so that it may wait for the store.
func TestGuardHasPatienceWithNotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFlaky()
		s.hang = true
		g, _ := newGuard(t, s, "")
		defer g.Close()
		s.fail(errDown, "")
		start := time.Now()
		done := make(chan error)
		go func() { done <- g.RecordBestEffort(t.Context(), today(), rec(1)) }()
		time.Sleep(4 * store.DefaultTimeout)
		if !g.Available() {
			t.Error("a note that takes long keeps messages from the store")
		}
		if err := <-done; !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("RecordBestEffort: %v", err)
		}
		if d := time.Since(start); d != 2*time.Second || g.Available() {
			t.Errorf("it took %v, available %v", d, g.Available())
		}
	})
}

// Whatever was lost during an outage, the memory begins after it once the store is back, on all nodes.
func TestGuardMovesTheMemoryPastAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gap := filepath.Join(t.TempDir(), "store.journal")
		s := newFlaky()
		g, _ := newGuard(t, s, gap)
		defer g.Close()
		if err := g.Record(t.Context(), today(), "example.com", rec(1)); err != nil {
			t.Fatal(err)
		}
		if gapMarked(gap) {
			t.Error("there is a mark without a gap")
		}
		s.fail(errDown, "")
		if g.Record(t.Context(), today(), "example.com", rec(2)) == nil {
			t.Fatal("Record: no error")
		}
		if !gapMarked(gap) {
			t.Error("Record returned before the gap was marked")
		}
		time.Sleep(5 * time.Second)
		if g.Record(t.Context(), today(), "example.com", rec(3)) == nil {
			t.Fatal("Record: no error")
		}
		lost := time.Now()

		s.fail(nil, "")
		time.Sleep(store.DefaultProbe)
		synctest.Wait()
		a, err := g.Lookup(t.Context(), today(), store.AnyDay(store.Key{1}, store.Key{2}, store.Key{3}))
		if err != nil || !a.Found[0] {
			t.Fatalf("Lookup: %+v, %v", a, err)
		}
		if !a.Complete.Since.After(lost) || a.Complete.Since.Sub(lost) > 2*time.Minute {
			t.Errorf("Since %v, the last record was lost at %v", a.Complete.Since, lost)
		}
		if gapMarked(gap) || g.Gap() {
			t.Error("the gap is still open")
		}
		// The next outage is marked again.
		s.fail(errDown, "")
		if g.Record(t.Context(), today(), "example.com", rec(4)) == nil || !gapMarked(gap) {
			t.Error("the second outage is not marked")
		}
	})
}

func TestGuardLookupFailureIsNoGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gap := filepath.Join(t.TempDir(), "store.journal")
		s := newFlaky()
		g, _ := newGuard(t, s, gap)
		defer g.Close()
		s.fail(errDown, "")
		if _, err := g.Lookup(t.Context(), today(), nil); err == nil {
			t.Fatal("no error")
		}
		s.fail(nil, "")
		time.Sleep(store.DefaultProbe)
		synctest.Wait()
		if !g.Available() || gapMarked(gap) || len(s.forgotten()) > 0 {
			t.Errorf("available %t, mark %t, forgotten %v", g.Available(), gapMarked(gap), s.forgotten())
		}
	})
}

// A Record that is refused while the circuit is open is lost like any other.
func TestGuardRefusedRecordIsAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gap := filepath.Join(t.TempDir(), "store.journal")
		s := newFlaky()
		g, _ := newGuard(t, s, gap)
		defer g.Close()
		s.fail(errDown, "Lookup")
		if _, err := g.Lookup(t.Context(), today(), nil); err == nil {
			t.Fatal("no error")
		}
		if err := g.Record(t.Context(), today(), "example.com", rec(1)); !errors.Is(err, store.ErrUnavailable) || !gapMarked(gap) {
			t.Errorf("Record: %v; mark %t", err, gapMarked(gap))
		}
		s.fail(nil, "")
		time.Sleep(2 * store.DefaultProbe)
		synctest.Wait()
		if len(s.forgotten()) != 1 || gapMarked(gap) || !g.Available() {
			t.Errorf("forgotten %v, mark %t, available %t", s.forgotten(), gapMarked(gap), g.Available())
		}
	})
}

// A store that answers but does not take records is not back, and neither is one that cannot be told of the gap.
func TestGuardStaysOpenUntilTheStoreTakesRecordsAndForgets(t *testing.T) {
	for _, method := range []string{"Record", "MarkIncomplete"} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gap := filepath.Join(t.TempDir(), "store.journal")
				s := newFlaky()
				g, l := newGuard(t, s, gap)
				defer g.Close()
				s.fail(errDown, "")
				_ = g.Record(t.Context(), today(), "example.com", rec(1))
				s.fail(errDown, method)
				time.Sleep(time.Minute)
				if g.Available() || !gapMarked(gap) || l.count("available again") > 0 {
					t.Errorf("available %t, mark %t", g.Available(), gapMarked(gap))
				}
				s.fail(nil, "")
				time.Sleep(2 * store.DefaultProbe)
				if !g.Available() || gapMarked(gap) {
					t.Errorf("after its return: available %t, mark %t", g.Available(), gapMarked(gap))
				}
			})
		})
	}
}

func TestGuardRemembersAGapOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gap := filepath.Join(t.TempDir(), "store.journal")
		s := newFlaky()
		if err := s.Store.Record(t.Context(), today(), "example.com", rec(1)); err != nil {
			t.Fatal(err)
		}
		g, _ := newGuard(t, s, gap)
		s.fail(errDown, "")
		_ = g.Record(t.Context(), today(), "example.com", rec(2))
		if err := g.Close(); err != nil || !s.closed.Load() {
			t.Fatalf("Close: %v, store closed: %t", err, s.closed.Load())
		}
		if !gapMarked(gap) {
			t.Fatal("Close removed the mark")
		}

		// The store is still down at the next start.
		g, l := newGuard(t, s, gap)
		if g.Available() || !g.Gap() {
			t.Errorf("second start: available %t, gap %t", g.Available(), g.Gap())
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		if !gapMarked(gap) || l.count("records were lost before this start") != 1 {
			t.Errorf("mark %t, log:\n%s", gapMarked(gap), &l.buf)
		}

		// It is up at the one after: the first message already finds the memory moved.
		s.fail(nil, "")
		restarted := time.Now()
		g, _ = newGuard(t, s, gap)
		defer g.Close()
		a, err := g.Lookup(t.Context(), today(), store.AnyDay(store.Key{1}))
		if err != nil || !a.Found[0] || !a.Complete.Since.After(restarted) {
			t.Errorf("Lookup: %+v, %v; want Since after %v", a, err, restarted)
		}
		if gapMarked(gap) || g.Gap() || !g.Available() {
			t.Errorf("mark %t, gap %t, available %t", gapMarked(gap), g.Gap(), g.Available())
		}
	})
}

func TestGuardSaysWhenItCannotMarkAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFlaky()
		g, l := newGuard(t, s, filepath.Join(t.TempDir(), "no", "such", "folder", "store.journal"))
		defer g.Close()
		s.fail(errDown, "")
		for n := range byte(10) {
			_ = g.Record(t.Context(), today(), "example.com", rec(n))
		}
		if l.count("cannot mark") != 1 {
			t.Errorf("log:\n%s", &l.buf)
		}
		s.fail(nil, "")
		time.Sleep(2 * store.DefaultProbe)
		if !g.Available() || len(s.forgotten()) != 1 {
			t.Errorf("available %t, forgotten %v", g.Available(), s.forgotten())
		}
	})
}

func TestGuardAndCallersThatGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFlaky()
		g, _ := newGuard(t, s, "")
		defer g.Close()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.Record(gone, today(), "example.com", rec(1)); err != nil {
			t.Errorf("Record for a client that has gone: %v", err)
		}
		if _, err := g.Lookup(gone, today(), nil); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("Lookup for a client that has gone: %v", err)
		}
		if !g.Available() || g.Failures() != 0 {
			t.Errorf("available %t, failures %d", g.Available(), g.Failures())
		}
	})
}

func TestGuardUnderLoadThroughOutages(t *testing.T) {
	s := newFlaky()
	gap := filepath.Join(t.TempDir(), "store.journal")
	g := store.NewGuard(s, store.GuardOptions{
		Probe: time.Millisecond, JournalFile: gap, JournalSize: 1, Logger: slog.New(slog.DiscardHandler),
	})
	defer g.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	var lastLost atomic.Int64
	for c := range byte(8) {
		wait.Go(func() {
			h := store.NewHasher([]byte{c})
			for n := store.Day(0); ctx.Err() == nil; n++ {
				r := store.Record{Key: h.Tag("", n, 0), Expires: today() + 7}
				if err := g.Record(t.Context(), today(), "example.com", r); err != nil {
					lastLost.Store(time.Now().UnixNano())
				}
				_, _ = g.Lookup(t.Context(), today(), store.AnyDay(r.Key))
			}
		})
	}
	for range 20 {
		s.fail(errDown, "")
		time.Sleep(5 * time.Millisecond)
		s.fail(nil, "")
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	wait.Wait()
	for end := time.Now().Add(10 * time.Second); !g.Available() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	for end := time.Now().Add(10 * time.Second); gapMarked(gap) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	a, err := g.Lookup(t.Context(), today(), nil)
	if err != nil || g.Gap() || gapMarked(gap) {
		t.Fatalf("after the outages: %v, gap %t, mark %t", err, g.Gap(), gapMarked(gap))
	}
	if lost := time.Unix(0, lastLost.Load()); lastLost.Load() == 0 || !a.Complete.Since.After(lost) {
		t.Errorf("Since %v, the last record was lost at %v", a.Complete.Since, lost)
	}
}

func TestGuardAllocatesNothingForAKnownRecord(t *testing.T) {
	g, _ := newGuard(t, newFlaky(), "")
	defer g.Close()
	ctx, day, rs := t.Context(), today(), []store.Record{rec(1), rec(2)}
	if n := testing.AllocsPerRun(1000, func() {
		if err := g.Record(ctx, day, "example.com", rs...); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
