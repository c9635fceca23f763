package guard_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
)

func TestJournalIsReplayedAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, _, _ := outageJournal(t, 3)
		s := newFlaky()
		s.fail(errDown, "")
		g, l := newJournalGuard(t, s, path, 0)
		if g.Available() || g.Gap() || g.Journal().Entries != 3 || l.count("records wait for the store") != 1 {
			t.Errorf("available %t, gap %t, %+v, log:\n%s", g.Available(), g.Gap(), g.Journal(), &l.buf)
		}
		mustRecord(t, g, "example.com", counted(3))
		s.fail(nil, "")
		heal()
		if c := counts(t, s.Store, counted(0), counted(1), counted(2), counted(3)); !slices.Equal(c, []uint32{1, 1, 1, 1}) || !g.Available() {
			t.Errorf("counted %v, available %t", c, g.Available())
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		g, _ = newJournalGuard(t, s, path, 0)
		defer g.Close()
		if c := counts(t, s.Store, counted(0), counted(3)); !slices.Equal(c, []uint32{1, 1}) {
			t.Errorf("the start after: counted %v", c)
		}
	})
}

// gated is a store whose Records wait at a gate.
type gated struct {
	*flaky
	gate    chan struct{} // a call takes one
	waiting chan struct{} // a call gives one
}

func (s *gated) Record(ctx context.Context, today store.Day, domain string, rs ...store.Record) error {
	s.flaky.mu.Lock()
	gate := s.gate
	s.flaky.mu.Unlock()
	if gate != nil {
		s.waiting <- struct{}{}
		<-gate
	}
	return s.flaky.Record(ctx, today, domain, rs...)
}

// While the journal is replayed messages do not wait, and Lookups do not reach a store that lacks records.
func TestJournalReplayWhileMessagesGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &gated{flaky: newFlaky()}
		g, _ := newJournalGuard(t, s, journalPath(t), 0)
		defer g.Close()
		s.fail(errDown, "")
		mustRecord(t, g, "example.com", counted(0))
		s.flaky.mu.Lock()
		s.err, s.gate, s.waiting = nil, make(chan struct{}), make(chan struct{})
		s.flaky.mu.Unlock()
		<-s.waiting // The replay has begun.

		start := time.Now()
		for i := 1; i <= 10; i++ {
			mustRecord(t, g, "example.com", counted(i))
		}
		if _, err := g.Lookup(t.Context(), today(), nil); !errors.Is(err, store.ErrUnavailable) || time.Since(start) != 0 {
			t.Errorf("Lookup during the replay: %v after %v", err, time.Since(start))
		}
		if j := g.Journal(); j.Journalled != 11 || j.Entries != 11 {
			t.Errorf("%+v", j)
		}
		s.gate <- struct{}{}
		<-s.waiting // What came meanwhile is replayed before the circuit closes.
		if g.Available() {
			t.Error("the circuit closed before the journal was empty")
		}
		// The store takes records and little is left: new ones go there, or the journal might never be empty.
		direct := make(chan error)
		go func() { direct <- g.Record(t.Context(), today(), "example.com", counted(11)) }()
		<-s.waiting
		if j := g.Journal(); j.Journalled != 11 {
			t.Errorf("%+v", j)
		}
		s.flaky.mu.Lock()
		gate := s.gate
		s.gate = nil
		s.flaky.mu.Unlock()
		gate <- struct{}{}
		gate <- struct{}{}
		if err := <-direct; err != nil {
			t.Errorf("Record: %v", err)
		}
		synctest.Wait()
		if !g.Available() || g.Gap() || len(s.incomplete()) > 0 {
			t.Errorf("available %t, gap %t, marked incomplete %v", g.Available(), g.Gap(), s.incomplete())
		}
		for i := range 12 {
			if c := counts(t, s.Store, counted(i)); c[0] != 1 {
				t.Errorf("record %d counted %d", i, c[0])
			}
		}
	})
}

// curious is a store that does something during a Lookup.
type curious struct {
	*flaky
	during func()
}

