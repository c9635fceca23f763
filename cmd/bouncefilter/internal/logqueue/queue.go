// Package logqueue keeps the log of a daemon from stopping it: the standard error may be a pipe that is never read or whose reader is
// gone, a terminal that is paused, or a file on a full disk.
//
// A [Queue] takes lines at once, whatever becomes of the writer behind it. One goroutine writes them. Lines for which there is no room
// are dropped and counted, and a line in their place says how many they were. [Queue.Close] ends it, and waits no longer than it is told.
package logqueue

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"
)

// Limit is how many octets of lines may wait: some 3,000 lines. As much again may be with the writer.
const Limit = 1 << 20

// atomicWrite is how many octets are written at once, unless a line is longer: no other process that writes to the same pipe gets
// between them (PIPE_BUF of Linux, see pipe(7)).
const atomicWrite = 4096

// Pauses after a failure to write. The first is the shortest, each further failure doubles it. A descriptor that another process has
// made non-blocking has room again soon, a full disk later.
const (
	minPause = 10 * time.Millisecond
	maxPause = time.Second
)

// Queue is an [io.Writer] that never waits and never fails. Its methods may be called from any goroutine.
type Queue struct {
	out    io.Writer
	notice func(dropped uint64) []byte
	wake   chan struct{} // holds a value while the goroutine has something to look at
	stop   chan struct{} // closed by Close
	done   chan struct{} // closed when the goroutine has ended

	mu       sync.Mutex
	waiting  []byte // whole lines
	untold   uint64 // lines that were dropped behind those that wait
	flushes  []chan struct{}
	closing  bool
	dropped  uint64
	failures uint64
}

// New makes a queue in front of out, and starts its goroutine, which Close ends. notice returns the line, with its line feed, which
// says that lines were dropped. It is called in that goroutine.
func New(out io.Writer, notice func(dropped uint64) []byte) *Queue {
	q := &Queue{out: out, notice: notice, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go q.run()
	return q
}

// Write takes one line with its line feed, or drops it. Once a line was dropped, those behind it are too, until the goroutine has taken
// all that waits: so the line that tells of them is in their place.
func (q *Queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing || q.untold > 0 || len(q.waiting)+len(line) > Limit {
		q.untold++
		q.dropped++
	} else {
		q.waiting = append(q.waiting, line...)
	}
	q.wakeUp()
	return len(line), nil
}

// wakeUp lets the goroutine look at the queue.
func (q *Queue) wakeUp() {
	select {
	case q.wake <- struct{}{}:
	default: // it is going to look already
	}
}

// Dropped returns how many lines were dropped.
func (q *Queue) Dropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// Failures returns how many times writing has failed. What was not written is tried again.
func (q *Queue) Failures() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.failures
}

// Flush returns true when all lines that were taken before the call are written, and false if ctx is done before.
func (q *Queue) Flush(ctx context.Context) bool {
	q.mu.Lock()
	flushed := q.flushed()
	q.mu.Unlock()
	select {
	case <-flushed:
		return true
	case <-q.done:
		return false
	case <-ctx.Done():
		return false
	}
}

// flushed returns a channel that is closed when all lines taken so far are written. q is locked.
func (q *Queue) flushed() <-chan struct{} {
	c := make(chan struct{})
	q.flushes = append(q.flushes, c)
	q.wakeUp()
	return c
}

// Close writes what waits, and ends the goroutine. It waits for patience at most, and not for a writer that fails; it returns false if
// not everything is written. A goroutine that the writer holds up then ends when the writer lets it go. Close must be called once.
func (q *Queue) Close(patience time.Duration) bool {
	q.mu.Lock()
	q.closing = true
	flushed := q.flushed()
	q.mu.Unlock()
	close(q.stop)
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-q.done:
	case <-timeout.C:
	}
	select {
	case <-flushed:
		return true
	default:
		return false
	}
}

// run writes what waits until Close is called, and then the rest.
func (q *Queue) run() {
	defer close(q.done)
	var lines []byte
	for {
		q.mu.Lock()
		lines, q.waiting = q.waiting, lines[:0]
		untold, flushes := q.untold, q.flushes
		q.untold, q.flushes = 0, nil
		q.mu.Unlock()
		if untold > 0 {
			lines = append(lines, q.notice(untold)...)
		}
		if !q.write(lines) {
			return
		}
		for _, flushed := range flushes {
			close(flushed)
		}
		if len(lines) > 0 {
			continue
		}
		select {
		case <-q.wake:
		case <-q.stop:
			if q.empty() {
				return
			}
		}
	}
}

// empty says whether nothing waits.
func (q *Queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) == 0 && q.untold == 0 && len(q.flushes) == 0
}

// write writes lines, and tries again when that fails, from where it came to. It returns false if it fails once Close was called.
func (q *Queue) write(lines []byte) bool {
	pause := minPause
	for len(lines) > 0 {
		n, err := q.out.Write(lines[:together(lines)])
		lines = lines[n:]
		if err == nil {
			pause = minPause
			continue
		}
		q.mu.Lock()
		q.failures++
		q.mu.Unlock()
		select {
		case <-q.stop:
			return false
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
	return true
}

// together returns how many octets of lines to write at once: as many whole lines as fit, or one that is longer.
func together(lines []byte) int {
	if len(lines) <= atomicWrite {
		return len(lines)
	}
	if n := bytes.LastIndexByte(lines[:atomicWrite], '\n'); n >= 0 {
		return n + 1
	}
	if n := bytes.IndexByte(lines, '\n'); n >= 0 {
		return n + 1
	}
	return len(lines)
}
