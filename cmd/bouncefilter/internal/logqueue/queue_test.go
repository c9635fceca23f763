package logqueue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// told is the line in place of dropped ones.
func told(n uint64) []byte { return fmt.Appendf(nil, "dropped %d\n", n) }

// taker is a writer that does what a test says.
type taker struct {
	mu     sync.Mutex
	gate   chan struct{} // while it is not nil, Write waits for a value, or for its being closed
	err    error
	takes  int // octets that a Write which fails has written before
	got    bytes.Buffer
	writes []int // the length of each
}

func (w *taker) Write(p []byte) (int, error) {
	w.mu.Lock()
	gate := w.gate
	w.mu.Unlock()
	if gate != nil {
		<-gate
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes = append(w.writes, len(p))
	if w.err != nil {
		n := min(w.takes, len(p))
		w.got.Write(p[:n])
		w.takes -= n
		return n, w.err
	}
	return w.got.Write(p)
}

func (w *taker) fail(err error, takes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err, w.takes = err, takes
}

func (w *taker) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.got.String()
}

func TestLinesAreWrittenInOrder(t *testing.T) {
	var out taker
	q := New(&out, told)
	var want strings.Builder
	for i := range 5000 {
		line := fmt.Sprintf("line %d\n", i)
		want.WriteString(line)
		if n, err := io.WriteString(q, line); n != len(line) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	if !q.Flush(t.Context()) || out.String() != want.String() {
		t.Errorf("flushed %d of %d octets", len(out.String()), want.Len())
	}
	if !q.Close(time.Minute) || q.Dropped() != 0 || q.Failures() != 0 {
		t.Errorf("dropped %d, failures %d", q.Dropped(), q.Failures())
	}
}

func TestLinesAreWrittenWholeUnlessTheyAreLong(t *testing.T) {
	out := taker{gate: make(chan struct{})}
	q := New(&out, told)
	_, _ = io.WriteString(q, "first\n") // the goroutine is stuck with it, or takes it with the others
	long := strings.Repeat("x", 3*atomicWrite) + "\n"
	for range 100 {
		_, _ = io.WriteString(q, strings.Repeat("y", 99)+"\n")
	}
	_, _ = io.WriteString(q, long)
	close(out.gate)
	if !q.Close(time.Minute) {
		t.Fatal("not written")
	}
	sum := 0
	for _, n := range out.writes {
		sum += n
		if n > atomicWrite && n != len(long) {
			t.Errorf("a write of %d octets", n)
		}
		if out.got.Bytes()[sum-1] != '\n' {
			t.Errorf("a write of %d octets ends inside a line", n)
		}
	}
	if len(out.writes) > 10 {
		t.Errorf("%d writes for %d octets", len(out.writes), sum)
	}
}

// While the writer is stuck, lines are taken up to the limit, and the one past it is dropped. Once the writer goes on, one line tells of
// those that were dropped, in their place.
func TestAStuckWriterStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := taker{gate: make(chan struct{})}
		q := New(&out, told)
		_, _ = io.WriteString(q, "first\n")
		synctest.Wait() // the goroutine has it, and is stuck
		line := strings.Repeat("x", 1023) + "\n"
		for range Limit / len(line) {
			_, _ = io.WriteString(q, line)
		}
		if n := q.Dropped(); n != 0 {
			t.Errorf("%d lines dropped at the limit", n)
		}
		for range 3 {
			_, _ = io.WriteString(q, "y\n") // would be one octet too much
		}
		if n := q.Dropped(); n != 3 {
			t.Errorf("%d lines dropped past the limit", n)
		}
		close(out.gate)
		if !q.Flush(t.Context()) {
			t.Error("not flushed")
		}
		_, _ = io.WriteString(q, "last\n")
		if !q.Close(time.Second) {
			t.Error("not closed")
		}
		want := "first\n" + strings.Repeat(line, Limit/len(line)) + "dropped 3\nlast\n"
		if out.String() != want {
			t.Errorf("%d octets, %d wanted; the end is %q", len(out.String()), len(want), out.String()[max(0, len(out.String())-60):])
		}
	})
}

func TestCloseWaitsAsLongAsItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := taker{gate: make(chan struct{})}
		q := New(&out, told)
		_, _ = io.WriteString(q, "never read\n")
		began := time.Now()
		if q.Close(2*time.Second) || time.Since(began) != 2*time.Second {
			t.Errorf("closed after %v", time.Since(began))
		}
		_, _ = io.WriteString(q, "too late\n")
		if q.Dropped() != 1 {
			t.Errorf("%d dropped", q.Dropped())
		}
		close(out.gate)
		<-q.done
	})
}

// What fails is tried again, from where it came to: a full disk has room again, a non-blocking pipe is read, a named pipe gets another
// reader. The pauses bound what that costs.
func TestAFailureIsTriedAgain(t *testing.T) {
	for _, err := range []error{syscall.EPIPE, syscall.EAGAIN, syscall.ENOSPC, errors.New("any")} {
		t.Run(err.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out taker
				q := New(&out, told)
				out.fail(err, 5)
				_, _ = io.WriteString(q, "first line\n")
				time.Sleep(time.Minute)
				synctest.Wait()
				if n := q.Failures(); n < 50 || n > 70 {
					t.Errorf("%d tries in a minute", n)
				}
				out.fail(nil, 0)
				_, _ = io.WriteString(q, "second line\n")
				if !q.Flush(t.Context()) || out.String() != "first line\nsecond line\n" {
					t.Errorf("got %q", out.String())
				}
				if !q.Close(time.Second) || q.Dropped() != 0 {
					t.Errorf("%d dropped", q.Dropped())
				}
			})
		})
	}
}

func TestCloseDoesNotWaitForAWriterThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out taker
		q := New(&out, told)
		out.fail(syscall.EPIPE, 0)
		_, _ = io.WriteString(q, "a line\n")
		began := time.Now()
		if q.Close(time.Hour) || time.Since(began) > maxPause {
			t.Errorf("closed after %v", time.Since(began))
		}
	})
}

func TestFlushEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := taker{gate: make(chan struct{})}
		q := New(&out, told)
		_, _ = io.WriteString(q, "a line\n")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if q.Flush(ctx) {
			t.Error("flushed")
		}
		close(out.gate)
		if !q.Close(time.Second) {
			t.Error("not closed")
		}
	})
}

// A line costs the caller no memory once the buffers have grown.
func TestALineCostsNoAllocation(t *testing.T) {
	q := New(io.Discard, told)
	defer q.Close(time.Minute)
	line := []byte(strings.Repeat("x", 300) + "\n")
	if n := testing.AllocsPerRun(1000, func() { _, _ = q.Write(line) }); n > 0.5 {
		t.Errorf("%v allocations a line", n)
	}
}