func (s *curious) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	a, err := s.flaky.Lookup(ctx, today, qs)
	if do := s.during; do != nil && err == nil {
		s.during = nil
		do()
	}
	return a, err
}

// A record that is journalled just before the circuit closes is written before it does.
func TestRecordIsJournalledWhileTheCircuitCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &curious{flaky: newFlaky()}
		g, _ := newJournalGuard(t, s, journalPath(t), 0)
		defer g.Close()
		s.fail(errDown, "Lookup")
		if _, err := g.Lookup(t.Context(), today(), nil); err == nil {
			t.Fatal("no error")
		}
		s.during = func() { mustRecord(t, g, "example.com", counted(1)) }
		s.fail(nil, "")
		heal()
		if j := g.Journal(); !g.Available() || j.Journalled != 1 || j.Replayed != 1 || j.Entries != 0 {
			t.Errorf("available %t, %+v", g.Available(), j)
		}
		if c := counts(t, s.flaky, counted(1)); c[0] != 1 {
			t.Errorf("counted %d", c[0])
		}
	})
}

// scripted is a store that fails from its nth Record on.
type scripted struct {
	*flaky
	left atomic.Int64
	log  []string
	size []int
}

func (s *scripted) Record(ctx context.Context, today store.Day, domain string, rs ...store.Record) error {
	if s.left.Add(-1) < 0 {
		return errDown
	}
	s.flaky.mu.Lock()
	s.log = append(s.log, fmt.Sprintf("%d %s", today, domain))
	s.size = append(s.size, len(rs))
	s.flaky.mu.Unlock()
	return s.flaky.Record(ctx, today, domain, rs...)
}

// The journal is written in few calls, in order. What the store does not take is left for the next time, and what it took
// is not written again.
func TestJournalReplayInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{flaky: newFlaky()}
		g, _ := newJournalGuard(t, s, journalPath(t), 0)
		defer g.Close()
		day := today()
		for i := range 1000 {
			domain := []string{"a.example", "b.example"}[i%2]
			if err := g.Record(t.Context(), day+store.Day(i/900), domain, counted(i)); err != nil {
				t.Fatal(err)
			}
		}
		a, b := fmt.Sprintf("%d a.example", day), fmt.Sprintf("%d b.example", day)
		nextA, nextB := fmt.Sprintf("%d a.example", day+1), fmt.Sprintf("%d b.example", day+1)
		want := []string{a, b, a, b, nextA, nextB}
		for range want {
			s.left.Store(1)
			time.Sleep(guard.DefaultProbe)
			synctest.Wait()
		}
		if !slices.Equal(s.log, want) || !slices.Equal(s.size, []int{256, 256, 194, 194, 50, 50}) {
			t.Errorf("calls %v with %v records", s.log, s.size)
		}
		s.left.Store(1000)
		time.Sleep(guard.DefaultProbe)
		synctest.Wait()
		if !g.Available() || len(s.log) != len(want) {
			t.Errorf("available %t, calls %v", g.Available(), s.log)
		}
		for i := range 1000 {
			if c := counts(t, s.Store, counted(i)); c[0] != 1 {
				t.Errorf("record %d counted %d", i, c[0])
			}
		}
		if first, err := s.FirstSigned(t.Context()); err != nil || first["a.example"] != day || first["b.example"] != day {
			t.Errorf("first signed %v, %v", first, err)
		}
	})
}

// A message with very many recipients is journalled in several entries.
func TestLongMessageIsJournalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFlaky()
		g, _ := newJournalGuard(t, s, journalPath(t), 0)
		defer g.Close()
		s.fail(errDown, "")
		rs := make([]store.Record, 20_000)
		for i := range rs {
			rs[i] = counted(i)
		}
		mustRecord(t, g, "example.com", rs...)
		s.fail(nil, "")
		heal()
		for i, c := range counts(t, s.Store, rs...) {
			if c != 1 {
				t.Fatalf("record %d counted %d", i, c)
			}
		}
	})
}
