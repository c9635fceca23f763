package view

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
)

const (
	// maxUsage bounds how many records wait to be written. They are what some thousand bounces leave behind; more arrive at
	// once only if the store is slow, and what is dropped then lets some more bounces be delivered.
	maxUsage = 10_000
	// usageBatch is how many records go into one call of the store.
	usageBatch = 500
	// usageDelay is how long the first of them waits for others: a call of the embedded store costs a write to the disk, however
	// many records it has. An attacker who harvested a tag can use it for so much longer.
	usageDelay = 50 * time.Millisecond
)

// usageWriter records how often tags and proofs were used by delivered bounces, beside the mail path: no MTA waits for it.
type usageWriter struct {
	store *guard.Guard
	log   *slog.Logger
	fault func() // is called if the store failed in a way that it must not

	mu       sync.Mutex
	waiting  []use
	pending  map[store.Query]uint32 // counts that wait or are being written, by the query that finds them, with the last day and without
	writing  bool                   // there is a goroutine that writes until nothing is waiting
	closed   bool
	idle     *sync.Cond    // signalled when there is none
	hurry    chan struct{} // asks the goroutine not to wait for more
	flushing int           // callers of flush
}

// use is a record with the day on which it is written.
type use struct {
	today  store.Day
	record store.Record
}

func newUsageWriter(g *guard.Guard, log *slog.Logger, fault func()) *usageWriter {
	w := &usageWriter{store: g, log: log, fault: fault, hurry: make(chan struct{}, 1), pending: map[store.Query]uint32{}}
	w.idle = sync.NewCond(&w.mu)
	return w
}

// Use records, beside the mail path, that a delivered bounce has used a tag or a proof.
func (v *View) Use(today store.Day, rs []store.Record) { v.usage.add(today, rs) }

// Flush waits until all that was given to Use before is written, or lost.
func (v *View) Flush() { v.usage.flush() }

// add queues records.
func (w *usageWriter) add(today store.Day, rs []store.Record) {
	if len(rs) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.waiting)+len(rs) > maxUsage {
		return
	}
	for _, r := range rs {
		w.waiting = append(w.waiting, use{today, r})
		if r.Count > 0 {
			for _, q := range findings(r) {
				w.pending[q] = store.AddCounts(w.pending[q], r.Count)
			}
		}
	}
	if !w.writing {
		w.writing = true
		go w.write()
	}
}

// write writes until nothing is waiting. flush waits for it.
func (w *usageWriter) write() {
	for {
		w.waitForMore()
		w.mu.Lock()
		batch := w.take()
		if len(batch) == 0 {
			w.writing = false
			w.idle.Broadcast()
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		w.writeOne(batch)
		w.written(batch)
	}
}

// findings returns the queries that find a record.
func findings(r store.Record) [2]store.Query {
	return [2]store.Query{{Key: r.Key, Expires: r.Expires}, {Key: r.Key}}
}

// written ends the waiting of a batch: the store has it, or it is lost.
func (w *usageWriter) written(batch []use) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range batch {
		r := batch[i].record
		if r.Count == 0 {
			continue
		}
		for _, q := range findings(r) {
			if w.pending[q] -= min(r.Count, w.pending[q]); w.pending[q] == 0 {
				delete(w.pending, q)
			}
		}
	}
}

// pendingOf returns the counts for queries that the store may not have yet; nil for none. They are to be added to what the store says
// afterwards: a count that is written meanwhile is added twice then, and never left out.
func (w *usageWriter) pendingOf(qs []store.Query) []uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) == 0 {
		return nil
	}
	counts := make([]uint32, len(qs))
	for i, q := range qs {
		counts[i] = w.pending[q]
	}
	return counts
}

// waitForMore waits a while, unless a caller waits for the end.
func (w *usageWriter) waitForMore() {
	w.mu.Lock()
	flushing := w.flushing > 0
	w.mu.Unlock()
	if flushing {
		return
	}
	more := time.NewTimer(usageDelay)
	defer more.Stop()
	select {
	case <-more.C:
	case <-w.hurry:
	}
}

// take returns some records of one day.
func (w *usageWriter) take() []use {
	end := 0
	for end < min(len(w.waiting), usageBatch) && w.waiting[end].today == w.waiting[0].today {
		end++
	}
	batch := w.waiting[:end:end]
	if w.waiting = w.waiting[end:]; len(w.waiting) == 0 {
		w.waiting = nil
	}
	return batch
}

func (w *usageWriter) writeOne(batch []use) {
	defer func() {
		if p := recover(); p != nil {
			w.fault()
			w.log.Error("accepted bounces were not counted", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	rs := make([]store.Record, len(batch))
	for i := range batch {
		rs[i] = batch[i].record
	}
	_ = w.store.RecordBestEffort(context.Background(), batch[0].today, rs...) // Guard has logged that the store is unavailable
}

// flush waits until all that was added before is written, or lost.
func (w *usageWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flushing++
	defer func() { w.flushing-- }()
	for w.writing {
		select {
		case w.hurry <- struct{}{}:
		default: // it was asked already
		}
		w.idle.Wait()
	}
}

// close flushes, and drops what is added from then on.
func (w *usageWriter) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.flush()
}
