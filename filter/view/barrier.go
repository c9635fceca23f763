package view

import (
	"context"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// A node may have been cut off from the store just now, which no other node knows yet. So before a bounce is refused because something
// is not on record, it waits at a barrier until every other node has sent another heartbeat: a node that sends one has written all that
// it signed until then, and what the bounce answers was signed before it came. That takes as long as a heartbeat is away. No other
// message waits: neither bounces that are accepted, nor forged tags, nor bounces that name no message; and a node alone waits for no
// other.

const (
	// barrierPatience is how long a bounce waits for the other nodes: they may be late by as much again.
	barrierPatience = 2*store.HeartbeatInterval + time.Second
	// barrierPause is how often the store is asked meanwhile, for all bounces that wait.
	barrierPause = 250 * time.Millisecond
	// maxWaiting is how many bounces may wait at a time. Each holds a process of the MTA: in a flood the others are deferred at once.
	maxWaiting = 20
)

// barrier is what bounces wait at.
type barrier struct {
	waiting chan struct{}

	mu     sync.Mutex
	at     time.Time            // before the store was asked last
	seen   map[string]time.Time // the last heartbeat of the other nodes, on the store's clock; nil if the store did not answer
	latest time.Time            // that of any node, this one too
}

// Barrier waits until every other node has sent a heartbeat, so that what they signed before is on record. passed is false if one does
// not, or if too many bounces wait already; waited is false if there is no other node.
func (v *View) Barrier() (passed, waited bool) { return v.BarrierFor(context.Background()) }

// BarrierFor is [View.Barrier] for a caller that waits no longer than until ctx is done.
func (v *View) BarrierFor(ctx context.Context) (passed, waited bool) {
	began := time.Now()
	if !v.hasOthers() {
		return true, false
	}
	select {
	case v.barrier.waiting <- struct{}{}:
		defer func() { <-v.barrier.waiting }()
	default:
		return false, true
	}
	first, latest := v.othersSince(began)
	if first == nil {
		return false, true
	}
	pause := time.NewTimer(barrierPause)
	defer pause.Stop()
	for time.Since(began) < barrierPatience {
		select {
		case <-ctx.Done():
			return false, true
		case <-pause.C:
		}
		if now, _ := v.othersSince(time.Now().Add(-barrierPause / 2)); allPassed(first, latest, now) {
			return true, true
		}
		pause.Reset(barrierPause)
	}
	return false, true
}

// allPassed says whether all nodes of before have sent a heartbeat after latest, or have stopped. That there was one since is not
// enough: a heartbeat that a node sent before it was cut off may have been under way for long. The latest heartbeat shows what time it
// was.
func allPassed(before map[string]time.Time, latest time.Time, now map[string]time.Time) bool {
	for name := range before {
		if at, there := now[name]; now == nil || there && !at.After(latest) {
			return false
		}
	}
	return true
}

// othersSince returns the last heartbeat of the other nodes, and that of any node, as the store answered not before a time. Callers
// share the question.
func (v *View) othersSince(t time.Time) (seen map[string]time.Time, latest time.Time) {
	b := &v.barrier
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.at.Before(t) {
		return b.seen, b.latest
	}
	b.at, b.seen = time.Now(), nil
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if ns, err := v.store.Store().Nodes(ctx); err == nil {
		b.seen = v.others(ns)
		_, b.latest = silentNodes(ns)
	}
	return b.seen, b.latest
}
