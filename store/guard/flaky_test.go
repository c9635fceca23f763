package guard_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// flaky is a store in memory whose calls can be made to fail or to hang.
type flaky struct {
	*memory.Store
	mu      sync.Mutex
	err     error // what calls fail with; nil for nothing
	only    string
	hang    bool // failing calls wait for the end of their context
	records int
	lookups int
	marks   []store.Gap
	closed  atomic.Bool
}

func newFlaky() *flaky { return &flaky{Store: memory.New()} }

// fail makes the calls of one method fail, or those of all if only is empty.
func (f *flaky) fail(err error, only string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.only = err, only
}

func (f *flaky) call(ctx context.Context, method string) error {
	f.mu.Lock()
	err, hang := f.err, f.hang
	if f.only != "" && f.only != method {
		err = nil
	}
	switch method {
	case "Record":
		f.records++
	case "Lookup":
		f.lookups++
	}
	f.mu.Unlock()
	if err != nil && hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (f *flaky) calls() (records, lookups int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.records, f.lookups
}

func (f *flaky) incomplete() []store.Gap {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.marks
}

func (f *flaky) Record(ctx context.Context, today store.Day, domain string, rs ...store.Record) error {
	if err := f.call(ctx, "Record"); err != nil {
		return err
	}
	return f.Store.Record(ctx, today, domain, rs...)
}

func (f *flaky) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	if err := f.call(ctx, "Lookup"); err != nil {
		return store.Answer{}, err
	}
	return f.Store.Lookup(ctx, today, qs)
}

func (f *flaky) MarkIncomplete(ctx context.Context, g store.Gap) error {
	if err := f.call(ctx, "MarkIncomplete"); err != nil {
		return err
	}
	f.mu.Lock()
	f.marks = append(f.marks, g)
	f.mu.Unlock()
	return f.Store.MarkIncomplete(ctx, g)
}

func (f *flaky) Close() error { f.closed.Store(true); return f.Store.Close() }

var errDown = errors.New("connection refused")

// logs collects log lines.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

// newGuard returns a Guard with a journal that has no room for entries, unless journal is empty: what the store does not
// take is lost.
func newGuard(t *testing.T, s store.Store, journal string) (*guard.Guard, *logs) {
	t.Helper()
	return newJournalGuard(t, s, journal, 1)
}

func newJournalGuard(t *testing.T, s store.Store, journal string, size int64) (*guard.Guard, *logs) {
	t.Helper()
	l := &logs{}
	g := guard.New(s, guard.Options{JournalFile: journal, JournalSize: size, Logger: slog.New(slog.NewTextHandler(l, nil))})
	return g, l
}

// newPatientGuard is newGuard for a test in real time, in which a busy machine must not make the store look slow.
func newPatientGuard(t *testing.T, s store.Store, journal string) *guard.Guard {
	t.Helper()
	return guard.New(s, guard.Options{Timeout: time.Minute, JournalFile: journal, JournalSize: 1, Logger: slog.New(slog.DiscardHandler)})
}

func today() store.Day { return store.DayOf(time.Now()) }

func rec(n byte) store.Record {
	return store.Record{Key: store.Key{n}, Expires: today() + 7}
}

func exists(path string) bool { _, err := os.Lstat(path); return err == nil }

// gapMarked says whether a journal's file says that records were lost.
func gapMarked(path string) bool {
	b, err := os.ReadFile(path)
	return err == nil && b[64] != '-'
}
