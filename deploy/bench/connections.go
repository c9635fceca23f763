package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"time"
)

// connectionOptions are measures of connections in place of messages.
type connectionOptions struct {
	churn     int // connections to open and close, one after the other
	announced int // connections that begin a long frame and send no more
}

// announcedLength is the length that such a frame has: as long as one may be.
const announcedLength = 1 << 20

// warmUp is how many connections are opened and closed before the first figures: the garbage collector has had its turns then.
const warmUp = 20_000

func (o *connectionOptions) define(f *flag.FlagSet) {
	f.IntVar(&o.churn, "churn", 0, "open and close that many `connections` instead, and report what is left of them")
	f.IntVar(&o.announced, "announced", 0, "let that many `connections` announce a frame of 1 MiB instead, and report the memory")
}

func (o *connectionOptions) any() bool { return o.churn > 0 || o.announced > 0 }

// holdings is what a milter holds.
type holdings struct {
	anonymous, resident int // memory in KiB
	files               int // descriptors
	goroutines          int // 0 if the milter does not tell
	heap                int // octets that are allocated on the heap and not collected yet; likewise
}

func (h holdings) String() string {
	return fmt.Sprintf("%d | %d | %d | %d | %d", h.anonymous, h.resident, h.files, h.goroutines, h.heap/1024)
}

// holdingsOf returns what a target holds once its memory no longer changes.
func holdingsOf(ctx context.Context, t *target) (h holdings, err error) {
	if h.anonymous, err = settledMemory(ctx, t.pid); err != nil {
		return h, err
	}
	if h.resident, err = memoryOf(t.pid, "VmRSS:"); err != nil {
		return h, err
	}
	if h.files, err = descriptors(t.pid); err != nil || t.http == "" {
		return h, err
	}
	metrics, err := scrape(ctx, t.http)
	if err != nil {
		return h, err
	}
	for name, figure := range map[string]*int{"go_goroutines": &h.goroutines, "go_memstats_heap_alloc_bytes": &h.heap} {
		value, known := metrics[name]
		if !known {
			return h, fmt.Errorf("no %s among the metrics of %s", name, t.http)
		}
		*figure = int(value)
	}
	return h, nil
}

// compareConnections measures what connections leave behind that were opened and closed, or hold that announce frames.
func compareConnections(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	l, err := newLab(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	l.metrics = true
	l.connections = o.connections.announced
	writeConditions(stdout, o, l)
	n, what, act := o.connections.churn, "opened and closed", churn
	if n == 0 {
		n, what, act = o.connections.announced, "announce 1 MiB", announce
	}
	fmt.Fprintf(stdout, "| target | connections | when | anonymous memory, kB | resident, kB | descriptors | goroutines | heap, kB |\n|---|--:|---|--:|--:|--:|--:|--:|\n")
	return l.inTurn(ctx, o.targets, stderr, func(t *target) error {
		report := func(when string) error {
			h, err := holdingsOf(ctx, t)
			if err == nil {
				fmt.Fprintf(stdout, "| %s | %d | %s | %s |\n", t.name, n, when, h)
			}
			return err
		}
		if err := churn(ctx, t, warmUp, func() error { return report("before") }); err != nil {
			return err
		}
		return act(ctx, t, n, func() error { return report(what) })
	})
}

// churn opens and closes n connections, one after the other, and calls then.
func churn(ctx context.Context, t *target, n int, then func() error) error {
	m := newMTA()
	for i := range n {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := m.open(t.network, t.address, clientNumber(i)); err != nil {
			return fmt.Errorf("connection %d: %w", i+1, err)
		}
		if err := m.quit(); err != nil {
			return fmt.Errorf("connection %d: %w", i+1, err)
		}
	}
	return then()
}

// announce opens n connections, begins a body chunk of a bounce on each, and calls then.
func announce(ctx context.Context, t *target, n int, then func() error) error {
	bounce, ids := newBounce("announced@"+domain, "announced@"+domain), newIDSource()
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close() // the figures are in; the milter ends next
		}
	}()
	for i := range n {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		m := newMTA()
		if err := m.open(t.network, t.address, clientNumber(i)); err != nil {
			return fmt.Errorf("connection %d: %w", i+1, err)
		}
		open = append(open, m.conn)
		var o outcome
		decided, err := m.envelope(&bounce, ids.next(), &o)
		if err == nil && decided {
			err = fmt.Errorf("the milter decides before the content: %v", &o)
		}
		m.out = append(binary.BigEndian.AppendUint32(m.out, announcedLength), byte(cmdBody), 'x')
		if err := errors.Join(err, m.flush()); err != nil {
			return fmt.Errorf("connection %d: %w", i+1, err)
		}
	}
	time.Sleep(settleTime)
	return then()
}
