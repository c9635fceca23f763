package filter

import (
	"context"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// A node may have been cut off from the store just now, with nobody knowing yet. So before a bounce is refused because something is
// not on record, all other nodes are heard: one that says that it runs has written all that it signed until then, and what the bounce
// answers was signed before it came. That takes as long as an announcement is away. Nothing else waits for it: neither bounces that are
// accepted, nor forged tags, nor bounces that name no message; and a host alone hears nobody.

const (
	// hearPatience is how long a bounce waits for the other nodes: they may be late by as much again.
	hearPatience = 2*store.HeartbeatInterval + time.Second
	// hearPause is how often the store is asked meanwhile, for all that wait.
	hearPause = 250 * time.Millisecond
	// maxHearing is how many bounces may wait at a time. Each holds a process of the MTA: in a flood the others are deferred at once.
	maxHearing = 20
)

// hearing is what bounces wait for.
type hearing struct {
	waiting chan struct{}

	mu     sync.Mutex
	at     time.Time            // before the store was asked last
	seen   map[string]time.Time // when the other nodes were heard last, on the store's clock; nil if the store did not answer
	latest time.Time            // when any node was, this one too
}

// heardOthers waits until every other node has said that it runs. It returns false if one does not, or if too many wait already.
func (s *Server) heardOthers() bool {
	began := time.Now()
	if !s.hasOthers() {
		return true
	}
	select {
	case s.hearing.waiting <- struct{}{}:
		defer func() { <-s.hearing.waiting }()
	default:
		return false
	}
	first, latest := s.othersSince(began)
	if first == nil {
		return false
	}
	pause := time.NewTimer(hearPause)
	defer pause.Stop()
	for time.Since(began) < hearPatience {
		<-pause.C
		if now, _ := s.othersSince(time.Now().Add(-hearPause / 2)); allHeard(first, latest, now) {
			return true
		}
		pause.Reset(hearPause)
	}
	return false
}

// allHeard says whether all nodes of before have said something after latest, or goodbye. That they were heard since is not enough:
// what a node said before it was cut off may have been under way for long. The latest announcement tells what time it was.
func allHeard(before map[string]time.Time, latest time.Time, now map[string]time.Time) bool {
	for name := range before {
		if at, there := now[name]; now == nil || there && !at.After(latest) {
			return false
		}
	}
	return true
}

// othersSince returns when the other nodes were heard last, and when any node was, as the store said not before a time. Callers share
// the question.
func (s *Server) othersSince(t time.Time) (seen map[string]time.Time, latest time.Time) {
	h := &s.hearing
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.at.Before(t) {
		return h.seen, h.latest
	}
	h.at, h.seen = time.Now(), nil
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if ns, err := s.store.Store().Nodes(ctx); err == nil {
		h.seen = s.others(ns)
		_, h.latest = silentNodes(ns)
	}
	return h.seen, h.latest
}

// others returns when the nodes other than this one were heard last, on the store's clock.
func (s *Server) others(ns []store.Node) map[string]time.Time {
	seen := make(map[string]time.Time, len(ns))
	for _, n := range ns {
		if n.Name != s.node {
			seen[n.Name] = n.Seen
		}
	}
	return seen
}
