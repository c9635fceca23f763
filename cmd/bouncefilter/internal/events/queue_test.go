package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fake is a sink that answers what a test says.
type fake struct {
	mu     sync.Mutex
	answer func(try int) error // nil to take all
	tries  []time.Time
	taken  []string
	hang   bool // until the context is done
	most   int
}

func (f *fake) batch() int { return max(f.most, 1) }

func (f *fake) deliver(ctx context.Context, lines [][]byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tries = append(f.tries, time.Now())
	if f.hang {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	if f.answer != nil {
		if err := f.answer(len(f.tries)); err != nil {
			return 0, err
		}
	}
	for _, line := range lines {
		f.taken = append(f.taken, string(line))
	}
	return len(lines), nil
}

func (f *fake) close() error { return nil }

// running is a publisher with one sink.
func running(t *testing.T, s sink, dir string, most int, log *bytes.Buffer) *Publisher {
	t.Helper()
	p := &Publisher{ending: make(chan struct{}), log: slog.New(slog.NewTextHandler(log, nil)), now: time.Now}
	p.start([]*queue{newQueue("fake", s, testSpool(t, filepath.Join(dir, "s"), most), p.log, time.Now)})
	return p
}

func closed(t *testing.T, p *Publisher) {
	t.Helper()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// A sink that fails is tried again, after pauses that grow and stay below five minutes, and gets all events in their order.
func TestAFailureIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &fake{answer: func(try int) error {
			if try < 14 {
				return errors.New("down")
			}
			return nil
		}}
		p := running(t, s, t.TempDir(), 100, &log)
		for _, line := range numbered(0, 3) {
			p.queues[0].add(line)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got, want := strings.Join(s.taken, ""), text(numbered(0, 3)); got != want {
			t.Errorf("got %q", got)
		}
		for i := 1; i < 14; i++ {
			pause, most := s.tries[i].Sub(s.tries[i-1]), min(firstPause<<(i-1), longestPause)
			if pause < most/2 || pause > most {
				t.Errorf("pause %d: %v, want up to %v", i, pause, most)
			}
		}
		q := p.queues[0]
		if d, r := q.counts.delivered.Load(), q.counts.retried.Load(); d != 3 || r != 13 || q.pending() != 0 {
			t.Errorf("%d delivered, %d retried, %d pending", d, r, q.pending())
		}
		// 13 failures in half an hour: a line in ten minutes, and one when it works.
		if n := strings.Count(log.String(), "events are not taken"); n < 2 || n > 5 || !strings.Contains(log.String(), "events are taken again") {
			t.Errorf("%d lines:\n%s", n, &log)
		}
		closed(t, p)
	})
}

// A receiver may ask for a longer pause, up to an hour.
func TestAReceiverSaysWhenToTryAgain(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{90 * time.Second: 90 * time.Second, 48 * time.Hour: longestLater} {
		synctest.Test(t, func(t *testing.T) {
			s := &fake{answer: func(try int) error {
				if try == 1 {
					return laterError{errors.New("busy"), asked}
				}
				return nil
			}}
			p := running(t, s, t.TempDir(), 100, &bytes.Buffer{})
			p.queues[0].add(numbered(0, 1)[0])
			time.Sleep(2 * time.Hour)
			synctest.Wait()
			if len(s.tries) != 2 || s.tries[1].Sub(s.tries[0]) != want {
				t.Errorf("tries at %v, want %v between", s.tries, want)
			}
			closed(t, p)
		})
	}
}

// One event that the receiver refuses for good does not keep up the others.
func TestARefusedEventIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fake{answer: func(try int) error {
			if try == 2 {
				return fmt.Errorf("%w: status 400", errRefused)
			}
			return nil
		}}
		p := running(t, s, t.TempDir(), 100, &bytes.Buffer{})
		for _, line := range numbered(0, 3) {
			p.queues[0].add(line)
		}
		synctest.Wait()
		if got, want := strings.Join(s.taken, ""), text(numbered(0, 1))+text(numbered(2, 3)); got != want {
			t.Errorf("got %q", got)
		}
		if q := p.queues[0]; q.counts.refused.Load() != 1 || q.counts.delivered.Load() != 2 {
			t.Errorf("%d refused, %d delivered", q.counts.refused.Load(), q.counts.delivered.Load())
		}
		closed(t, p)
	})
}

