package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
)

// counted is a record that counts, as a tag does: each of them is written.
func counted(n int) store.Record {
	return store.Record{Key: store.Key{byte(n), byte(n >> 8), 0xee}, Expires: today() + 7, Count: 1}
}

// mustRecord records, and fails unless the record is stored or journalled.
func mustRecord(t *testing.T, g *guard.Guard, domain string, rs ...store.Record) {
	t.Helper()
	if err := g.Record(t.Context(), today(), domain, rs...); err != nil {
		t.Fatalf("Record: %v", err)
	}
}

// counts returns what the store has counted under records.
func counts(t *testing.T, s store.Store, rs ...store.Record) []uint32 {
	t.Helper()
	qs := make([]store.Query, len(rs))
	for i, r := range rs {
		qs[i] = store.Query{Key: r.Key, Expires: r.Expires}
	}
	a, err := s.Lookup(t.Context(), today(), qs)
	if err != nil {
		t.Fatal(err)
	}
	return a.Counts
}

// heal waits, in a bubble, until the Guard has tried the store again.
func heal() {
	time.Sleep(2 * guard.DefaultProbe)
	synctest.Wait()
}

func journalPath(t *testing.T) string { return filepath.Join(t.TempDir(), "store.journal") }

func TestJournalBridgesAnOutage(t *testing.T) {
	for _, outage := range []string{"refused", "hanging"} {
		t.Run(outage, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFlaky()
				s.hang = outage == "hanging"
				path := journalPath(t)
				g, l := newJournalGuard(t, s, path, 0)
				defer g.Close()
				mustRecord(t, g, "example.com", counted(0))
				since, _ := s.Store.Lookup(t.Context(), today(), nil)
				start := time.Now()
				s.fail(errDown, "")
				const n = 100
				for i := 1; i <= n; i++ {
					mustRecord(t, g, "example.com", counted(i))
				}
				if d := time.Since(start); s.hang && d != guard.DefaultTimeout || !s.hang && d != 0 {
					t.Errorf("the messages waited %v", d)
				}
				if j := g.Journal(); j.Entries != n || j.Octets == 0 || j.Journalled != n || j.Replayed != 0 || j.Lost != 0 {
					t.Errorf("during the outage: %+v", j)
				}
				if g.Gap() || gapMarked(path) || g.Available() {
					t.Errorf("gap %t, mark %t, available %t", g.Gap(), gapMarked(path), g.Available())
				}
				time.Sleep(10 * time.Second)
				s.fail(nil, "")
				heal()
				if !g.Available() || g.Gap() || len(s.incomplete()) > 0 {
					t.Errorf("available %t, gap %t, marked incomplete %v", g.Available(), g.Gap(), s.incomplete())
				}
				for i := range n + 1 {
					if c := counts(t, g.Store(), counted(i)); c[0] != 1 {
						t.Errorf("record %d: counted %d", i, c[0])
					}
				}
				if a, err := g.Lookup(t.Context(), today(), nil); err != nil || !a.Complete.Since.Equal(since.Complete.Since) {
					t.Errorf("Since moved from %v to %v, %v", since.Complete.Since, a.Complete.Since, err)
				}
				if j := g.Journal(); j.Entries != 0 || j.Octets != 0 || j.Replayed != n {
					t.Errorf("after it: %+v", j)
				}
				if l.count("store unavailable") != 1 || l.count("records_waited=100 records_lost=false") != 1 {
					t.Errorf("log:\n%s", &l.buf)
				}
			})
		})
	}
}

