package figures

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

const (
	// MaxPending is how many counts wait for the store at most, of about 200 octets each. More than a site counts in an hour wait only if
	// the store is down for long; what comes then is lost, and [Recorder.Lost] says how much.
	MaxPending = 1 << 16
	// maxBatch is how many counts are written in one call.
	maxBatch = 4096
)

// Store is what a [Recorder] needs of a store.
type Store interface {
	store.Counters
	store.Notes
}

// Recorder counts observations in memory, and writes what it has counted to a store. It is safe for use by many goroutines.
type Recorder struct {
	node   string
	hasher *store.Hasher

	mu     sync.Mutex          // held for about a microsecond: the mail path waits for it
	counts map[string]*int64   // by hour and key, see packed
	packed packed              // working memory
	names  [len(Topics)]*names // of the topics whose names outsiders can make up; nil for others
	notes  notes
	lost   uint64 // observations, or parts of them, that could not be counted

	flush  sync.Mutex // held while a store is written to
	loaded bool       // what earlier processes have written is known; guarded by flush
}

// New returns a Recorder of a node that keeps so many notes, at most [store.MaxNotes]. They are sealed with hasher.
func New(node string, keep int, hasher *store.Hasher) *Recorder {
	r := &Recorder{node: node, hasher: hasher, counts: map[string]*int64{}, notes: newNotes(min(max(keep, 0), store.MaxNotes))}
	for i, t := range Topics {
		if t.named() {
			r.names[i] = newNames(t.atOnce())
		}
	}
	return r
}

// Observe counts an observation. It keeps nothing of what o points to, takes one or two microseconds and does not wait for the store.
func (r *Recorder) Observe(o *Observation) {
	hour := store.HourOf(o.At)
	r.mu.Lock()
	defer r.mu.Unlock()
	o.Keys(func(k Key, n int64) {
		r.packed.set(hour, &k)
		if c := r.names[k.Topic.index()]; c != nil && k.Name != Other && !c.choose(r.packed.key(), o.At) {
			other := k.other()
			r.packed.set(hour, &other)
		}
		if sum := r.counts[string(r.packed)]; sum != nil {
			*sum += n
		} else {
			r.begin(string(r.packed), n)
		}
	})
	r.notes.add(o)
}

// begin begins a count, if there is room for one more.
func (r *Recorder) begin(c string, n int64) {
	if len(r.counts) >= MaxPending {
		r.lost += uint64(n)
		return
	}
	r.counts[c] = &n
}

// Lost returns how much could not be counted because too many counts waited for the store.
func (r *Recorder) Lost() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost
}

// Flush writes what was counted and noted to the store. What it could not write stays for the next time. A call that fails may have
// counted a part of a batch, which is then counted twice (see [store.Counters]).
func (r *Recorder) Flush(ctx context.Context, st Store, now time.Time) error {
	r.flush.Lock()
	defer r.flush.Unlock()
	if !r.waits() {
		return nil
	}
	if !r.loaded {
		if err := r.load(ctx, st, now); err != nil {
			return fmt.Errorf("read what was counted before: %w", err)
		}
		r.loaded = true
	}
	if err := r.writeCounts(ctx, st); err != nil {
		return fmt.Errorf("write counts: %w", err)
	}
	if err := r.writeNotes(ctx, st); err != nil {
		return fmt.Errorf("write notes: %w", err)
	}
	return nil
}

// waits says whether there is something to write.
func (r *Recorder) waits() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.counts) > 0 || len(r.notes.genuine.waiting) > 0 || len(r.notes.others.waiting) > 0
}

// load lets the names and the ring of notes go on where an earlier process of this node has stopped.
func (r *Recorder) load(ctx context.Context, st Store, now time.Time) error {
	today := store.DayOf(now)
	before, err := Read(ctx, st, store.ByDay, (today - 1).Time(), (today + 1).Time())
	if err != nil {
		return err
	}
	written, err := st.Notes(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range before {
		f := &before[i]
		if c := r.names[f.Topic.index()]; c != nil && f.Node == r.node && f.Name != Other {
			r.packed.set(store.HourOf(f.Begin), &f.Key)
			c.restore(r.packed.key(), store.DayOf(f.Begin), today)
		}
	}
	r.notes.restore(r.node, written, r.hasher)
	return nil
}

// writeCounts writes all counts, in batches.
func (r *Recorder) writeCounts(ctx context.Context, st store.Counters) error {
	r.mu.Lock()
	taken := r.counts
	r.counts = make(map[string]*int64, len(taken)/2)
	r.mu.Unlock()

	batch := make([]store.Counter, 0, min(len(taken), maxBatch))
	keys := make([]string, 0, cap(batch))
	write := func() error {
		err := st.Count(ctx, batch)
		if err == nil {
			for _, c := range keys {
				delete(taken, c)
			}
		}
		batch, keys = batch[:0], keys[:0]
		return err
	}
	var err error
	for c, n := range taken {
		hour, k := packed(c).unpack()
		batch = append(batch, store.Counter{Hour: hour, Node: r.node, Topic: string(k.Topic), Name: k.format(), Count: *n})
		if keys = append(keys, c); len(batch) == maxBatch {
			if err = write(); err != nil {
				break
			}
		}
	}
	if err == nil && len(batch) > 0 {
		err = write()
	}
	if len(taken) > 0 {
		r.mu.Lock()
		defer r.mu.Unlock()
		for c, n := range taken {
			if since := r.counts[c]; since != nil {
				*since += *n
			} else {
				r.begin(c, *n)
			}
		}
	}
	return err
}
