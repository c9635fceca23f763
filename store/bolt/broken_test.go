package bolt_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/bolt"
)

// patience is far more than what is not to hang takes on a busy machine.
const patience = 5 * time.Minute

// within fails the test if f does not return.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s: hangs", what)
	}
}

// copied returns the path of a copy of a file.
func copied(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFileTruncatedWhileOpen(t *testing.T) {
	whole := filled(t, 2000)
	page := int64(os.Getpagesize())
	lookup := func(t *testing.T, s *bolt.Store) {
		failed := 0
		for n := range 100 {
			if _, err := s.Lookup(t.Context(), today(), store.AnyDay(key(n))); err != nil {
				failed++
				if !errors.Is(err, store.ErrUnavailable) {
					t.Fatalf("Lookup: %v", err)
				}
			}
		}
		if failed == 0 {
			t.Error("no lookup noticed: this test shows nothing")
		}
	}
	record := func(t *testing.T, s *bolt.Store) {
		err := s.Record(t.Context(), today(), "", store.Record{Expires: today()})
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Record: %v", err)
		}
	}
	// Which locks bbolt leaves behind depends on who meets the damage first, and where.
	for _, test := range []struct {
		name  string
		size  int64
		calls []func(*testing.T, *bolt.Store)
	}{
		{"to nothing, a reader notices", 0, []func(*testing.T, *bolt.Store){lookup, record}},
		{"to nothing, a writer notices", 0, []func(*testing.T, *bolt.Store){record, lookup}},
		{"to nothing, Close notices", 0, nil},
		{"to one page, a reader notices", page, []func(*testing.T, *bolt.Store){lookup, record}},
		{"to one page, a writer notices", page, []func(*testing.T, *bolt.Store){record, lookup}},
		{"to two pages, a reader notices", 2 * page, []func(*testing.T, *bolt.Store){lookup, record}},
		{"to two pages, a writer notices", 2 * page, []func(*testing.T, *bolt.Store){record, lookup}},
		{"to two pages, Close notices", 2 * page, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := copied(t, whole)
			s, err := bolt.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, test.size); err != nil {
				t.Fatal(err)
			}
			for _, call := range test.calls {
				within(t, "a call", func() { call(t, s) })
			}
			within(t, "Close", func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			// The next process, which finds the file without a lock, puts it right.
			s, err = bolt.Open(copied(t, path))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Record(t.Context(), today(), "", store.Record{Expires: today()}); err != nil {
				t.Errorf("Record after the next start: %v", err)
			}
		})
	}
}

// A call that is under way when the file breaks comes back too, although its context has no end.
func TestCallsReturnWhenTheFileIsTruncatedUnderThem(t *testing.T) {
	whole := filled(t, 500)
	for range 10 {
		path := copied(t, whole)
		s, err := bolt.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		var calls sync.WaitGroup
		untilError := func(call func() error) {
			calls.Go(func() {
				for {
					if err := call(); err != nil {
						if !errors.Is(err, store.ErrUnavailable) {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		var under sync.WaitGroup
		for range 8 {
			under.Add(1)
			first := sync.OnceFunc(under.Done)
			untilError(func() error {
				_, err := s.Lookup(t.Context(), today(), store.AnyDay(key(1)))
				first()
				return err
			})
		}
		untilError(func() error { return s.Record(t.Context(), today(), "", store.Record{Key: key(1), Expires: today()}) })
		under.Wait()
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
		within(t, "a call", calls.Wait)
		within(t, "Close", func() {
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}
