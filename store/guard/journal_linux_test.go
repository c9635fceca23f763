package guard_test

import (
	"log/slog"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store/guard"
)

// A gap can be marked on a disk that is full.
func TestJournalOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "store.journal")
	s := newFlaky()
	l := &logs{}
	g := guard.New(s, guard.Options{
		Timeout: time.Minute, JournalFile: path, Probe: time.Millisecond, Logger: slog.New(slog.NewTextHandler(l, nil)),
	})
	s.fail(errDown, "")
	n := 0
	for g.Record(t.Context(), today(), "example.com", counted(n)) == nil {
		n++
	}
	if n < 200 || !gapMarked(path) || l.count("no space left") != 1 || l.count("cannot mark") > 0 {
		t.Errorf("%d journalled, mark %t, log:\n%s", n, gapMarked(path), &l.buf)
	}
	// Another process fills the disk for good before the next start.
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	s = newFlaky()
	s.fail(errDown, "")
	g = guard.New(s, guard.Options{Timeout: time.Minute, JournalFile: path, Probe: time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	defer g.Close()
	if !g.Gap() || g.Journal().Entries != n {
		t.Errorf("gap %t, %+v", g.Gap(), g.Journal())
	}
	s.fail(nil, "")
	for end := time.Now().Add(2 * time.Minute); !g.Available() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if len(s.incomplete()) != 1 || counts(t, s.Store, counted(0), counted(n-1))[1] != 1 {
		t.Errorf("marked incomplete %v", s.incomplete())
	}
}
