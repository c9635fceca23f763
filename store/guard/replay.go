package guard

import (
	"bytes"
	"context"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

const (
	// replayWindow is how many records are read from the journal at a time. They are merged into few calls, and written to the store
	// twice if this process crashes meanwhile.
	replayWindow = 4096
	// replayBatch is how many records go into one call.
	replayBatch = 256
	// replayTimeout bounds one call, if it is longer than the Guard's timeout: no message waits for it.
	replayTimeout = time.Second
)

// batch is what has been read from the journal and is being written to the store.
type batch struct {
	calls   []entry  // that are left to be made
	entries int      // how many entries of the journal they were merged from
	end     position // where these entries end in the journal
}

// replay writes the journal to the store. What the store does not take stays in the journal for the next try.
func (g *Guard) replay(ctx context.Context) error {
	for g.journal != nil {
		if err := g.writeBatch(ctx); err != nil {
			return err
		}
		if g.readBatch() {
			continue
		}
		if more, err := g.replayUnwritten(ctx); err != nil || !more {
			return err
		}
	}
	return nil
}

// replayUnwritten writes to the store what waits in memory for a disk that does not answer. If the disk does answer, it waits for what is on
// its way to it. more says that there was something.
func (g *Guard) replayUnwritten(ctx context.Context) (more bool, err error) {
	u, late := g.journal.unwritten()
	if !late {
		flushing := g.journal.flushing()
		if flushing == nil {
			return false, nil
		}
		await(flushing, g.timeout)
		return true, ctx.Err()
	}
	f := frames{file: bytes.NewReader(u.frames), end: int64(len(u.frames))}
	var entries []entry
	for e, ok := f.next(); ok; e, ok = f.next() {
		entries = append(entries, e)
	}
	for _, e := range merge(entries) {
		if err := g.replayOne(ctx, e); err != nil {
			return true, err
		}
	}
	g.journal.tookUnwritten(u)
	g.drain()
	return true, nil
}

// replayOne writes the records of an entry to the store.
func (g *Guard) replayOne(ctx context.Context, e entry) error {
	if err := bounded(ctx, max(g.timeout, replayTimeout), func(ctx context.Context) error {
		return g.store.Record(ctx, e.today, e.domain, e.records...)
	}); err != nil {
		return err
	}
	g.replayed.Add(uint64(len(e.records)))
	g.mu.Lock()
	g.waited += len(e.records)
	g.mu.Unlock()
	return nil
}

// readBatch reads the next batch from the journal. It returns false at the end of the journal.
func (g *Guard) readBatch() bool {
	entries, end, err := g.journal.read(replayWindow)
	if err != nil {
		g.mu.Lock()
		g.widenGap(time.Time{}) // when they were made is not known
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

// writeBatch writes the batch to the store. When little is left in the journal, it starts to drain: new records go to the
// store, because the journal of a busy site would never be empty otherwise.
func (g *Guard) writeBatch(ctx context.Context) error {
	b := &g.batch
	if b.end == (position{}) { // there is no batch
		return nil
	}
	for len(b.calls) > 0 {
		if err := g.replayOne(ctx, b.calls[0]); err != nil {
			return err
		}
		b.calls = b.calls[1:]
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
	if g.state.Load() == open {
		g.state.Store(draining)
	}
}

// merge returns the calls that write entries: one call for the entries of one day and domain, up to replayBatch records. The calls are
// in the order of the first entry of each.
func merge(entries []entry) []entry {
	type kind struct {
		day    store.Day
		domain string
	}
	filling := make(map[kind]int) // the call that takes more records of a kind
	var calls []entry
	for _, e := range entries {
		k := kind{e.today, e.domain}
		for rest := e.records; len(rest) > 0; {
			i, ok := filling[k]
			if !ok || len(calls[i].records) >= replayBatch {
				i = len(calls)
				filling[k] = i
				calls = append(calls, entry{today: e.today, domain: e.domain})
			}
			n := min(len(rest), replayBatch-len(calls[i].records))
			calls[i].records = append(calls[i].records, rest[:n]...)
			rest = rest[n:]
		}
	}
	return calls
}
