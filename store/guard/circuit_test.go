package guard_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
)

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

				time.Sleep(10*guard.DefaultProbe + time.Millisecond)
				if records, lookups := s.calls(); records+lookups != 11 {
					t.Errorf("the store got %d calls in 10 probe times, want 10", records+lookups-1)
				}
				s.fail(nil, "")
				time.Sleep(guard.DefaultProbe)
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
		if d := time.Since(start); d != guard.DefaultTimeout {
			t.Errorf("it took %v, want %v", d, guard.DefaultTimeout)
		}
		for range 1000 {
			_ = g.Record(t.Context(), today(), "example.com", rec(1))
			_, _ = g.Lookup(t.Context(), today(), nil)
		}
		if d := time.Since(start); d != guard.DefaultTimeout {
			t.Errorf("calls after the first took %v", d-guard.DefaultTimeout)
		}
	})
}

// No message waits for a best-effort record, so it may wait longer for the store.
func TestGuardWaitsLongerForBestEffortRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFlaky()
		s.hang = true
		g, _ := newGuard(t, s, "")
		defer g.Close()
		s.fail(errDown, "")
		start := time.Now()
		done := make(chan error)
		go func() { done <- g.RecordBestEffort(t.Context(), today(), rec(1)) }()
		time.Sleep(4 * guard.DefaultTimeout)
		if !g.Available() {
			t.Error("a slow best-effort record keeps messages from the store")
		}
		if err := <-done; !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("RecordBestEffort: %v", err)
		}
		if d := time.Since(start); d != 2*time.Second || g.Available() {
			t.Errorf("it took %v, available %v", d, g.Available())
		}
	})
}

// The circuit stays open while the store answers but does not take records, or does not take the mark of the gap.
func TestGuardStaysOpenUntilTheStoreTakesRecordsAndIsMarkedIncomplete(t *testing.T) {
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
				time.Sleep(2 * guard.DefaultProbe)
				if !g.Available() || gapMarked(gap) {
					t.Errorf("after its return: available %t, mark %t", g.Available(), gapMarked(gap))
				}
			})
		})
	}
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
