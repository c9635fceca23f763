package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults of [GuardOptions].
const (
	DefaultTimeout = 250 * time.Millisecond
	DefaultProbe   = time.Second
)

// forgetMargin is how far after its end a gap is told to the store to end. It covers what is lost while the store is
// being told, and nodes whose clocks differ by less. Later is always safe (see [Memory]).
const forgetMargin = time.Minute

// GuardOptions configures a [Guard]. The zero value works.
type GuardOptions struct {
	// Timeout bounds each call. Zero means DefaultTimeout.
	Timeout time.Duration

	// Probe is how long the circuit stays open before the store is tried again, and the pause between further tries.
	// Zero means DefaultProbe.
	Probe time.Duration

	// GapFile is the path of the file whose existence says that records were lost and the store does not know it yet.
	// It carries that fact over a crash or a restart. Empty means none: then a crash during an outage forgets the gap.
	GapFile string

	// Logger gets the changes of state. Nil means slog.Default.
	Logger *slog.Logger

	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// Guard is a [Store] as the mail path uses it: it costs a bounded time per message while the store fails, nothing soon
// after, and it never lets a lost record turn into a refused bounce.
//
//   - Each call is bounded by a timeout. A call that fails opens the circuit: from then on calls fail at once, with an
//     error that wraps [ErrUnavailable]. One goroutine of the Guard tries the store again, so that no message pays for
//     that; when it answers the circuit closes.
//   - A Record that was not acknowledged leaves a gap in the record. Before the circuit closes, Forget moves
//     [Memory].Since past the gap. A file marks a gap that is still open, so that it outlives this process.
//   - A record that counts nothing and that this Guard has written before is not written again on the same day.
//
// The rest of [Store] (counters, first-signed days) is not for the mail path: use Store for it.
type Guard struct {
	store   Store
	timeout time.Duration
	probe   time.Duration
	log     *slog.Logger
	now     func() time.Time

	recorded recorded
	gapFile  gapFile
	open     atomic.Bool   // the circuit is open: calls fail at once
	failures atomic.Uint64 // calls that the store failed
	refused  atomic.Uint64 // calls that failed at once

	life context.Context // ends with Close
	end  context.CancelFunc
	wait sync.WaitGroup // for the goroutines of the Guard

	mu      sync.Mutex
	gap     bool      // records were lost of which the store has not been told
	retry   *lost     // the last of them: writing it proves that the store takes records again
	prober  bool      // the goroutine that tries the store is running
	tripped time.Time // when the circuit opened
}

// lost is what was not acknowledged of one message, with the day it was recorded on.
type lost struct {
	today   Day
	domain  string
	records []Record
}

// NewGuard returns a Guard of s and takes s over: Close closes it.
//
// If o.GapFile exists, an earlier process lost records. NewGuard then tries once to tell the store so, within the
// timeout, and goes on trying in the background if that fails.
func NewGuard(s Store, o GuardOptions) *Guard {
	g := &Guard{store: s, timeout: o.Timeout, probe: o.Probe, log: o.Logger, now: o.Now, gapFile: gapFile{path: o.GapFile}}
	if g.timeout <= 0 {
		g.timeout = DefaultTimeout
	}
	if g.probe <= 0 {
		g.probe = DefaultProbe
	}
	if g.log == nil {
		g.log = slog.Default()
	}
	if g.now == nil {
		g.now = time.Now
	}
	g.life, g.end = context.WithCancel(context.Background())

	if g.gapFile.exists() {
		g.log.Warn("records were lost before this start", "gap_file", o.GapFile)
		g.mu.Lock()
		g.gap = true
		g.gapFile.mark(&g.wait, g.log)
		g.mu.Unlock()
		if err := g.heal(); err != nil {
			g.fail("recover", err, nil)
		}
	}
	return g
}

// Store returns the store behind the Guard, for what is not on the mail path. Close closes it too.
func (g *Guard) Store() Store { return g.store }

// Available says whether calls reach the store: whether the circuit is closed.
func (g *Guard) Available() bool { return !g.open.Load() }

// Failures returns how many calls the store failed or did not answer in time. Tries to get it back are not counted.
func (g *Guard) Failures() uint64 { return g.failures.Load() }

// Refused returns how many calls failed at once because the circuit was open.
func (g *Guard) Refused() uint64 { return g.refused.Load() }

// Gap says whether records were lost of which the store has not been told yet.
func (g *Guard) Gap() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.gap
}

// Close ends what the Guard runs and closes the store. A gap that is still open stays marked in the gap file. No other
// method may be called during or after it.
func (g *Guard) Close() error {
	g.end()
	g.wait.Wait()
	return g.store.Close()
}

// Record stores what one message leaves behind, but for records that this Guard has written today and that count nothing.
// An error means that some of it may be missing and that this is noted: the message may be signed all the same.
//
// The end of ctx does not interrupt the call, its timeout does: a client that goes away must not leave a gap.
func (g *Guard) Record(ctx context.Context, today Day, domain string, rs ...Record) error {
	rs = g.recorded.without(today, rs)
	if len(rs) == 0 {
		return nil
	}
	if err := g.write(ctx, today, domain, rs); err != nil {
		g.fail("record", err, &lost{today, domain, rs})
		return unavailable("record", err)
	}
	return nil
}

