package guard

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// What waits in memory for a disk that does not answer ends with a process that is killed. Its successor marks the time of it.
func TestWhatAKilledProcessHadInMemoryIsAGapInTime(t *testing.T) {
	for _, tt := range []struct {
		name    string
		runs    time.Duration // with a disk that answers
		stalled time.Duration // with a disk that does not, and messages that wait
		down    time.Duration // from its end to the next start
		closed  bool          // it was not killed
		marked  bool
	}{
		{name: "killed while the disk does not answer", runs: time.Hour, stalled: time.Minute, marked: true},
		{name: "killed while the disk does not answer, at the longest that goes unnoticed", runs: time.Hour, stalled: 10 * time.Second, down: 5 * time.Second},
		{name: "killed while the disk does not answer, a moment longer", runs: time.Hour, stalled: 10 * time.Second, down: 5*time.Second + 1, marked: true},
		{name: "killed, and started again soon", runs: time.Hour, down: 2 * time.Second},
		{name: "killed, and started again later", runs: time.Hour, down: time.Hour, marked: true},
		{name: "stopped, and started again later", runs: time.Hour, down: time.Hour, closed: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &down{}
				path := filepath.Join(t.TempDir(), "store.journal")
				o := Options{JournalFile: path, Logger: slog.New(slog.DiscardHandler)}
				g := New(s, o)
				time.Sleep(tt.runs)
				synctest.Wait()
				began := time.Now()
				if tt.stalled > 0 {
					g.hang()
					if err := g.Record(t.Context(), 20000, "", store.Record{Key: store.Key{1}, Count: 1}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(tt.stalled - DefaultTimeout)
				}
				if tt.closed {
					if err := g.Close(); err != nil {
						t.Fatal(err)
					}
				}
				left, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if tt.stalled > 0 {
					g.journal.write()
				}
				if !tt.closed {
					if err := g.Close(); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(tt.down)
				o.JournalFile = filepath.Join(t.TempDir(), "store.journal")
				if err := os.WriteFile(o.JournalFile, left, 0o600); err != nil {
					t.Fatal(err)
				}
				next := &down{up: true}
				g = New(next, o)
				defer g.Close()
				if marked := len(next.marks) == 1; marked != tt.marked || len(next.marks) > 1 {
					t.Fatalf("gaps %v", next.marks)
				}
				if !tt.marked {
					return
				}
				if m := next.marks[0]; m.From.After(began) || m.Until.Before(time.Now()) || m.From.Before(began.Add(-gapMargin-aliveInterval)) || m.Until.After(time.Now().Add(2*gapMargin)) {
					t.Errorf("the gap is %v, and what was lost came since %v", m, began)
				}
			})
		})
	}
}
