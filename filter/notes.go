package filter

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
	// maxNotes bounds how many records wait to be written. They are what some thousand bounces leave behind; more arrive at
	// once only if the store is slow, and what is dropped then lets some more bounces be delivered.
	maxNotes = 10_000
	// maxNotesAtOnce is how many records go into one call of the store.
	maxNotesAtOnce = 500
	// noteDelay is how long the first of them waits for others: a call of the embedded store costs a write to the disk, however
	// many records it has. So much longer can somebody who harvested a tag use it.
	noteDelay = 50 * time.Millisecond
)

// notes writes what delivered bounces leave behind, beside the mail path: no MTA waits for it.
type notes struct {
	store *guard.Guard
	log   *slog.Logger
	fault func() // is called if the store failed in a way it must not

	mu       sync.Mutex
	waiting  []note
	writing  bool // there is a goroutine that writes until nothing is waiting
	closed   bool
	idle     *sync.Cond    // signalled when there is none
	hurry    chan struct{} // tells the goroutine not to wait for more
	flushing int           // callers of flush
}

type note struct {
	today  store.Day
	record store.Record
}

func newNotes(g *guard.Guard, log *slog.Logger, fault func()) *notes {
	n := &notes{store: g, log: log, fault: fault, hurry: make(chan struct{}, 1)}
	n.idle = sync.NewCond(&n.mu)
	return n
}

// add lets records be written.
func (n *notes) add(today store.Day, rs []store.Record) {
	if len(rs) == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || len(n.waiting)+len(rs) > maxNotes {
		return
	}
	for _, r := range rs {
		n.waiting = append(n.waiting, note{today, r})
	}
	if !n.writing {
		n.writing = true
		go n.write()
	}
}

// write writes until nothing is waiting. flush waits for it.
func (n *notes) write() {
	for {
		n.waitForMore()
		n.mu.Lock()
		batch := n.take()
		if len(batch) == 0 {
			n.writing = false
			n.idle.Broadcast()
			n.mu.Unlock()
			return
		}
		n.mu.Unlock()
		n.writeOne(batch)
	}
}

// waitForMore waits a while, unless somebody waits for the end.
func (n *notes) waitForMore() {
	n.mu.Lock()
	flushing := n.flushing > 0
	n.mu.Unlock()
	if flushing {
		return
	}
	more := time.NewTimer(noteDelay)
	defer more.Stop()
	select {
	case <-more.C:
	case <-n.hurry:
	}
}

// take returns some records of one day.
func (n *notes) take() []note {
	end := 0
	for end < min(len(n.waiting), maxNotesAtOnce) && n.waiting[end].today == n.waiting[0].today {
		end++
	}
	batch := n.waiting[:end:end]
	if n.waiting = n.waiting[end:]; len(n.waiting) == 0 {
		n.waiting = nil
	}
	return batch
}

func (n *notes) writeOne(batch []note) {
	defer func() {
		if p := recover(); p != nil {
			n.fault()
			n.log.Error("accepted bounces were not counted", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	rs := make([]store.Record, len(batch))
	for i := range batch {
		rs[i] = batch[i].record
	}
	_ = n.store.RecordBestEffort(context.Background(), batch[0].today, rs...) // Guard has logged that the store is unavailable
}

// flush waits until all that was added before is written, or lost.
func (n *notes) flush() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flushing++
	defer func() { n.flushing-- }()
	for n.writing {
		select {
		case n.hurry <- struct{}{}:
		default: // it was told already
		}
		n.idle.Wait()
	}
}

// close flushes, and drops what is added from then on.
func (n *notes) close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.flush()
}