// Note stores records whose absence makes nothing suspicious. An error means that they may be missing, and nothing else.
func (g *Guard) Note(ctx context.Context, today Day, rs ...Record) error {
	if err := g.write(ctx, today, "", rs); err != nil {
		g.fail("record", err, nil)
		return unavailable("record", err)
	}
	return nil
}

func (g *Guard) write(ctx context.Context, today Day, domain string, rs []Record) error {
	if g.open.Load() {
		g.refused.Add(1)
		return errOpen
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.timeout)
	defer cancel()
	if err := g.store.Record(call, today, domain, rs...); err != nil {
		g.failures.Add(1)
		return err
	}
	g.recorded.add(today, rs)
	return nil
}

// Lookup asks the store. After an error, which wraps [ErrUnavailable], the caller knows nothing and must not refuse for
// a reason that needs the store.
func (g *Guard) Lookup(ctx context.Context, today Day, qs []Query) (Answer, error) {
	if g.open.Load() {
		g.refused.Add(1)
		return Answer{}, errOpen
	}
	call, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	a, err := g.store.Lookup(call, today, qs)
	if err == nil {
		return a, nil
	}
	if ctx.Err() == nil { // Otherwise the caller gave up, which says nothing about the store.
		g.failures.Add(1)
		g.fail("lookup", err, nil)
	}
	return Answer{}, unavailable("lookup", err)
}

// errOpen is what calls get while the circuit is open.
var errOpen = fmt.Errorf("%w: it failed a moment ago", ErrUnavailable)

// unavailable makes err wrap ErrUnavailable.
func unavailable(op string, err error) error {
	if errors.Is(err, ErrUnavailable) {
		return fmt.Errorf("%s: %w", op, err)
	}
	return fmt.Errorf("%s: %w: %w", op, ErrUnavailable, err)
}

// fail opens the circuit because of err and sees to it that somebody tries to close it. With a lost record it returns
// once the gap is marked on disk, or after the timeout: the message will be signed, so not even a crash may hide that
// its record is missing.
func (g *Guard) fail(op string, err error, l *lost) {
	g.mu.Lock()
	var marked <-chan struct{}
	if l != nil {
		g.gap = true
		g.retry = l
		marked = g.gapFile.mark(&g.wait, g.log)
	}
	if !g.open.Swap(true) {
		g.tripped = g.now()
		g.log.Error("store unavailable", "operation", op, "error", err)
	}
	if !g.prober {
		g.prober = true
		g.wait.Go(g.tryUntilHealed)
	}
	g.mu.Unlock()

	if marked == nil {
		return
	}
	select {
	case <-marked:
		return
	default:
	}
	late := time.NewTimer(g.timeout)
	defer late.Stop()
	select {
	case <-marked:
	case <-late.C:
	}
}

// tryUntilHealed tries to close the circuit, with a pause before each try, until it is closed or the Guard is.
func (g *Guard) tryUntilHealed() {
	pause := time.NewTimer(g.probe)
	defer pause.Stop()
	for {
		select {
		case <-g.life.Done():
			return
		case <-pause.C:
		}
		if g.heal() == nil {
			return
		}
		pause.Reset(g.probe)
	}
}

// heal closes the circuit if the store answers, and if it could be told of the gap where there is one.
func (g *Guard) heal() error {
	g.mu.Lock()
	gap, retry, marked := g.gap, g.retry, g.gapFile.marked
	g.mu.Unlock()

	now := g.now()
	if retry != nil {
		if err := g.bounded(func(ctx context.Context) error {
			return g.store.Record(ctx, retry.today, retry.domain, retry.records...)
		}); err != nil {
			return err
		}
	}
	if err := g.bounded(func(ctx context.Context) error {
		if gap {
			// What is lost from now until the circuit closes lies before this time as well.
			return g.store.Forget(ctx, now.Add(forgetMargin+2*g.timeout))
		}
		_, err := g.store.Lookup(ctx, DayOf(now), nil)
		return err
	}); err != nil {
		return err
	}
	if marked != nil {
		<-marked // The mark must not be made after it was removed.
	}

	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gap && !gap {
		return errNewGap
	}
	g.gap, g.retry, g.prober = false, nil, false
	if err := g.gapFile.remove(); err != nil {
		// Harmless: the next start will take it for a gap and be careful for nothing.
		g.log.Warn("cannot remove the mark of lost records", "error", err)
	}
	if g.open.Swap(false) {
		g.log.Info("store available again", "after", now.Sub(g.tripped).Round(time.Millisecond), "records_lost", gap)
	}
	return nil
}

// errNewGap means that a record was lost while the store was tried for another reason.
var errNewGap = errors.New("a record was lost meanwhile")

// bounded runs one call of the Guard's own within the timeout.
func (g *Guard) bounded(call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(g.life, g.timeout)
	defer cancel()
	return call(ctx)
}
