package guard

import (
	"context"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// Replaying the journal.
const (
	replayWindow  = 4096        // records read at a time: they are merged, and written twice if this process crashes
	replayBatch   = 256         // records in one call
	replayTimeout = time.Second // for one call, if longer than the Guard's timeout: no message waits for it
)

// batch is what has been read from the journal and is being written to the store.
type batch struct {
	calls   []entry // that are left
	entries int     // that they were made of
	end     int64   // of the entries, in the journal
}

// replay writes the journal to the store. What the store does not take is left for the next time.
func (g *Guard) replay(ctx context.Context) error {
	for g.journal != nil {
		if err := g.writeBatch(ctx); err != nil {
			return err
		}
		if g.readBatch() {
			continue
		}
		flushing := g.journal.flushing()
		if flushing == nil {
			return nil
		}
		await(flushing, g.timeout)
	}
	return nil
}

// readBatch reads what comes next in the journal. It returns false if that is nothing.
func (g *Guard) readBatch() bool {
	entries, end, err := g.journal.read(replayWindow)
	if err != nil {
		g.mu.Lock()
		g.gap = true
		g.mark()
		g.mu.Unlock()
		g.log.Error("entries of the journal cannot be read: they are lost", "error", err)
	}
	if len(entries) == 0 && err == nil {
		return false
	}
	g.batch = batch{merge(entries), len(entries), end}
	return true
}

// writeBatch writes the batch. Once a batch was the last, the store proves that it takes records, and gets new ones itself:
// otherwise a busy site's journal would never be empty.
func (g *Guard) writeBatch(ctx context.Context) error {
	b := &g.batch
	if b.end == 0 { // There is none.
		return nil
	}
	for len(b.calls) > 0 {
		e := b.calls[0]
		if err := bounded(ctx, max(g.timeout, replayTimeout), func(ctx context.Context) error {
			return g.store.Record(ctx, e.today, e.domain, e.records...)
		}); err != nil {
			return err
		}
		b.calls = b.calls[1:]
		g.replayed.Add(uint64(len(e.records)))
		g.mu.Lock()
		g.waited += len(e.records)
		g.mu.Unlock()
	}
	if g.journal.took(b.entries, b.end) {
		g.drain()
	}
	*b = batch{}
	return nil
}

// drain lets new records through to the store, which has just answered.
func (g *Guard) drain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state.Load() == opened {
		g.state.Store(draining)
	}
}

// merge returns the calls that write entries: those of one day and domain together, in the order in which each began.
func merge(entries []entry) []entry {
	type kind struct {
		day    store.Day
		domain string
	}
	open := make(map[kind]int) // which call takes more of a kind
	var calls []entry
	for _, e := range entries {
		k := kind{e.today, e.domain}
		for rest := e.records; len(rest) > 0; {
			i, ok := open[k]
			if !ok || len(calls[i].records) >= replayBatch {
				i = len(calls)
				open[k] = i
				calls = append(calls, entry{today: e.today, domain: e.domain})
			}
			n := min(len(rest), replayBatch-len(calls[i].records))
			calls[i].records = append(calls[i].records, rest[:n]...)
			rest = rest[n:]
		}
	}
	return calls
}
