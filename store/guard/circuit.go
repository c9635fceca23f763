package guard

import (
	"context"
	"errors"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// fail opens the circuit because of err, unless err comes from the open circuit itself.
func (g *Guard) fail(op string, err error) {
	if errors.Is(err, errOpen) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trip(op, err)
}

// trip opens the circuit because of err and starts the prober unless it runs. The caller holds mu.
func (g *Guard) trip(op string, err error) {
	g.state.Store(open)
	if !g.outage {
		g.outage = true
		g.tripped = g.now()
		g.log.Error("store unavailable", "operation", op, "error", err)
	}
	if !g.probing {
		g.probing = true
		g.wait.Go(g.probeUntilClosed)
	}
}

// probeUntilClosed is the prober. It tries to close the circuit, with a pause before each try, until it has closed it or the
// Guard is closed.
func (g *Guard) probeUntilClosed() {
	pause := time.NewTimer(g.probe)
	defer pause.Stop()
	for {
		select {
		case <-g.life.Done():
			return
		case <-pause.C:
		}
		if g.tryToClose(g.life) == nil {
			return
		}
		pause.Reset(g.probe)
	}
}

// tryToClose closes the circuit if the store takes the journal and answers, and MarkIncomplete succeeds if there is a gap.
func (g *Guard) tryToClose(ctx context.Context) error {
	for {
		if err := g.replay(ctx); err != nil {
			return err
		}
		err := g.tryOnce(ctx)
		if !errors.Is(err, errWaiting) {
			return err
		}
		g.drain()
	}
}

// tryOnce closes the circuit if the store answers, once the journal has been replayed.
func (g *Guard) tryOnce(ctx context.Context) error {
	g.mu.Lock()
	gap, since, retry, marked := g.gap, g.lostSince, g.retry, g.gapFile.marked
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
			// What is lost from now until the circuit closes is before this time as well.
			return g.store.MarkIncomplete(ctx, store.Gap{From: since, Until: now.Add(gapMargin + 2*g.timeout)})
		}
		_, err := g.store.Lookup(ctx, store.DayOf(now), nil)
		return err
	}); err != nil {
		return err
	}
	if marked != nil {
		<-marked // The mark must not be made after it was removed.
	}
	if gap {
		g.removeGapFile()
	}
	return g.closeCircuit(now, gap, since)
}

// removeGapFile removes the gap file, once the store knows of the gap. No caller waits for that: the disk may not answer.
func (g *Guard) removeGapFile() {
	g.mu.Lock()
	path := g.gapFile.path
	g.gapFile.marked = nil
	g.mu.Unlock()
	if err := removeGapFile(path); err != nil {
		// Harmless: the next start takes it for a gap, and marks the record incomplete without need.
		g.log.Warn("cannot remove the mark of lost records", "error", err)
		return
	}
	if g.journal != nil {
		g.mu.Lock()
		g.gapFile.path = "" // It existed at the start, and this Guard, which has a journal, will not make one.
		g.mu.Unlock()
	}
}

// closeCircuit closes the circuit, unless a record was lost or journalled meanwhile. The store answered at the time now; gapReported
// says that MarkIncomplete was called then, with a gap since that time.
func (g *Guard) closeCircuit(now time.Time, gapReported bool, since time.Time) error {
	g.mu.Lock()
	if g.gap && (!gapReported || g.lostSince.Before(since) || g.now().Sub(now) > gapMargin) {
		g.mark() // again, if it was removed
		g.mu.Unlock()
		return errNewGap
	}
	var unmarked <-chan struct{}
	if g.journal != nil {
		if unmarked = g.journal.finish(); unmarked == nil {
			g.mu.Unlock()
			return errWaiting
		}
	}
	if g.outage {
		g.log.Info("store available again", "after", now.Sub(g.tripped).Round(time.Millisecond),
			"records_waited", g.waited, "records_lost", gapReported)
	} else {
		g.log.Info("the store has taken what an earlier process left behind", "records_waited", g.waited, "records_lost", gapReported)
	}
	g.gap, g.marked, g.retry, g.probing, g.outage, g.journalFailing, g.journalLate, g.waited = false, nil, nil, false, false, false, false, 0
	g.state.Store(closed)
	g.mu.Unlock()

	if unmarked != nil {
		await(unmarked, g.timeout)
	}
	return nil
}

// Why the circuit does not close although the store answers.
var (
	errNewGap  = errors.New("a record was lost meanwhile")
	errWaiting = errors.New("a record waits in the journal")
)

// bounded runs one call of the prober within the timeout.
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
