package guard

import (
	"context"
	"errors"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// fail opens the circuit because of err, unless it is that of a call which found the circuit open.
func (g *Guard) fail(op string, err error) {
	if errors.Is(err, errOpen) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trip(op, err)
}

// trip opens the circuit because of err and sees to it that somebody tries to close it. The caller holds mu.
func (g *Guard) trip(op string, err error) {
	g.state.Store(opened)
	if !g.outage {
		g.outage = true
		g.tripped = g.now()
		g.log.Error("store unavailable", "operation", op, "error", err)
	}
	if !g.prober {
		g.prober = true
		g.wait.Go(g.tryUntilHealed)
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
		if g.heal(g.life) == nil {
			return
		}
		pause.Reset(g.probe)
	}
}

// heal closes the circuit if the store answers and has what was kept for it, and if it could be told of the gap where there
// is one.
func (g *Guard) heal(ctx context.Context) error {
	for {
		if err := g.replay(ctx); err != nil {
			return err
		}
		err := g.tryOnce(ctx)
		if !errors.Is(err, errKept) {
			return err
		}
		g.drain()
	}
}

// tryOnce closes the circuit if the store answers, once the journal has been replayed.
func (g *Guard) tryOnce(ctx context.Context) error {
	g.mu.Lock()
	gap, retry, marked := g.gap, g.retry, g.gapFile.marked
	g.mu.Unlock()

	now := g.now()
	if retry != nil {
		if err := bounded(ctx, g.timeout, func(ctx context.Context) error {
			return g.store.Record(ctx, retry.today, retry.domain, retry.records...)
		}); err != nil {
			return err
		}
	}
	if err := bounded(ctx, g.timeout, func(ctx context.Context) error {
		if gap {
			// What is lost from now until the circuit closes lies before this time as well.
			return g.store.MarkIncomplete(ctx, now.Add(incompleteMargin+2*g.timeout))
		}
		_, err := g.store.Lookup(ctx, store.DayOf(now), nil)
		return err
	}); err != nil {
		return err
	}
	if marked != nil {
		<-marked // The mark must not be made after it was removed.
	}
	return g.closeCircuit(now, gap)
}

// closeCircuit closes the circuit, unless something came up meanwhile. The store answered at the time now, and if told is
// true it knows of the gap.
func (g *Guard) closeCircuit(now time.Time, told bool) error {
	g.mu.Lock()
	if g.gap && !told {
		g.mu.Unlock()
		return errNewGap
	}
	var unmarked <-chan struct{}
	if g.journal != nil {
		if unmarked = g.journal.finish(); unmarked == nil {
			g.mu.Unlock()
			return errKept
		}
	}
	if err := g.gapFile.remove(); err != nil {
		// Harmless: the next start will take it for a gap and be careful for nothing.
		g.log.Warn("cannot remove the mark of lost records", "error", err)
	} else if g.journal != nil {
		g.gapFile.path = "" // It was there at the start, and will not be made again.
	}
	if g.outage {
		g.log.Info("store available again", "after", now.Sub(g.tripped).Round(time.Millisecond),
			"records_waited", g.waited, "records_lost", told)
	} else {
		g.log.Info("the store has been told", "records_waited", g.waited, "records_lost", told)
	}
	g.gap, g.marked, g.retry, g.prober, g.outage, g.unkept, g.waited = false, nil, nil, false, false, false, 0
	g.state.Store(closed)
	g.mu.Unlock()

	if unmarked != nil {
		await(unmarked, g.timeout)
	}
	return nil
}

// Why the circuit does not close although the store answers.
var (
	errNewGap = errors.New("a record was lost meanwhile")
	errKept   = errors.New("a record waits in the journal")
)

// bounded runs one call of the Guard's own within the timeout.
func bounded(ctx context.Context, timeout time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return call(ctx)
}

// await waits until done is closed, but no longer than the timeout.
func await(done <-chan struct{}, timeout time.Duration) {
	late := time.NewTimer(timeout)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
	}
}
