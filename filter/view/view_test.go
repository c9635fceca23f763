package view

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
)

// testDay is the day on which tests happen unless they say otherwise.
var testDay = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// fixture is a view with its log.
type fixture struct {
	*View
	log    lockedBuffer
	panics int
}

// lockedBuffer collects log lines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start makes a view of a store on the test day, for the node "test".
func start(t *testing.T, st store.Store) *fixture {
	t.Helper()
	f := &fixture{}
	log := slog.New(slog.NewTextHandler(&f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	now := func() time.Time { return testDay }
	g := guard.New(st, guard.Options{Timeout: time.Minute, Logger: log, Now: now})
	f.View = New(Options{
		Store: g, Hasher: store.NewHasher([]byte("hash secret")), Logger: log, Node: "test", Now: now,
		Ours: func(string) bool { return true }, Fault: func() { f.panics++ },
	})
	t.Cleanup(func() {
		f.Close()
		_ = g.Close()
	})
	return f
}

// wantLog fails the test unless the log has all these texts.
func wantLog(t *testing.T, f *fixture, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(f.log.String(), text) {
			t.Errorf("the log lacks %q:\n%s", text, f.log.String())
		}
	}
}
