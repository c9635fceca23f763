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

// gapMargin is how far before the first loss a gap is reported to begin, and how far after its end to end. It covers what is lost while
// MarkIncomplete is under way, and nodes whose clocks differ by less. A longer gap is always safe (see [store.Completeness]).
const gapMargin = time.Minute

// Options configures a [Guard]. The zero value works.
type Options struct {
	// Timeout bounds each call. Zero means DefaultTimeout.
	Timeout time.Duration

	// Probe is how long the circuit stays open before the store is tried again, and the pause between further tries.
	// Zero means DefaultProbe.
	Probe time.Duration

	// JournalFile is the path of the journal: the file that holds records while the store does not answer, and the mark
	// that some were lost, over a crash or a restart. Two processes cannot share it. Without a path there is no journal: every record of
	// an outage is lost, and after a crash during the outage nothing says so.
	JournalFile string

	// JournalSize is how many octets JournalFile may take. Zero means DefaultJournalSize.
	JournalSize int64

	// Logger receives the changes of state. Nil means slog.Default.
	Logger *slog.Logger

	// Now is the clock. Nil means time.Now.
	Now func() time.Time

	// Took is told how long each call of the store took, whether or not it succeeded. It must be quick: a message waits for it. Nil
	// for nobody.
	Took func(Operation, time.Duration)
}

// Operation is a kind of calls of the store.
type Operation string

// The operations.
const (
	OpRecord Operation = "record" // what an outbound message leaves behind
	OpLookup Operation = "lookup" // about a bounce
	OpUse    Operation = "use"    // how often a tag or a proof was used; no message waits for it
)

// Operations returns all operations.
func Operations() []Operation { return []Operation{OpRecord, OpLookup, OpUse} }

// Guard is a [store.Store] as the mail path uses it. The package comment has its states. Use [New]; a Guard may be used by many
// goroutines.
//
// A record that counts nothing and that this Guard has written before is not written again on the same day, but for [Guard.Forget].
//
// A count may be written twice: when the outcome of a Record is not known, or when the process crashes before the store has taken
// all of the journal. Then a tag allows more bounces than its message had recipients, which refuses none.
type Guard struct {
	store   store.Store
	timeout time.Duration
	probe   time.Duration
	log     *slog.Logger
	now     func() time.Time
	took    func(Operation, time.Duration)

	recorded recorded
	journal  *journal // nil if there is none
	// newJournal says that there was none when the Guard was made.
	newJournal bool
	gapFile    gapFile       // marks a gap if there is no journal
	state      atomic.Int32  // closed, draining or open
	failures   atomic.Uint64 // calls that the store failed
	refused    atomic.Uint64 // calls that failed at once

	journalled, replayed, lost atomic.Uint64 // records

	life context.Context // ends with Close
	end  context.CancelFunc
	wait sync.WaitGroup // for the goroutines of the Guard

	batch batch // belongs to the prober

	mu             sync.Mutex
	gap            bool            // records were lost, and MarkIncomplete has not succeeded since
	lostSince      time.Time       // when the first was made, or before; the zero time if that is not known
	marked         <-chan struct{} // closed once the journal has the mark on disk, or cannot; nil while there is no gap
	retry          *entry          // the last that was lost: writing it proves that the store takes records again
	probing        bool            // the prober runs
	outage         bool            // the outage is logged
	journalFailing bool            // that the journal loses records is logged
	journalLate    bool            // that records wait in memory is logged
	tripped        time.Time       // when the circuit opened
	waited         int             // records that were replayed since
}

// The states of the circuit: what a Guard lets through to the store.
const (
	closed   = iota // everything
	draining        // all but Lookups: the last of the journal is being written
	open            // nothing
)

// New returns a Guard of s and takes s over: Close closes it.
//
// If an earlier process has left records or the mark of a gap in o.JournalFile, New tries once, within the timeout, to bring
// them to the store. If that fails, the prober goes on trying.
func New(s store.Store, o Options) *Guard {
	g := &Guard{store: s, timeout: o.Timeout, probe: o.Probe, log: o.Logger, now: o.Now, took: o.Took}
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
	if g.took == nil {
		g.took = func(Operation, time.Duration) {}
	}
	g.life, g.end = context.WithCancel(context.Background())
	left := o.JournalFile != "" && g.openJournal(o.JournalFile, o.JournalSize)
	if g.journal != nil {
		g.wait.Go(g.keepAlive)
	}
	if !left {
		return g
	}
	ctx, cancel := context.WithTimeout(g.life, g.timeout)
	defer cancel()
	if err := g.tryToClose(ctx); err != nil {
		g.mu.Lock()
		g.trip("recover", err)
		g.mu.Unlock()
	}
	return g
}

