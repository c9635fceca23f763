package bolt_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/bolt"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return openNew(t) })
}

func BenchmarkBolt(b *testing.B) {
	storetest.Benchmark(b, func(b *testing.B) store.Store { return openNew(b) })
}

func BenchmarkSpace(b *testing.B) {
	var path string
	storetest.BenchmarkSpace(b, func(b *testing.B) store.Store {
		path = filepath.Join(b.TempDir(), "state.db")
		return openAt(b, path)
	}, func() int64 {
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		return info.Size()
	})
}

// openNew opens a new file that is closed when the test ends.
func openNew(t testing.TB) store.Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "state.db"))
}

func openAt(t testing.TB, path string) store.Store {
	t.Helper()
	s, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}
