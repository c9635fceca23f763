package view

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// A node that is cut off from the store goes on signing, and journals what it has to record until the store is back. Until
// then its mail is on no record that other nodes could find, and nothing in the store says so but the node's silence. So while a node
// is silent that has not stopped properly, nothing is refused for good because it is not on record: the client is asked to try again.
//
// An outage of the store cuts off all nodes, and each finds it again in its own time: what another one has in its journal may not be in
// the store yet when this one is answered again. A node sends no heartbeat before the store has all of its journal, so after a failure
// nothing is refused for good either before every other node has sent another heartbeat.

// nodes is what is known of the nodes that share the store.
type nodes struct {
	mu       sync.Mutex
	latest   time.Time    // heartbeat of any node, on the store's clock
	advanced time.Time    // when that was a later one than before, on this host's clock
	silent   []store.Node // that were silent when the store answered last

	others   bool                 // there were some when the store answered last
	failures uint64               // of the store, see failures, when it was first answered again
	awaited  map[string]time.Time // the other nodes without a heartbeat since, and their last one, on the store's clock
}

// silentNodes returns the nodes whose last heartbeat is too old, on the store's clock. The latest heartbeat shows what time it is there:
// one's own, as a rule.
func silentNodes(ns []store.Node) (silent []store.Node, latest time.Time) {
	for _, n := range ns {
		if n.Seen.After(latest) {
			latest = n.Seen
		}
	}
	for _, n := range ns {
		if n.Silent(latest) {
			silent = append(silent, n)
		}
	}
	return silent, latest
}

// RefreshNodes asks the store which nodes are silent. A change is logged.
func (v *View) RefreshNodes(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	available, failures := v.store.Available(), v.failures()
	ns, err := v.store.Store().Nodes(ctx)
	if err != nil || !available {
		v.reportCrowded(err)
		return // Guard has logged that the store is unavailable
	}
	silent, latest := silentNodes(ns)
	if !v.giveUp(ctx, ns) {
		return
	}
	v.nodes.mu.Lock()
	before := len(v.nodes.silent)
	v.nodes.silent = silent
	if latest.After(v.nodes.latest) {
		v.nodes.latest, v.nodes.advanced = latest, v.now()
	}
	v.nodes.update(v.others(ns), failures)
	v.nodes.mu.Unlock()
	switch {
	case len(silent) > before:
		v.log.Warn("a node is silent: until it is back, bounces are deferred and not refused where mail of it may be missing on the record; if it will not come back, remove it: bouncefilter node remove NAME",
			"nodes", names(silent))
	case len(silent) == 0 && before > 0:
		v.log.Info("all nodes are back")
	}
}

// giveUp marks the record as incomplete when a silent node is waited for no longer: one that the store does not know now, because an
// operator removed it, it was silent for too long, or the store was wiped. It returns false if the store did not take the mark.
func (v *View) giveUp(ctx context.Context, known []store.Node) bool {
	v.nodes.mu.Lock()
	gone := slices.DeleteFunc(slices.Clone(v.nodes.silent), func(was store.Node) bool {
		return slices.ContainsFunc(known, func(n store.Node) bool { return n.Name == was.Name })
	})
	v.nodes.mu.Unlock()
	for _, n := range gone {
		gap := n.Unrecorded(v.now())
		if err := v.store.Store().MarkIncomplete(ctx, gap); err != nil {
			return false
		}
		v.log.Warn("a silent node is not waited for any more: mail of it may be missing on the record", "node", n.Name, "gaps", gap.String())
	}
	return true
}

// update notes which other nodes have sent a heartbeat since the store failed last.
func (n *nodes) update(seen map[string]time.Time, failures uint64) {
	n.others = len(seen) > 0
	if failures != n.failures {
		n.failures, n.awaited = failures, seen
		return
	}
	for name, before := range n.awaited {
		if now, there := seen[name]; !there || now.After(before) {
			delete(n.awaited, name)
		}
	}
}

// failures counts what shows that the store was out of reach.
func (v *View) failures() uint64 { return v.store.Failures() + v.store.Refused() }

// inDoubt says whether mail may have been signed lately that is not on record yet: a node is silent, or has sent no heartbeat since the
// store failed, or nothing is known, because no heartbeat of any node has come.
func (v *View) inDoubt() bool {
	v.nodes.mu.Lock()
	defer v.nodes.mu.Unlock()
	return len(v.nodes.silent) > 0 || len(v.nodes.awaited) > 0 || v.nodes.failures != v.failures() || v.now().Sub(v.nodes.advanced) > store.HeartbeatTimeout
}

// hasOthers says whether other nodes share the store.
func (v *View) hasOthers() bool {
	v.nodes.mu.Lock()
	defer v.nodes.mu.Unlock()
	return v.nodes.others
}

// SilentNodes returns the names of the nodes that are silent.
func (v *View) SilentNodes() []string {
	v.nodes.mu.Lock()
	defer v.nodes.mu.Unlock()
	return names(v.nodes.silent)
}

func names(ns []store.Node) []string {
	list := make([]string, len(ns))
	for i, n := range ns {
		list[i] = n.Name
	}
	return list
}

// others returns the last heartbeat of the nodes other than this one, on the store's clock.
func (v *View) others(ns []store.Node) map[string]time.Time {
	seen := make(map[string]time.Time, len(ns))
	for _, n := range ns {
		if n.Name != v.node {
			seen[n.Name] = n.Seen
		}
	}
	return seen
}
