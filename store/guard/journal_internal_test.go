package guard

import (
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// A disk that does not answer costs one timeout, and nothing is lost: what waits in memory is written by the disk when it answers, or
// taken by the store, whichever is first.
func TestJournalOnADiskThatHangs(t *testing.T) {
	for _, first := range []string{"the disk answers first", "the store answers first"} {
		t.Run(first, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &down{}
				var log strings.Builder
				g := guardOf(t, s, &log)
				j := g.journal
				if err := g.Record(t.Context(), 20000, "", store.Record{Key: store.Key{1}, Count: 1}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				g.hang()

				start := time.Now()
				for n := range 100 {
					if err := g.Record(t.Context(), 20000, "", store.Record{Key: store.Key{2, byte(n)}, Count: 1}); err != nil {
						t.Errorf("Record: %v", err)
					}
				}
				if d := time.Since(start); d != DefaultTimeout {
					t.Errorf("100 messages waited %v", d)
				}
				if stats := g.Journal(); g.Gap() || stats.Lost != 0 || stats.Entries != 101 || strings.Count(log.String(), "records wait in memory") != 1 {
					t.Errorf("gap %t, %+v, log:\n%s", g.Gap(), stats, log.String())
				}
				if first == "the disk answers first" {
					j.write()
					if stats := g.Journal(); stats.Journalled != 101 {
						t.Errorf("the disk has answered: %+v", stats)
					}
				}
				s.answer()
				time.Sleep(2 * DefaultProbe)
				synctest.Wait()
				if !g.Available() || g.Gap() || s.incomplete() != 0 {
					t.Errorf("available %t, gap %t, marked incomplete %d", g.Available(), g.Gap(), s.incomplete())
				}
				for n := range 100 {
					if !s.has(store.Key{2, byte(n)}) {
						t.Errorf("the store lacks record %d", n)
					}
				}
				if first == "the store answers first" {
					j.write()
				}
				if entries, octets := j.waiting(); entries != 0 || octets != 0 || j.head != journalBlock || j.tail != journalBlock {
					t.Errorf("%d entries and %d octets wait between %d and %d", entries, octets, j.head, j.tail)
				}
				if err := g.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// What waits in memory is lost only when there is more of it than journalMemory, or when the disk answers that it has failed.
func TestJournalLosesWhatWaitsInMemory(t *testing.T) {
	record := func(g *Guard, n int) error {
		return g.Record(t.Context(), 20000, "", store.Record{Key: store.Key{2, byte(n), byte(n >> 8), byte(n >> 16)}, Count: 1})
	}
	t.Run("too much", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &down{}
			g := guardOf(t, s, io.Discard)
			g.hang()
			n := 0
			for ; record(g, n) == nil; n++ {
				if n > journalMemory/minEntry {
					t.Fatal("there is no limit")
				}
			}
			if size := len(g.journal.next.frames); size > journalMemory || size < journalMemory*9/10 {
				t.Errorf("%d octets wait", size)
			}
			if err := record(g, n); !errors.Is(err, store.ErrUnavailable) || !g.Gap() || g.Journal().Lost != 2 {
				t.Errorf("%v, gap %t, %+v", err, g.Gap(), g.Journal())
			}
			lost := time.Now()
			s.answer()
			time.Sleep(2 * DefaultProbe)
			synctest.Wait()
			if !g.Available() || len(s.records) < n || len(s.marks) != 1 {
				t.Fatalf("available %t, %d of %d records, gaps %v", g.Available(), len(s.records), n, s.marks)
			}
			if m := s.marks[0]; !m.Overlaps(lost, lost) || m.Until.Sub(m.From) > 5*time.Minute {
				t.Errorf("the gap is %v, and the loss was at %v", m, lost)
			}
			g.journal.write()
			if err := g.Close(); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("the disk fails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &down{}
			g := guardOf(t, s, io.Discard)
			g.hang()
			made := time.Now()
			if err := record(g, 1); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute)
			if g.Gap() {
				t.Error("a gap while the record waits")
			}
			good := g.failDisk(t)
			g.journal.write()
			if !g.Gap() || g.Journal().Lost != 1 {
				t.Errorf("gap %t, %+v", g.Gap(), g.Journal())
			}
			s.answer()
			time.Sleep(2 * DefaultProbe)
			synctest.Wait()
			if !g.Available() || s.incomplete() != 1 || !s.marks[0].Overlaps(made, made) {
				t.Errorf("available %t, gaps %v; the record was made at %v", g.Available(), s.marks, made)
			}
			if err := errors.Join(g.Close(), good.Close()); err != nil {
				t.Error(err)
			}
		})
	})
}

// Records that have waited in memory for long are lost after later ones: the gap begins before the earliest.
func TestGapBeginsWithTheEarliestLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guardOf(t, &down{}, io.Discard)
		early := time.Now()
		time.Sleep(10 * time.Minute)
		g.mu.Lock()
		g.trip("record", store.ErrUnavailable)
		g.lose(entry{}, 1, time.Now(), nil)
		g.mu.Unlock()
		synctest.Wait()
		g.mu.Lock()
		reported := g.lostSince
		g.lose(entry{}, 1, early, nil)
		g.mu.Unlock()
		synctest.Wait()
		if !g.lostSince.Before(early) || !g.journal.gap.from.Equal(g.lostSince) {
			t.Errorf("the gap begins at %v, on disk at %v, and the first record is of %v", g.lostSince, g.journal.gap.from, early)
		}
		if err := g.closeCircuit(time.Now(), true, reported); !errors.Is(err, errNewGap) {
			t.Errorf("the circuit closes without the earlier loss: %v", err)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
}

// While the circuit was about to close, the time has passed that was reported: a loss of the meantime is reported, too.
func TestCircuitThatClosesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(&down{}, Options{Logger: slog.New(slog.DiscardHandler)})
		g.mu.Lock()
		g.trip("record", store.ErrUnavailable)
		g.lose(entry{}, 1, time.Now(), nil)
		since := g.lostSince
		g.mu.Unlock()
		reported := time.Now()
		time.Sleep(gapMargin + time.Second)
		if err := g.closeCircuit(reported, true, since); !errors.Is(err, errNewGap) {
			t.Errorf("a minute later: %v", err)
		}
		if err := g.closeCircuit(time.Now(), true, since); err != nil || g.Gap() {
			t.Errorf("at once: %v", err)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A stalled disk may empty the journal while a batch from before is on its way to the store. What was added since is replayed all the same.
func TestJournalEmptiedDuringReplay(t *testing.T) {
	var wait sync.WaitGroup
	j, _, _, err := openJournal(filepath.Join(t.TempDir(), "store.journal"), 1<<20, &wait, slog.New(slog.DiscardHandler), func(*commit) {})
	if err != nil {
		t.Fatal(err)
	}
	add := func(records ...store.Record) {
		t.Helper()
		c, _, err := j.add(entry{today: 20000, records: records}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if <-c.done; c.err != nil {
			t.Fatal(c.err)
		}
	}
	add(store.Record{Key: store.Key{1}}, store.Record{Key: store.Key{2}})
	_, end, err := j.read(replayWindow)
	if err != nil {
		t.Fatal(err)
	}
	j.mu.Lock()
	c := j.commit()
	c.empty = true
	j.mu.Unlock()
	<-c.done
	add(store.Record{Key: store.Key{3}})
	j.took(1, end)
	if j.finish() != nil {
		t.Error("the journal is finished, and an entry waits")
	}
	if got, _, err := j.read(replayWindow); err != nil || len(got) != 1 || got[0].records[0].Key != (store.Key{3}) {
		t.Errorf("entries %v, %v", got, err)
	}
	wait.Wait()
	if err := j.close(); err != nil {
		t.Error(err)
	}
}

// When a disk fails, only the records are lost that it did not take. It is tried again after the outage.
func TestJournalOnADiskThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &down{}
		var log strings.Builder
		g := guardOf(t, s, &log)
		record := func(n byte) error {
			return g.Record(t.Context(), 20000, "", store.Record{Key: store.Key{n}, Count: 1})
		}
		if err := record(1); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		good := g.failDisk(t)
		for range 10 {
			if err := record(2); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Record: %v", err)
			}
		}
		if !g.Gap() || g.Journal().Entries != 1 || g.Journal().Lost != 10 || strings.Count(log.String(), "they are lost") != 1 ||
			strings.Count(log.String(), "cannot mark") != 1 {
			t.Errorf("gap %t, %+v, log:\n%s", g.Gap(), g.Journal(), log.String())
		}
		synctest.Wait()
		bad := g.use(good)
		s.answer()
		time.Sleep(2 * DefaultProbe)
		synctest.Wait()
		if !g.Available() || g.Gap() || !s.has(store.Key{1}) || s.incomplete() != 1 {
			t.Errorf("available %t, gap %t, marked incomplete %d, %+v", g.Available(), g.Gap(), s.incomplete(), s.records)
		}
		s.mu.Lock()
		s.up = false
		s.mu.Unlock()
		if err := record(3); err != nil {
			t.Errorf("the next outage: %v", err)
		}
		if err := errors.Join(g.Close(), bad.Close()); err != nil {
			t.Error(err)
		}
	})
}

