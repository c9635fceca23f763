package redis

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// A heartbeat that is gone says nothing of its node: another user of the server may have removed it, so that the others do not wait for
// a node that is cut off, or give a key no time to reach it. So a node that stops leaves a signed mark in the place of its heartbeat, and
// a process remembers the nodes that it has seen until it sees such a mark, which is later than the last heartbeat.

// nodeMemory is the last heartbeat of each node that this process has seen and that has not left.
type nodeMemory struct {
	mu   sync.Mutex
	last map[string]store.Node
}

// complete returns what the store says, with the last heartbeats of nodes that were seen before and have not left. left has the times at
// which nodes have left.
func (m *nodeMemory) complete(ns []store.Node, left map[string]time.Time, now time.Time) []store.Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last == nil {
		m.last = map[string]store.Node{}
	}
	for _, n := range ns {
		if known, ok := m.last[n.Name]; !ok || !n.Seen.Before(known.Seen) { // an earlier one was put back
			m.last[n.Name] = n
		}
	}
	maps.DeleteFunc(m.last, func(name string, n store.Node) bool {
		at, gone := left[name]
		return gone && !at.Before(n.Seen) || now.Sub(n.Seen) > store.NodeRetention
	})
	if len(m.last) > maxNodes { // names that are used once: those that were seen last stay
		latest := slices.SortedFunc(maps.Values(m.last), func(a, b store.Node) int { return b.Seen.Compare(a.Seen) })
		for _, n := range latest[maxNodes:] {
			delete(m.last, n.Name)
		}
	}
	return slices.Collect(maps.Values(m.last))
}