func TestJournalFileIsForItsOwnerOnly(t *testing.T) {
	path := journalPath(t)
	g, _ := newJournalGuard(t, newFlaky(), path, 0)
	defer g.Close()
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// Without a usable journal records are lost, and the gap is marked.
func TestJournalThatCannotBeUsed(t *testing.T) {
	for _, why := range []string{"locked", "foreign"} {
		t.Run(why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := journalPath(t)
				first := newFlaky()
				if why == "locked" {
					first.fail(errDown, "")
					g, _ := newJournalGuard(t, first, path, 0)
					defer g.Close()
					mustRecord(t, g, "example.com", counted(0))
				} else if err := os.WriteFile(path, []byte("something else\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				s := newFlaky()
				g, l := newJournalGuard(t, s, path, 0)
				if l.count("the journal cannot be used") != 1 || len(s.incomplete()) != 1 {
					t.Errorf("marked incomplete %v, log:\n%s", s.incomplete(), &l.buf)
				}
				s.fail(errDown, "")
				if err := g.Record(t.Context(), today(), "example.com", counted(1)); !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("Record: %v", err)
				}
				if mark := filepath.Join(filepath.Dir(path), "store.gap"); !exists(mark) || !g.Gap() || g.Journal().Lost != 1 {
					t.Errorf("mark %t, gap %t, %+v", exists(mark), g.Gap(), g.Journal())
				}
				if why == "locked" { // The process with the journal does not take the mark of this one away.
					first.fail(nil, "")
					heal()
					if mark := filepath.Join(filepath.Dir(path), "store.gap"); !exists(mark) || counts(t, first.Store, counted(0))[0] != 1 {
						t.Errorf("mark %t, counted %v", exists(mark), counts(t, first.Store, counted(0)))
					}
				}
				s.fail(nil, "")
				heal()
				if mark := filepath.Join(filepath.Dir(path), "store.gap"); exists(mark) || len(s.incomplete()) != 2 {
					t.Errorf("mark %t, marked incomplete %v", exists(mark), s.incomplete())
				}
				if err := g.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A gap that a process without a journal has marked is honoured once.
func TestJournalHonoursTheGapFileOfAProcessWithoutAJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := journalPath(t)
		mark := filepath.Join(filepath.Dir(path), "store.gap")
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s := newFlaky()
		s.fail(errDown, "")
		g, _ := newJournalGuard(t, s, path, 0)
		if !g.Gap() || !exists(mark) || g.Available() {
			t.Errorf("gap %t, file %t, available %t", g.Gap(), exists(mark), g.Available())
		}
		s.fail(nil, "")
		heal()
		if g.Gap() || exists(mark) || len(s.incomplete()) != 1 {
			t.Errorf("gap %t, file %t, marked incomplete %v", g.Gap(), exists(mark), s.incomplete())
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		g, _ = newJournalGuard(t, s, path, 0)
		defer g.Close()
		if len(s.incomplete()) != 1 {
			t.Errorf("the second start: marked incomplete %v", s.incomplete())
		}
	})
}

// A full journal holds what it has, and the loss of the rest is logged once.
func TestJournalThatIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFlaky()
		path := journalPath(t)
		g, l := newJournalGuard(t, s, path, 8192)
		defer g.Close()
		s.fail(errDown, "")
		n := 0
		for g.Record(t.Context(), today(), "example.com", counted(n)) == nil {
			n++
		}
		if !gapMarked(path) || !g.Gap() {
			t.Errorf("mark %t, gap %t", gapMarked(path), g.Gap())
		}
		for range 10 {
			if err := g.Record(t.Context(), today(), "example.com", counted(5000)); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Record: %v", err)
			}
		}
		if info, err := os.Stat(path); err != nil || info.Size() > 8192 {
			t.Errorf("the file takes %d octets, %v", info.Size(), err)
		}
		if n < 50 || l.count("the journal is full") != 1 || g.Journal().Lost != 11 || g.Journal().Journalled != uint64(n) {
			t.Errorf("%d journalled, %+v, log:\n%s", n, g.Journal(), &l.buf)
		}
		lost := time.Now()
		s.fail(nil, "")
		heal()
		if !g.Available() || g.Gap() || gapMarked(path) || len(s.incomplete()) != 1 || !s.incomplete()[0].Until.After(lost) {
			t.Errorf("available %t, gap %t, mark %t, marked incomplete %v", g.Available(), g.Gap(), gapMarked(path), s.incomplete())
		}
		for i := range n {
			if c := counts(t, s.Store, counted(i)); c[0] != 1 {
				t.Errorf("record %d counted %d", i, c[0])
			}
		}
		// There is room again for the next outage.
		s.fail(errDown, "")
		mustRecord(t, g, "example.com", counted(6000))
		s.fail(nil, "")
		heal()
		if len(s.incomplete()) != 1 || counts(t, s.Store, counted(6000))[0] != 1 {
			t.Errorf("the next outage: marked incomplete %v, counted %v", s.incomplete(), counts(t, s.Store, counted(6000)))
		}
	})
}

func TestJournalLeavesBestEffortRecordsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFlaky()
		g, _ := newJournalGuard(t, s, journalPath(t), 0)
		defer g.Close()
		s.fail(errDown, "")
		for range 2 {
			if err := g.RecordBestEffort(t.Context(), today(), counted(1)); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("RecordBestEffort: %v", err)
			}
		}
		if j := g.Journal(); j != (guard.JournalStats{}) || g.Gap() {
			t.Errorf("%+v, gap %t", j, g.Gap())
		}
	})
}

func TestJournalUnderLoadThroughOutages(t *testing.T) {
	s := newFlaky()
	path := journalPath(t)
	g := guard.New(s, guard.Options{
		Timeout: time.Minute, Probe: time.Millisecond, JournalFile: path, Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	const clients = 16
	var sent [clients]int
	message := func(client, n int) store.Record {
		return store.Record{Key: store.Key{byte(client), byte(n), byte(n >> 8), byte(n >> 16), 1}, Expires: today() + 7, Count: 1}
	}
	for c := range clients {
		wait.Go(func() {
			for ctx.Err() == nil {
				if err := g.Record(t.Context(), today(), "example.com", message(c, sent[c])); err != nil {
					t.Errorf("Record: %v", err)
					return
				}
				sent[c]++
				_, _ = g.Lookup(t.Context(), today(), nil)
			}
		})
	}
	for range 20 {
		s.fail(errDown, "")
		time.Sleep(10 * time.Millisecond)
		s.fail(nil, "")
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	wait.Wait()
	for end := time.Now().Add(2 * time.Minute); !g.Available() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	j := g.Journal()
	if !g.Available() || g.Gap() || gapMarked(path) || len(s.incomplete()) > 0 || j.Journalled == 0 || j.Journalled != j.Replayed || j.Entries != 0 {
		t.Errorf("available %t, gap %t, mark %t, marked incomplete %v, %+v", g.Available(), g.Gap(), gapMarked(path), s.incomplete(), j)
	}
	for c := range clients {
		for n := range sent[c] {
			if got := counts(t, s.Store, message(c, n)); got[0] != 1 {
				t.Fatalf("message %d of client %d counted %d", n, c, got[0])
			}
		}
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}

// BenchmarkRecordWithoutStore is what a message costs while the store does not answer: the wait for the disk.
func BenchmarkRecordWithoutStore(b *testing.B) {
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprintf("%d clients", clients), func(b *testing.B) {
			s := newFlaky()
			s.fail(errDown, "")
			g := guard.New(s, guard.Options{
				JournalFile: filepath.Join(b.TempDir(), "store.journal"), JournalSize: 1 << 30, Timeout: time.Minute,
				Probe: time.Hour, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
			})
			var next atomic.Int64
			var wait sync.WaitGroup
			b.ResetTimer()
			for range clients {
				wait.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						if err := g.Record(b.Context(), today(), "example.com", counted(int(n)), counted(int(n)+1), counted(int(n)+2)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wait.Wait()
			b.StopTimer()
			if err := g.Close(); err != nil {
				b.Error(err)
			}
		})
	}
}
