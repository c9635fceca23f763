package guard_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
)

// The loss of a best-effort record is no gap, but it opens the circuit.
func TestGuardLosesABestEffortRecordWithoutAGap(t *testing.T) {
	s := newFlaky()
	gap := filepath.Join(t.TempDir(), "store.journal")
	g := newPatientGuard(t, s, gap)
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

// After an outage with lost records, the record is complete only since a time after it, for all nodes.
func TestGuardMovesCompletenessPastAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gap := filepath.Join(t.TempDir(), "store.journal")
		s := newFlaky()
		g, _ := newGuard(t, s, gap)
		defer g.Close()
		if err := g.Record(t.Context(), today(), "example.com", rec(1)); err != nil {
			t.Fatal(err)
		}
		signed := time.Now()
		time.Sleep(time.Hour)
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
		time.Sleep(guard.DefaultProbe)
		synctest.Wait()
		a, err := g.Lookup(t.Context(), today(), store.AnyDay(store.Key{1}, store.Key{2}, store.Key{3}))
		if err != nil || !a.Found[0] {
			t.Fatalf("Lookup: %+v, %v", a, err)
		}
		if c := a.Complete; c.Since.After(signed) || len(c.Gaps) != 1 || !c.Gaps[0].Overlaps(lost, lost) || c.Gaps[0].Overlaps(signed, signed) ||
			!c.Gaps[0].Until.After(lost) || c.Gaps[0].Until.Sub(lost) > 2*time.Minute {
			t.Errorf("complete %+v; the first record is of %v, the last was lost at %v", c, signed, lost)
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

// mayLack says whether a record that was made at a time may be missing.
func mayLack(c store.Completeness, at time.Time) bool {
	return c.Since.After(at) || slices.ContainsFunc(c.Gaps, func(g store.Gap) bool { return g.Overlaps(at, at) })
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
		time.Sleep(guard.DefaultProbe)
		synctest.Wait()
		if !g.Available() || gapMarked(gap) || len(s.incomplete()) > 0 {
			t.Errorf("available %t, mark %t, marked incomplete %v", g.Available(), gapMarked(gap), s.incomplete())
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
		time.Sleep(2 * guard.DefaultProbe)
		synctest.Wait()
		if len(s.incomplete()) != 1 || gapMarked(gap) || !g.Available() {
			t.Errorf("marked incomplete %v, mark %t, available %t", s.incomplete(), gapMarked(gap), g.Available())
		}
	})
}

func TestGapSurvivesARestart(t *testing.T) {
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

		// It is up at the one after: the first message already finds the gap reported.
		s.fail(nil, "")
		restarted := time.Now()
		g, _ = newGuard(t, s, gap)
		defer g.Close()
		a, err := g.Lookup(t.Context(), today(), store.AnyDay(store.Key{1}))
		if err != nil || !a.Found[0] || !mayLack(a.Complete, restarted) {
			t.Errorf("Lookup: %+v, %v; want a gap at %v", a, err, restarted)
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
		time.Sleep(2 * guard.DefaultProbe)
		if !g.Available() || len(s.incomplete()) != 1 {
			t.Errorf("available %t, marked incomplete %v", g.Available(), s.incomplete())
		}
	})
}

func TestGuardUnderLoadThroughOutages(t *testing.T) {
	s := newFlaky()
	gap := filepath.Join(t.TempDir(), "store.journal")
	g := guard.New(s, guard.Options{
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
	for end := time.Now().Add(2 * time.Minute); !g.Available() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	for end := time.Now().Add(2 * time.Minute); gapMarked(gap) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	a, err := g.Lookup(t.Context(), today(), nil)
	if err != nil || g.Gap() || gapMarked(gap) {
		t.Fatalf("after the outages: %v, gap %t, mark %t", err, g.Gap(), gapMarked(gap))
	}
	if lost := time.Unix(0, lastLost.Load()); lastLost.Load() == 0 || !mayLack(a.Complete, lost) {
		t.Errorf("complete %+v, the last record was lost at %v", a.Complete, lost)
	}
}
