package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
)

const (
	spareFiles   = 64 // descriptors a process needs besides its connections
	settleTime   = 500 * time.Millisecond
	settleRounds = 20
)

// compareIdle measures what idle connections cost in memory, one target after the other, each freshly started.
func compareIdle(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	if err := checkFileLimit(o.idle); err != nil {
		return err
	}
	l, err := newLab(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	l.connections = o.idle
	writeConditions(stdout, o, l)
	fmt.Fprintln(stdout, "| target | idle connections | anonymous memory before, kB | after, kB | kB a connection | resident, kB |")
	fmt.Fprintln(stdout, "|---|--:|--:|--:|--:|--:|")
	return l.inTurn(ctx, o.targets, stderr, func(t *target) error {
		before, after, resident, err := idleMemory(ctx, t, o.idle)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "| %s | %d | %d | %d | %.2f | %d |\n", t.name, o.idle, before, after,
			float64(after-before)/float64(o.idle), resident)
		return nil
	})
}

// checkFileLimit makes sure that n connections can be open, here and in a milter, which inherits the limit.
func checkFileLimit(n int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	// Go raises the soft limit to the hard one by itself, so this is the hard limit in practice.
	if need := uint64(n + spareFiles); limit.Cur < need {
		return fmt.Errorf("-idle %d needs %d open files here and in each milter, the limit is %d: "+
			"run \"ulimit -Hn %d\" as root first, or open fewer", n, need, limit.Cur, need)
	}
	return nil
}

// idleMemory opens n connections to the target, each of them after CONNECT and HELO, and returns the target's anonymous
// memory in KiB before and while they are open, and its resident memory then.
func idleMemory(ctx context.Context, t *target, n int) (before, after, resident int, err error) {
	if before, err = settledMemory(ctx, t.pid); err != nil {
		return 0, 0, 0, err
	}
	open := make([]*mta, 0, n)
	defer func() {
		for _, m := range open {
			_ = m.quit() // the figures are in; the milter ends next
		}
	}()
	for i := range n {
		if ctx.Err() != nil {
			return 0, 0, 0, ctx.Err()
		}
		m := newMTA()
		if err := m.open(t.network, t.address, clientNumber(i)); err != nil {
			return 0, 0, 0, fmt.Errorf("idle connection %d: %w", i+1, err)
		}
		open = append(open, m)
		// Postfix would keep events without a reply in its buffer. Here the milter gets them, and holds what it makes of
		// them: that is the state in which it waits for the next recipient of a slow client.
		if err := m.flush(); err != nil {
			return 0, 0, 0, fmt.Errorf("idle connection %d: %w", i+1, err)
		}
	}
	if after, err = settledMemory(ctx, t.pid); err == nil {
		resident, err = memoryOf(t.pid, "VmRSS:")
	}
	return before, after, resident, err
}

// settledMemory returns a process's anonymous memory once it no longer changes, or after a while.
func settledMemory(ctx context.Context, pid int) (int, error) {
	last := -1
	for range settleRounds {
		now, err := memoryOf(pid, anonymous)
		if err != nil || now == last {
			return now, err
		}
		last = now
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(settleTime):
		}
	}
	return last, nil
}
