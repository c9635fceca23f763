package filter

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// A node that is cut off from the store goes on signing, and keeps what it has to record until the store is back. Until then its mail
// is on no record that other nodes could find, and nothing in the store says so but the node's silence. So while a node is silent that
// has not said goodbye, nothing is refused for good because it is missing on the record: the client is told to try again later.
//
// An outage of the store cuts off all nodes, and each finds it again in its own time: what another one has kept may not be there yet
// when this one is answered again. A node does not say that it runs before the store has all that it kept, so after a failure nothing
// is refused for good either before every other node has been heard again.

// nodesInterval is how often the store is asked which nodes are silent.
const nodesInterval = 5 * time.Second

// nodes is what is known of the nodes that share the store.
type nodes struct {
	mu       sync.Mutex
	latest   time.Time // announcement, on the store's clock
	advanced time.Time // when that was a later one than before, on this host's clock
	silent   []string  // names of the nodes that were silent when the store answered last

	others   bool                 // there were some when the store answered last
	failures uint64               // of the store, see failures, when it was first answered again
	unheard  map[string]time.Time // the other nodes that were not heard since, and when they were, on the store's clock
}

// silentNodes returns the names of nodes that said nothing for too long, on the store's clock. The latest announcement tells what
// time it is there: one's own, as a rule.
func silentNodes(ns []store.Node) (silent []string, latest time.Time) {
	for _, n := range ns {
		if n.Seen.After(latest) {
			latest = n.Seen
		}
	}
	for _, n := range ns {
		if latest.Sub(n.Seen) > store.HeartbeatTimeout {
			silent = append(silent, n.Name)
		}
	}
	return silent, latest
}

// watchNodes asks the store which nodes are silent. A change is logged.
func (s *Server) watchNodes(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, backgroundTimeout)
	defer cancel()
	available, failures := s.store.Available(), s.failures()
	ns, err := s.store.Store().Nodes(ctx)
	if err != nil || !available {
		return // Guard has logged that the store is unavailable
	}
	silent, latest := silentNodes(ns)
	if !s.giveUp(ctx, ns) {
		return
	}
	s.nodes.mu.Lock()
	before := len(s.nodes.silent)
	s.nodes.silent = silent
	if latest.After(s.nodes.latest) {
		s.nodes.latest, s.nodes.advanced = latest, s.now()
	}
	s.nodes.hear(s.others(ns), failures)
	s.nodes.mu.Unlock()
	switch {
	case len(silent) > before:
		s.log.Warn("a node is silent: until it is back, bounces are deferred and not refused where mail of it may be missing on the record; if it will not come back, remove it: bouncefilter node remove NAME",
			"nodes", silent)
	case len(silent) == 0 && before > 0:
		s.log.Info("all nodes are back")
	}
}

// giveUp tells the store that what silent nodes had to record will not come any more: those that it does not know now, because somebody
// removed them, they were silent for too long, or it was wiped. It returns false if the store could not be told.
func (s *Server) giveUp(ctx context.Context, known []store.Node) bool {
	s.nodes.mu.Lock()
	gone := slices.DeleteFunc(slices.Clone(s.nodes.silent), func(name string) bool {
		return slices.ContainsFunc(known, func(n store.Node) bool { return n.Name == name })
	})
	s.nodes.mu.Unlock()
	if len(gone) == 0 {
		return true
	}
	since := (store.DayOf(s.now()) + 1).Time() // the same for all nodes that notice
	if err := s.store.Store().MarkIncomplete(ctx, since); err != nil {
		return false
	}
	s.log.Warn("a silent node is not waited for any more: mail of it may be missing on the record", "nodes", gone, "complete_since", formatSince(store.Completeness{Since: since}))
	return true
}

// hear notes which other nodes have been heard since the store failed last.
func (n *nodes) hear(seen map[string]time.Time, failures uint64) {
	n.others = len(seen) > 0
	if failures != n.failures {
		n.failures, n.unheard = failures, seen
		return
	}
	for name, before := range n.unheard {
		if now, there := seen[name]; !there || now.After(before) {
			delete(n.unheard, name)
		}
	}
}

// failures counts what tells that the store was out of reach.
func (s *Server) failures() uint64 { return s.store.Failures() + s.store.Refused() }

// doubtful says whether mail may have been signed lately that is not on the record yet: a node is silent, or was not heard since the
// store failed, or nobody knows, because nothing was heard of any.
func (s *Server) doubtful() bool {
	s.nodes.mu.Lock()
	defer s.nodes.mu.Unlock()
	return len(s.nodes.silent) > 0 || len(s.nodes.unheard) > 0 || s.nodes.failures != s.failures() || s.now().Sub(s.nodes.advanced) > store.HeartbeatTimeout
}

// hasOthers says whether other nodes share the store.
func (s *Server) hasOthers() bool {
	s.nodes.mu.Lock()
	defer s.nodes.mu.Unlock()
	return s.nodes.others
}

// silent returns how many nodes are silent.
func (s *Server) silent() int {
	s.nodes.mu.Lock()
	defer s.nodes.mu.Unlock()
	return len(s.nodes.silent)
}