// Store returns the store behind the Guard, for uses beside the mail path. Close closes it, too.
func (g *Guard) Store() store.Store { return g.store }

// Available says whether the circuit is closed: whether all calls reach the store.
func (g *Guard) Available() bool { return g.state.Load() == closed }

// Failures returns how many calls the store failed or did not answer in time. Calls of the prober are not counted.
func (g *Guard) Failures() uint64 { return g.failures.Load() }

// Refused returns how many calls failed at once because the circuit was not closed.
func (g *Guard) Refused() uint64 { return g.refused.Load() }

// Gap says whether records were lost that the store does not know of yet.
func (g *Guard) Gap() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.gap
}

// NewJournal says whether there was no journal when the Guard was made: what an earlier process may have left in one is gone.
func (g *Guard) NewJournal() bool { return g.newJournal }

// Close ends the goroutines of the Guard and closes the store. What waits in the journal stays there, and so does the mark of a gap.
// The caller waits for all other calls first, and makes none afterwards.
func (g *Guard) Close() error {
	g.end()
	g.wait.Wait()
	var err error
	if g.journal != nil {
		err = g.journal.close()
	}
	return errors.Join(err, g.store.Close())
}

// Record stores what one message leaves behind, without the records that count nothing and that this Guard has written today.
//
// It returns nil when the store has the records, when the journal has them on disk, or when they wait in memory because the disk does not
// answer. An error wraps [store.ErrUnavailable] and says that some of them may be lost; the gap is marked then. The message may be signed
// in each case.
//
// The end of ctx does not end the call, its timeout does: a client that disconnects must not leave a gap.
func (g *Guard) Record(ctx context.Context, today store.Day, domain string, rs ...store.Record) error {
	rs = g.recorded.without(today, rs)
	if len(rs) == 0 {
		return nil
	}
	for {
		err := g.write(ctx, OpRecord, g.timeout, today, domain, rs)
		if err == nil {
			return nil
		}
		switch g.divert(entry{today, domain, rs}, err) {
		case journalled:
			g.recorded.add(today, rs)
			return nil
		case waiting:
			return nil
		case lost:
			return unavailable("record", err)
		case again:
		}
	}
}

// Forget makes the Guard write every record again: the store may have lost what it had.
func (g *Guard) Forget() { g.recorded.forget() }

// bestEffortTimeout is the least timeout of RecordBestEffort. A disk that is busy for a moment must not open the circuit because of
// records that no message waits for.
const bestEffortTimeout = 2 * time.Second

// RecordBestEffort stores records whose absence makes no mail suspicious, and for which no message waits. It waits for the
// store for 2 seconds, or for the timeout if that is longer. An error wraps [store.ErrUnavailable] and says that the records may be
// lost; they are not journalled, and their loss is no gap.
func (g *Guard) RecordBestEffort(ctx context.Context, today store.Day, rs ...store.Record) error {
	if err := g.write(ctx, OpUse, max(g.timeout, bestEffortTimeout), today, "", rs); err != nil {
		g.fail("record", err)
		return unavailable("record", err)
	}
	return nil
}

func (g *Guard) write(ctx context.Context, op Operation, timeout time.Duration, today store.Day, domain string, rs []store.Record) error {
	if g.state.Load() == open {
		g.refused.Add(1)
		return errOpen
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	began := g.now()
	err := g.store.Record(call, today, domain, rs...)
	g.took(op, g.now().Sub(began))
	if err != nil {
		g.failures.Add(1)
		return err
	}
	g.recorded.add(today, rs)
	return nil
}

// Lookup asks the store (see [store.Records]). After an error, which wraps [store.ErrUnavailable], the caller knows nothing and must
// refuse nothing for a reason that needs the store.
func (g *Guard) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	if g.state.Load() != closed {
		g.refused.Add(1)
		return store.Answer{}, errOpen
	}
	call, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	began := g.now()
	a, err := g.store.Lookup(call, today, qs)
	g.took(OpLookup, g.now().Sub(began))
	if err == nil {
		return a, nil
	}
	if ctx.Err() == nil { // Otherwise the caller gave up, which says nothing about the store.
		g.failures.Add(1)
		g.fail("lookup", err)
	}
	return store.Answer{}, unavailable("lookup", err)
}

// errOpen is the error of calls that the circuit keeps from the store.
var errOpen = fmt.Errorf("%w: it failed a moment ago", store.ErrUnavailable)

// unavailable makes err wrap store.ErrUnavailable.
func unavailable(op string, err error) error {
	if errors.Is(err, store.ErrUnavailable) {
		return fmt.Errorf("%s: %w", op, err)
	}
	return fmt.Errorf("%s: %w: %w", op, store.ErrUnavailable, err)
}
