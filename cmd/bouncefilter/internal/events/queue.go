package events

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/limit"
)

// sink is where events go. Its methods are called by one goroutine.
type sink interface {
	// deliver hands over events, one on each line, in their order. It returns how many the receiver has taken: all of them unless there
	// is an error. [errRefused] says that the next one will never be taken, [laterError] when to try again; other errors are tried
	// again. No error holds a password or a secret.
	deliver(ctx context.Context, lines [][]byte) (taken int, err error)
	// batch is how many events deliver is given at most.
	batch() int
	close() error
}

// errRefused says that the receiver does not take an event, and would not at another time.
var errRefused = errors.New("the receiver refuses this event")

// laterError is an error of a receiver that says when to try again.
type laterError struct {
	error
	after time.Duration
}

func (e laterError) Unwrap() error { return e.error }

const (
	// maxMemory is how many octets of events wait in memory for the disk, for each sink: some 10,000 events.
	maxMemory = 8 << 20
	// deliverTimeout bounds one delivery.
	deliverTimeout = 30 * time.Second
	// firstPause and longestPause are the time between two tries after a failure. Each pause is twice as long as the last one, less up
	// to a half by chance, so that nodes do not come back together.
	firstPause   = time.Second
	longestPause = 5 * time.Minute
	// longestLater is the longest time that a receiver may ask for.
	longestLater = time.Hour
	// failureInterval is the least time between two lines about a sink that fails.
	failureInterval = 10 * time.Minute
)

// counts are what became of events.
type counts struct {
	delivered, retried, refused, dropped atomic.Uint64
}

// queue brings events to one sink: from memory to the spool, and from there to the sink.
type queue struct {
	name  string
	sink  sink
	spool *spool
	log   *slog.Logger
	now   func() time.Time

	counts   counts
	drops    limit.Rate // of lines about events that were dropped
	failures limit.Rate // of lines about a sink or a disk that fails

	mu     sync.Mutex
	memory [][]byte
	octets int
	ended  bool // nothing is added any more

	added   chan struct{} // has a value if memory has events, or ended is set
	spooled chan struct{} // has a value if there may be more in the spool
}

func newQueue(name string, s sink, sp *spool, log *slog.Logger, now func() time.Time) *queue {
	return &queue{name: name, sink: s, spool: sp, log: log, now: now, added: make(chan struct{}, 1), spooled: make(chan struct{}, 1)}
}

// signal leaves a value in a channel that holds one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// add takes an event. It does not wait.
func (q *queue) add(line []byte) {
	q.mu.Lock()
	full := q.ended || q.octets+len(line) > maxMemory
	if !full {
		q.memory, q.octets = append(q.memory, line), q.octets+len(line)
	}
	q.mu.Unlock()
	if full {
		q.drop(1, "the disk does not take them in time", maxMemory)
		return
	}
	signal(q.added)
}

// drop counts and logs events that are lost.
func (q *queue) drop(n int, why string, limit int) {
	if n == 0 {
		return
	}
	q.counts.dropped.Add(uint64(n))
	if suppressed, ok := q.drops.Allow(q.now()); ok {
		q.log.Warn("events are dropped: "+why, "sink", q.name, "limit", limit, "suppressed", suppressed)
	}
}

// failed logs that something is tried again.
func (q *queue) failed(what string, err error, pause time.Duration) {
	if suppressed, ok := q.failures.AllowEvery(q.now(), failureInterval); ok {
		q.log.Warn(what, "sink", q.name, "error", err, "waiting", q.pending(), "pause", pause.Round(time.Millisecond), "suppressed", suppressed)
	}
}

// pending returns how many events wait.
func (q *queue) pending() int {
	return q.unspooled() + q.spool.length()
}

// unspooled returns how many events wait in memory.
func (q *queue) unspooled() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.memory)
}

// end lets the goroutine of spoolAll come to its end.
func (q *queue) end() {
	q.mu.Lock()
	q.ended = true
	q.mu.Unlock()
	signal(q.added)
}

// spoolAll writes what is added to the spool, until [queue.end] was called and all is written, or ctx is done.
func (q *queue) spoolAll(ctx context.Context) {
	for tries := 0; ; {
		q.mu.Lock()
		lines, ended := q.memory, q.ended
		q.mu.Unlock()
		if len(lines) == 0 {
			if ended {
				return
			}
			select {
			case <-q.added:
			case <-ctx.Done():
				return
			}
			continue
		}
		taken, err := q.spool.add(lines)
		if err != nil {
			tries++
			pause := pauseAfter(tries)
			q.failed("events cannot be written to the spool, trying again", err, pause)
			if !sleep(ctx, pause) {
				return
			}
			continue
		}
		tries = 0
		q.drop(len(lines)-taken, "too many wait for this sink", q.spool.most)
		q.mu.Lock()
		for _, line := range lines {
			q.octets -= len(line)
		}
		if q.memory = q.memory[len(lines):]; len(q.memory) == 0 {
			q.memory = nil
		}
		q.mu.Unlock()
		signal(q.spooled)
	}
}

// deliverAll hands events over until ctx is done. After end it returns when none is left.
func (q *queue) deliverAll(ctx context.Context, end <-chan struct{}) {
	ended := false
	for tries := 0; ; {
		lines, err := q.spool.next(q.sink.batch())
		if err == nil && len(lines) == 0 {
			if ended {
				return
			}
			select {
			case <-q.spooled:
			case <-end: // all is in the spool now
				ended = true
			case <-ctx.Done():
				return
			}
			continue
		}
		if err == nil {
			err = q.deliver(ctx, lines)
		}
		if err == nil {
			if tries > 0 {
				q.log.Info("events are taken again", "sink", q.name, "waiting", q.pending())
			}
			tries = 0
			continue
		}
		if ctx.Err() != nil {
			return // cut by the end of the daemon: no failure
		}
		q.counts.retried.Add(1)
		tries++
		pause := pauseAfter(tries)
		if later, ok := errors.AsType[laterError](err); ok {
			pause = min(max(pause, later.after), longestLater)
		}
		q.failed("events are not taken, trying again", err, pause)
		if !sleep(ctx, pause) {
			return
		}
	}
}

// deliver hands over the first events of the spool. What no sink would take is left out.
func (q *queue) deliver(ctx context.Context, lines [][]byte) error {
	for i, line := range lines {
		if json.Valid(line) {
			continue
		}
		if i == 0 {
			q.drop(1, "the spool is damaged", q.spool.most)
			return q.spool.done(lines[:1])
		}
		lines = lines[:i]
		break
	}
	ctx, cancel := context.WithTimeout(ctx, deliverTimeout)
	defer cancel()
	taken, err := q.sink.deliver(ctx, lines)
	q.counts.delivered.Add(uint64(taken))
	if errors.Is(err, errRefused) && taken < len(lines) {
		q.counts.refused.Add(1)
		q.failed("an event is refused, and not tried again", err, 0)
		taken, err = taken+1, nil
	}
	if taken == 0 {
		return err
	}
	return errors.Join(err, q.spool.done(lines[:taken]))
}

// pauseAfter returns how long to wait after so many failures in a row.
func pauseAfter(tries int) time.Duration {
	pause := longestPause
	if tries < 16 {
		pause = min(firstPause<<(tries-1), longestPause)
	}
	return pause - rand.N(pause/2)
}

// sleep waits, and says whether it was for the whole time.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
