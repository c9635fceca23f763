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
