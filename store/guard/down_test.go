package guard

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
)

// down is a store that does not answer until it is up.
type down struct {
	store.Store
	mu      sync.Mutex
	up      bool
	records []store.Record
	marks   []store.Gap
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

func (s *down) MarkIncomplete(_ context.Context, g store.Gap) error {
	if err := s.call(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks = append(s.marks, g)
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

// hang makes the disk of g not answer, as if the goroutine that writes were stuck.
func (g *Guard) hang() {
	g.journal.mu.Lock()
	defer g.journal.mu.Unlock()
	g.journal.writing = true
}

// failDisk gives the journal of g a file to which writing fails, and returns the former one.
func (g *Guard) failDisk(t *testing.T) *os.File {
	t.Helper()
	bad, err := os.Open(g.journal.file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return g.use(bad)
}

// use gives the journal of g another file, and returns the former one.
func (g *Guard) use(f *os.File) *os.File {
	g.journal.mu.Lock()
	defer g.journal.mu.Unlock()
	f, g.journal.file = g.journal.file, f
	return f
}