// Lines that the disk has damaged are left out.
func TestADamagedLineIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fake{most: 10}
		p := running(t, s, t.TempDir(), 100, &bytes.Buffer{})
		for _, line := range []string{"{}\n", "\x00\x00\x00\n", "{\"id\":1}\n"} {
			p.queues[0].add([]byte(line))
		}
		synctest.Wait()
		if got := strings.Join(s.taken, ""); got != "{}\n{\"id\":1}\n" || p.queues[0].counts.dropped.Load() != 1 {
			t.Errorf("got %q", got)
		}
		closed(t, p)
	})
}

// A sink that is down has a backlog, at its limit and one past it; the newest are dropped, counted, and logged once a minute.
func TestBacklogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		down := true
		s := &fake{most: 10}
		s.answer = func(int) error {
			if down {
				return errors.New("down")
			}
			return nil
		}
		p := running(t, s, t.TempDir(), 5, &log)
		q := p.queues[0]
		for _, line := range numbered(0, 5) {
			q.add(line)
		}
		synctest.Wait()
		if n := q.counts.dropped.Load(); n != 0 {
			t.Errorf("%d dropped at the limit", n)
		}
		for _, line := range numbered(5, 8) {
			q.add(line)
			synctest.Wait()
		}
		if n := q.counts.dropped.Load(); n != 3 || q.pending() != 5 {
			t.Errorf("%d dropped past the limit, %d wait", n, q.pending())
		}
		if n := strings.Count(log.String(), "events are dropped: too many wait for this sink"); n != 1 {
			t.Errorf("%d lines:\n%s", n, &log)
		}
		s.mu.Lock()
		down = false
		s.mu.Unlock()
		time.Sleep(longestPause)
		synctest.Wait()
		if got := strings.Join(s.taken, ""); got != text(numbered(0, 5)) {
			t.Errorf("got %q", got)
		}
		closed(t, p)
	})
}

// Memory for a disk that does not take events is bounded: at the limit, and one past it.
func TestMemoryIsBounded(t *testing.T) {
	var log bytes.Buffer
	q := newQueue("fake", &fake{}, testSpool(t, filepath.Join(t.TempDir(), "s"), 1<<20), slog.New(slog.NewTextHandler(&log, nil)), time.Now)
	line := bytes.Repeat([]byte("x"), 1<<10)
	for range maxMemory / len(line) {
		q.add(line)
	}
	if n := q.counts.dropped.Load(); n != 0 {
		t.Errorf("%d dropped at the limit", n)
	}
	q.add(line)
	if n := q.counts.dropped.Load(); n != 1 || !strings.Contains(log.String(), "the disk does not take them in time") {
		t.Errorf("%d dropped past the limit\n%s", n, &log)
	}
}

// The end waits for what is added last, not for a sink that hangs; what that has not taken is there at the next start.
func TestTheEndDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		p := running(t, &fake{hang: true}, dir, 100, &bytes.Buffer{})
		for _, line := range numbered(0, 3) {
			p.queues[0].add(line)
		}
		before := time.Now()
		closed(t, p)
		if took := time.Since(before); took > grace {
			t.Errorf("it took %v", took)
		}
		next := &fake{}
		p = running(t, next, dir, 100, &bytes.Buffer{})
		synctest.Wait()
		if got := strings.Join(next.taken, ""); got != text(numbered(0, 3)) {
			t.Errorf("after the restart: %q", got)
		}
		p.queues[0].add(numbered(3, 4)[0])
		before = time.Now()
		closed(t, p) // a sink that works gets the last event before the end
		if got := strings.Join(next.taken, ""); got != text(numbered(0, 4)) || !time.Now().Equal(before) {
			t.Errorf("after %v: %q", time.Since(before), got)
		}
	})
}