// Entries that are damaged while they wait are a gap, and the circuit closes all the same.
func TestJournalDamagedWhileItWaits(t *testing.T) {
	for _, cut := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := &down{}
			g := guardOf(t, s, io.Discard)
			for n := range byte(3) {
				if err := g.Record(t.Context(), 20000, "", store.Record{Key: store.Key{n}, Count: 1}); err != nil {
					t.Fatal(err)
				}
			}
			size := g.Journal().Octets / 3
			if cut {
				if err := g.journal.file.Truncate(journalBlock + size); err != nil {
					t.Fatal(err)
				}
			} else if _, err := g.journal.file.WriteAt([]byte("damage"), journalBlock+size+10); err != nil {
				t.Fatal(err)
			}
			s.answer()
			time.Sleep(3 * DefaultProbe)
			synctest.Wait()
			if !g.Available() || g.Gap() || s.incomplete() != 1 || !s.has(store.Key{0}) || s.has(store.Key{1}) || s.has(store.Key{2}) == cut {
				t.Errorf("cut %t: available %t, gap %t, marked incomplete %d, %+v", cut, g.Available(), g.Gap(), s.incomplete(), s.records)
			}
			if entries, octets := g.journal.waiting(); entries != 0 || octets != 0 {
				t.Errorf("cut %t: %d entries and %d octets wait", cut, entries, octets)
			}
			if err := g.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
