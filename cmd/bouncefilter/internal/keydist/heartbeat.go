package keydist

import (
	"context"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// leaveTimeout bounds what Leave waits for the store.
const leaveTimeout = 2 * time.Second

// Heartbeat sends a heartbeat of this daemon to the store and says whether the store has it. It is not for the mail path: a failure
// shows elsewhere, and the next try follows. A daemon that has records which the store lacks sends none, so that the other nodes know
// that mail of it may be missing there.
func (d *Distributor) Heartbeat(ctx context.Context) (sent bool) {
	if !d.o.Guard.Available() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	if !d.joined.Load() && d.o.Guard.NewJournal() && !d.succeed(ctx) {
		return false
	}
	s := d.site()
	sent = true
	still := func() bool {
		sent = d.o.Guard.Available()
		return sent
	}
	n := store.Node{Name: s.Config.Node, At: d.o.Now(), Keys: Keys(s.Keys, d.o.Hasher), Instance: d.o.Instance, Condition: still}
	if err := d.o.Store.Heartbeat(ctx, n); err != nil {
		d.o.Log.Debug("the store has no heartbeat of this node", "error", err)
		return false
	}
	if sent {
		d.joined.Store(true)
	}
	return sent
}

// succeed marks the record incomplete if an earlier daemon with this node's name was not stopped: what it had in its journal is lost, with the
// disk or the container that it was in. The first heartbeat of this one would say that all of it is on record. It returns false if the store
// does not answer.
func (d *Distributor) succeed(ctx context.Context) bool {
	nodes, err := d.o.Store.Nodes(ctx)
	if err != nil {
		d.o.Log.Debug("the nodes of the store are not known", "error", err)
		return false
	}
	i := d.own(nodes)
	if i < 0 || nodes[i].Instance == d.o.Instance {
		return true
	}
	gap := nodes[i].Unrecorded(d.o.Now())
	if err := d.o.Store.MarkIncomplete(ctx, gap); err != nil {
		d.o.Log.Debug("the store has no mark of what an earlier daemon may not have recorded", "error", err)
		return false
	}
	d.o.Log.Warn("a daemon with the name of this node was not stopped, and its journal is not here: mail of it may be missing on the record",
		"node", d.node(), "gaps", gap.String())
	return true
}

// Leave removes this node from the store, because the daemon stops: no other node waits for it. A daemon that still has records which
// the store lacks remains a silent node instead, until it is started again and writes them.
func (d *Distributor) Leave() {
	if !d.joined.Load() {
		return // another daemon may have the name
	}
	if j := d.o.Guard.Journal(); j.Entries > 0 || d.o.Guard.Gap() {
		d.o.Log.Warn("stopped before the store had all records: other nodes defer bounces that may need them until this one is back", "entries", j.Entries)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	node := d.node()
	if err := d.o.Store.RemoveNode(ctx, node); err != nil {
		d.o.Log.Warn("the store does not know that this node has stopped; a key rotation waits for it", "node", node,
			"remedy", "start it again; or, if it is gone for good: bouncefilter node remove "+node, "error", err)
	}
}
