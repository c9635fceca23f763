package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// Defaults of [Options].
const (
	DefaultTimeout = 250 * time.Millisecond
	DefaultProbe   = time.Second
)

// incompleteMargin is how far after its end a gap is told to the store to end. It covers what is lost while the store is
// being told, and nodes whose clocks differ by less. Later is always safe (see [store.Completeness]).
const incompleteMargin = time.Minute

// GuardOptions configures a [Guard]. The zero value works.
type Options struct {
	// Timeout bounds each call. Zero means DefaultTimeout.
	Timeout time.Duration

	// Probe is how long the circuit stays open before the store is tried again, and the pause between further tries.
	// Zero means DefaultProbe.
	Probe time.Duration

	// JournalFile is the path of the file that keeps records while the store does not answer, and the fact that some were
	// lost, over a crash or a restart. Two processes cannot share it. Empty means none: then every record of an outage is
	// lost, and a crash during it forgets that.
	JournalFile string

	// JournalSize is how many octets JournalFile may take. Zero means DefaultJournalSize.
	JournalSize int64

	// Logger gets the changes of state. Nil means slog.Default.
	Logger *slog.Logger

	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// Guard is a [store.Store] as the mail path uses it: it costs a bounded time per message while the store fails, nothing soon
// after, and it never lets a lost record turn into a refused bounce.
//
//   - Each call is bounded by a timeout. A call that fails opens the circuit: from then on calls fail at once, with an
//     error that wraps [store.ErrUnavailable]. One goroutine of the Guard tries the store again, so that no message pays for
//     that; when it answers the circuit closes.
//   - A Record that was not acknowledged goes to the journal, on local disk. Before the circuit closes, the journal is
//     written to the store.
//   - What cannot be kept there leaves a gap in the record. Before the circuit closes, MarkIncomplete moves [store.Completeness].Since past
//     the gap. The journal's file marks a gap that is still open, so that it outlives this process.
//   - A record that counts nothing and that this Guard has written before is not written again on the same day.
//
// What is written twice counts twice: when the outcome of a Record was not known, or when the process crashed before all of
// the journal was written. A tag may then be answered more often than it was sent to, which refuses nothing.
//
// The rest of [store.Store] (counters, first-signed days) is not for the mail path: use Store for it.
type Guard struct {
	store   store.Store
	timeout time.Duration
	probe   time.Duration
	log     *slog.Logger
	now     func() time.Time

	recorded recorded
	journal  *journal      // nil without
	gapFile  gapFile       // marks a gap where there is no journal
	state    atomic.Int32  // closed, draining or opened
	failures atomic.Uint64 // calls that the store failed
	refused  atomic.Uint64 // calls that failed at once

	journalled, replayed, lost atomic.Uint64 // records

	life context.Context // ends with Close
	end  context.CancelFunc
	wait sync.WaitGroup // for the goroutines of the Guard

	batch batch // belongs to the goroutine that tries the store

	mu      sync.Mutex
	gap     bool            // records were lost of which the store has not been told
	marked  <-chan struct{} // closed once the journal says so on disk, or cannot; nil while there is no gap
	retry   *entry          // the last of them: writing it proves that the store takes records again
	prober  bool            // the goroutine that tries the store is running
	outage  bool            // the log says that the store is unavailable
	unkept  bool            // the log says that the journal does not keep records
	tripped time.Time       // when the circuit opened
	waited  int             // records that were replayed since
}

// What a Guard lets through to the store.
const (
	closed   = iota // everything
	draining        // all but Lookups: the last of the journal is being written
	opened          // nothing
)

// NewGuard returns a Guard of s and takes s over: Close closes it.
//
// If an earlier process has left records in o.JournalFile, or has lost some, NewGuard tries once to tell the store, within
// the timeout, and goes on trying in the background if that fails.
func New(s store.Store, o Options) *Guard {
	g := &Guard{store: s, timeout: o.Timeout, probe: o.Probe, log: o.Logger, now: o.Now}
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
	if o.JournalFile == "" || !g.openJournal(o.JournalFile, o.JournalSize) {
		return g
	}
	ctx, cancel := context.WithTimeout(g.life, g.timeout)
	defer cancel()
	if err := g.heal(ctx); err != nil {
		g.mu.Lock()
		g.trip("recover", err)
		g.mu.Unlock()
	}
	return g
}

// Store returns the store behind the Guard, for what is not on the mail path. Close closes it too.
func (g *Guard) Store() store.Store { return g.store }

// Available says whether calls reach the store: whether the circuit is closed.
func (g *Guard) Available() bool { return g.state.Load() == closed }

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

// Close ends what the Guard runs and closes the store. What waits in the journal stays there, and so does the mark of a gap.
// No other method may be called during or after it.
func (g *Guard) Close() error {
	g.end()
	g.wait.Wait()
	var err error
	if g.journal != nil {
		err = g.journal.close()
	}
	return errors.Join(err, g.store.Close())
}

// Record stores what one message leaves behind, but for records that this Guard has written today and that count nothing.
// nil means that the store has it, or will: it is in the journal, on disk. An error means that some of it may be missing
// and that this is noted. The message may be signed in either case.
//
// The end of ctx does not interrupt the call, its timeout does: a client that goes away must not leave a gap.
func (g *Guard) Record(ctx context.Context, today store.Day, domain string, rs ...store.Record) error {
	rs = g.recorded.without(today, rs)
	if len(rs) == 0 {
		return nil
	}
	for {
		err := g.write(ctx, g.timeout, today, domain, rs)
		if err == nil {
			return nil
		}
		switch g.keep(entry{today, domain, rs}, err) {
		case kept:
			g.recorded.add(today, rs)
			return nil
		case lost:
			return unavailable("record", err)
		case takenAgain:
		}
	}
}

// bestEffortTimeout is how long RecordBestEffort waits at least. A disk that is busy for a moment must not open the circuit for what is beside the mail
// path.
const bestEffortTimeout = 2 * time.Second

// RecordBestEffort stores records whose absence makes nothing suspicious, and for which no message waits: it takes longer than other calls may.
// An error means that they may be missing, and nothing else.
func (g *Guard) RecordBestEffort(ctx context.Context, today store.Day, rs ...store.Record) error {
	if err := g.write(ctx, max(g.timeout, bestEffortTimeout), today, "", rs); err != nil {
		g.fail("record", err)
		return unavailable("record", err)
	}
	return nil
}

func (g *Guard) write(ctx context.Context, timeout time.Duration, today store.Day, domain string, rs []store.Record) error {
	if g.state.Load() == opened {
		g.refused.Add(1)
		return errOpen
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	if err := g.store.Record(call, today, domain, rs...); err != nil {
		g.failures.Add(1)
		return err
	}
	g.recorded.add(today, rs)
	return nil
}

// Lookup asks the store. After an error, which wraps [store.ErrUnavailable], the caller knows nothing and must not refuse for
// a reason that needs the store.
func (g *Guard) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	if g.state.Load() != closed {
		g.refused.Add(1)
		return store.Answer{}, errOpen
	}
	call, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	a, err := g.store.Lookup(call, today, qs)
	if err == nil {
		return a, nil
	}
	if ctx.Err() == nil { // Otherwise the caller gave up, which says nothing about the store.
		g.failures.Add(1)
		g.fail("lookup", err)
	}
	return store.Answer{}, unavailable("lookup", err)
}

// errOpen is what calls get while the circuit is open.
var errOpen = fmt.Errorf("%w: it failed a moment ago", store.ErrUnavailable)

// unavailable makes err wrap ErrUnavailable.
func unavailable(op string, err error) error {
	if errors.Is(err, store.ErrUnavailable) {
		return fmt.Errorf("%s: %w", op, err)
	}
	return fmt.Errorf("%s: %w: %w", op, store.ErrUnavailable, err)
}
