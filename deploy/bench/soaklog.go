package main

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"sync"
	"time"
)

// A logReader reads the standard error of the daemon through a pipe, and is at times slow or does not read at all.
type logReader struct {
	pipe *os.File
	done chan struct{}

	mu     sync.Mutex
	gate   chan struct{} // closed to let the reader go on; nil if it does not wait
	slow   bool
	tail   []byte // the end of what was read
	lines  int
	raised map[string]int // lines of warnings and errors, by level and message
}

const (
	keptTail    = 4 << 10
	keptRaised  = 60
	slowRead    = 2 << 10 // octets
	slowPause   = 50 * time.Millisecond
	usualRead   = 64 << 10
	longestLine = 16 << 10
)

var raisedLine = regexp.MustCompile(`level=(?:WARN|ERROR) msg=(?:"(?:[^"\\]|\\.)*"|\S+)`)

// newLogReader starts to read. It ends when the last writer has closed the pipe.
func newLogReader() (r *logReader, writer *os.File, err error) {
	pipe, writer, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	r = &logReader{pipe: pipe, done: make(chan struct{}), raised: map[string]int{}}
	go r.run()
	return r, writer, nil
}

func (r *logReader) run() {
	defer close(r.done)
	defer r.pipe.Close()
	buf := make([]byte, usualRead)
	var rest []byte // of a line
	for {
		gate, slow := r.pace()
		if gate != nil {
			<-gate
			continue
		}
		size := usualRead
		if slow {
			time.Sleep(slowPause)
			size = slowRead
		}
		n, err := r.pipe.Read(buf[:size])
		if err != nil {
			return
		}
		rest = append(rest, buf[:n]...)
		for {
			line, after, found := bytes.Cut(rest, []byte("\n"))
			if !found {
				break
			}
			r.line(line)
			rest = after
		}
		if len(rest) > longestLine {
			rest = nil
		}
		rest = append([]byte(nil), rest...)
	}
}

func (r *logReader) pace() (gate chan struct{}, slow bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gate, r.slow
}

func (r *logReader) line(line []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines++
	r.tail = append(append(r.tail, line...), '\n')
	if len(r.tail) > 2*keptTail {
		r.tail = append([]byte(nil), r.tail[len(r.tail)-keptTail:]...)
	}
	if m := raisedLine.Find(line); m != nil && (len(r.raised) < keptRaised || r.raised[string(m)] > 0) {
		r.raised[string(m)]++
	}
}

// last returns the end of the log.
func (r *logReader) last() ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.tail), nil
}

// block reads nothing for a time, or until ctx ends.
func (r *logReader) block(ctx context.Context, d time.Duration) {
	gate := make(chan struct{})
	r.set(gate, false)
	wait(ctx, d)
	r.set(nil, false)
	close(gate)
}

// dawdle reads less than the daemon writes for a time, or until ctx ends.
func (r *logReader) dawdle(ctx context.Context, d time.Duration) {
	r.set(nil, true)
	wait(ctx, d)
	r.set(nil, false)
}

func (r *logReader) set(gate chan struct{}, slow bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gate, r.slow = gate, slow
}

// wait waits for a time, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
