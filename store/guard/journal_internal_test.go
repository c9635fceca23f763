package guard

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// down is a store that does not answer until it is up.
type down struct {
	store.Store
	mu      sync.Mutex
	up      bool
	records []store.Record
	marks   []time.Time
}

func (s *down) call() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.up {
		return store.ErrUnavailable
	}
	return nil
}

func (s *down) Record(_ context.Context, _ store.Day, _ string, rs ...store.Record) error {
	if err := s.call(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = append(s.records, rs...)
	return nil
}

func (s *down) Lookup(context.Context, store.Day, []store.Query) (store.Answer, error) {
	return store.Answer{}, s.call()
}

func (s *down) MarkIncomplete(_ context.Context, at time.Time) error {
	if err := s.call(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks = append(s.marks, at)
	return nil
}

func (s *down) Close() error { return nil }

func (s *down) answer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up = true
}

func (s *down) has(k store.Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.records {
		if r.Key == k {
			return true
		}
	}
	return false
}

func (s *down) incomplete() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.marks)
}

func guardOf(t *testing.T, s store.Store, log io.Writer) *Guard {
	t.Helper()
	return New(s, Options{
		JournalFile: filepath.Join(t.TempDir(), "store.journal"), Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
}

// A disk that does not answer costs one timeout and makes a gap. The circuit closes without it.
func TestJournalOnADiskThatHangs(t *testing.T) {
	for _, late := range []string{"the disk answers before the store", "the disk answers after the store"} {
		t.Run(late, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &down{}
				var log strings.Builder
				g := guardOf(t, s, &log)
				j := g.journal
				if err := g.Record(t.Context(), 20000, "", store.Record{Key: store.Key{1}, Count: 1}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				j.mu.Lock()
				j.writing = true // as if the goroutine that writes were stuck
				j.mu.Unlock()

				start := time.Now()
				for range 100 {
					if err := g.Record(t.Context(), 20000, "", store.Record{Key: store.Key{2}, Count: 1}); !errors.Is(err, store.ErrUnavailable) {
						t.Errorf("Record: %v", err)
					}
				}
				if d := time.Since(start); d != DefaultTimeout {
					t.Errorf("100 messages waited %v", d)
				}
				if !g.Gap() || g.Journal().Lost != 100 || strings.Count(log.String(), "does not get onto disk in time") != 1 {
					t.Errorf("gap %t, %+v, log:\n%s", g.Gap(), g.Journal(), log.String())
				}
				if late == "the disk answers before the store" {
					j.write()
					if b, err := os.ReadFile(j.file.Name()); err != nil || b[journalGapAt] != isGap {
						t.Errorf("the gap is not marked: %v", err)
					}
				}
				s.answer()
				time.Sleep(3 * DefaultProbe)
				if !g.Available() || g.Gap() || s.incomplete() != 1 || !s.has(store.Key{1}) {
					t.Errorf("available %t, gap %t, marked incomplete %d, %+v", g.Available(), g.Gap(), s.incomplete(), s.records)
				}
				if late == "the disk answers after the store" {
					j.write()
				}
				if entries, octets := j.waiting(); entries != 0 || octets != 0 || j.head != journalBlock || j.tail != journalBlock {
					t.Errorf("%d entries and %d octets wait between %d and %d", entries, octets, j.head, j.tail)
				}
				if b, err := os.ReadFile(j.file.Name()); err != nil || b[journalGapAt] != noGap {
					t.Errorf("the gap stays marked: %v", err)
				}
				if err := g.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A caller that still waits for the disk when the Guard goes on without it gets an error: its record is lost.
func TestJournalReturnsAnErrorForWhatIsGivenUp(t *testing.T) {
	for _, flying := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			g := guardOf(t, &down{}, io.Discard)
			j := g.journal
			j.mu.Lock()
			j.writing = true
			j.mu.Unlock()
			c, err := j.add(entry{today: 20000, records: []store.Record{{Key: store.Key{1}}}})
			if err != nil {
				t.Fatal(err)
			}
			if flying {
				j.mu.Lock()
				j.next, j.flight = nil, c
				j.mu.Unlock()
			}
			if j.finish() != nil {
				t.Error("finished although an entry is on its way to a disk that may answer")
			}
			j.giveUp(c)
			if j.finish() == nil {
				t.Error("not finished although the disk does not answer")
			}
			if flying { // The disk answers.
				j.mu.Lock()
				empty := j.next
				j.next, j.flight = c, nil
				j.mu.Unlock()
				j.mu.Lock()
				dropped := j.dropped
				j.mu.Unlock()
				if !dropped {
					t.Error("what is on its way is not dropped")
				}
				j.write()
				j.mu.Lock()
				j.next, j.writing = empty, true
				j.mu.Unlock()
			}
			j.write()
			if !errors.Is(c.err, errJournalLate) {
				t.Errorf("the caller that waits gets %v", c.err)
			}
			if err := g.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// When a disk fails, only the records are lost that it did not take. It is tried again after the outage.
func TestJournalOnADiskThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &down{}
		var log strings.Builder
		g := guardOf(t, s, &log)
		j := g.journal
		record := func(n byte) error {
			return g.Record(t.Context(), 20000, "", store.Record{Key: store.Key{n}, Count: 1})
		}
		if err := record(1); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		use := func(f *os.File) {
			j.mu.Lock()
			defer j.mu.Unlock()
			j.file = f
		}
		good := j.file
		bad, err := os.Open(good.Name()) // Writing to it fails.
		if err != nil {
			t.Fatal(err)
		}
		use(bad)
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
		use(good)
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
