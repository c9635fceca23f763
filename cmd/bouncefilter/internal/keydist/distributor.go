// Package keydist lets the nodes of a store have the same keys. Each daemon runs a [Distributor]: every few seconds it loads keys
// that have changed on disk, takes in those that other nodes have published, sends the node's heartbeat, which lists the keys that it
// has loaded, lets a new key sign once every node has it, and retires old keys.
//
// It writes the index of keys and nothing else on disk. The rest of the daemon learns of new keys from [site.Running].
package keydist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
)

// roundTimeout bounds what a round waits for the store.
const roundTimeout = 2 * time.Second

// ClockFault is how far a clock must be off for days to be counted wrongly often enough to matter.
const ClockFault = time.Hour

// Store is what a Distributor needs of the store that the nodes share. A [store.Store] is one.
type Store interface {
	store.Nodes
	store.Broadcasts
	MarkIncomplete(ctx context.Context, g store.Gap) error
}

// Guard says whether the store has all records of this node. A [guard.Guard] is one.
type Guard interface {
	Available() bool
	Gap() bool
	Journal() guard.JournalStats
	NewJournal() bool
}

// Options is what a Distributor works with. All fields are needed.
type Options struct {
	Sites    *site.Running
	Store    Store
	Guard    Guard
	Hasher   *store.Hasher
	Log      *slog.Logger
	Now      func() time.Time
	Instance string // of this process, among daemons that have its node name by mistake
}

// Distributor distributes and rotates keys for one daemon. Round and Run belong to one goroutine at a time; Heartbeat and Leave may be
// called from any.
type Distributor struct {
	o       Options
	joined  atomic.Bool          // the store has a heartbeat of this daemon
	logged  map[string]logged    // by subject
	waiting map[string]time.Time // since when a new key waits for nodes, by the name of the key
	settled map[string]int       // in how many rounds in a row every node had a new key
	met     time.Time            // when the store answered last which nodes there are; zero if it never did
	twins   int                  // in how many rounds another daemon had sent heartbeats under this one's name
}

// New returns a Distributor.
func New(o Options) *Distributor {
	return &Distributor{o: o, logged: map[string]logged{}, waiting: map[string]time.Time{}, settled: map[string]int{}}
}

// Run does a round whenever ticks says so, until ctx is done.
func (d *Distributor) Run(ctx context.Context, ticks <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
			d.Round(ctx)
		}
	}
}

// Round does once what a Distributor does. The order matters: a heartbeat lists the keys that this node has loaded, and only what is in
// the heartbeats of all nodes lets a key sign.
func (d *Distributor) Round(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	d.load()
	if d.site().Config.KeysInStore {
		d.share(ctx)
	}
	nodes, err := d.meet(ctx)
	if err != nil {
		d.o.Log.Debug("the nodes of the store are not known", "error", err)
		d.trustUnseen()
		return // nothing is done to keys without knowing which keys the others have
	}
	if len(nodes) == 0 {
		return // not even this one: the store has just lost them
	}
	d.met = d.o.Now()
	d.trust(nodes)
	if !d.clockIsRight(nodes) {
		return
	}
	before := d.site()
	d.recordSigners(nodes)
	d.begin(ctx, nodes)
	if d.site() != before {
		return // the others learn of it first, in this node's next heartbeat
	}
	d.activate(nodes)
	d.retire(nodes)
	if d.site() != before {
		d.Heartbeat(ctx)
	}
}

// site returns the site in effect.
func (d *Distributor) site() *site.Site { return d.o.Sites.Current() }

// node returns this node's name.
func (d *Distributor) node() string { return d.site().Config.Node }

// meet sends a heartbeat and returns the latest ones of all nodes, by their names. The store is asked once, before the heartbeat, which
// is then put into the answer: its keys are new, and the store's clock did not change since the one before.
func (d *Distributor) meet(ctx context.Context) ([]store.Node, error) {
	nodes, err := d.o.Store.Nodes(ctx)
	if err == nil {
		d.lookForTwin(nodes)
	}
	sent := d.Heartbeat(ctx)
	i := d.own(nodes)
	switch {
	case err == nil && (i < 0 || nodes[i].Instance != d.o.Instance):
		nodes, err = d.o.Store.Nodes(ctx) // this daemon's first heartbeat, whose times the store has set
	case err != nil && sent:
		nodes, err = d.o.Store.Nodes(ctx) // the store answers again
	case err == nil && sent:
		nodes[i].Keys = Keys(d.site().Keys, d.o.Hasher)
	}
	slices.SortFunc(nodes, func(a, b store.Node) int { return strings.Compare(a.Name, b.Name) }) // else what is logged changes with their order
	return nodes, err
}

// own returns the index of the node with this one's name, or -1.
func (d *Distributor) own(nodes []store.Node) int {
	name := d.node()
	return slices.IndexFunc(nodes, func(n store.Node) bool { return n.Name == name })
}

// lookForTwin finds out whether another daemon has sent a heartbeat under this one's name since this one did. Then each hides the other:
// no node waits for its keys, and none finds out when it is cut off. Once may be a daemon that this one has replaced.
func (d *Distributor) lookForTwin(nodes []store.Node) {
	i := d.own(nodes)
	if !d.joined.Load() || i < 0 || nodes[i].Instance == d.o.Instance {
		return
	}
	if d.twins++; d.twins > 1 {
		d.logOnce(slog.LevelError, "twin", "another daemon uses the store under this one's name", "node", d.node(), "remedy", "give each host a name of its own with the option node, and restart")
	}
}

// clockIsRight says whether this host has the store's day, by which keys get old. A host that is ahead would retire them too early.
func (d *Distributor) clockIsRight(nodes []store.Node) bool {
	i := d.own(nodes)
	if i < 0 || nodes[i].Skew().Abs() < ClockFault {
		return true
	}
	d.logOnce(slog.LevelError, "clock", "keys are not looked after: the clock of this host is not that of the store", "off_by", nodes[i].Skew().Round(time.Hour))
	return false
}

// logged is what was logged about a subject last.
type logged struct {
	text string
	at   time.Time
}

// logOnce logs about a subject once a day, or when the text or its attributes have changed.
func (d *Distributor) logOnce(level slog.Level, subject, message string, args ...any) {
	now := d.o.Now()
	text := fmt.Sprintln(append([]any{level, message}, args...)...)
	if last := d.logged[subject]; last.text == text && now.Sub(last.at) < 24*time.Hour {
		return
	}
	d.logged[subject] = logged{text, now}
	d.o.Log.Log(context.Background(), level, message, args...)
}

// load takes keys into effect that have changed in the index, with the configuration as it is. Secrets that could not be read before are
// tried again.
func (d *Distributor) load() {
	before := d.site()
	next, problems := d.o.Sites.ReloadKeys()
	if len(problems) > 0 {
		var text []string
		for _, p := range problems.Sorted() {
			text = append(text, p.String())
		}
		d.logOnce(slog.LevelError, "load", "keys not loaded, the old ones stay in effect", "problem", strings.Join(text, "; "))
		return
	}
	delete(d.logged, "load")
	if next == nil {
		return
	}
	d.o.Log.Info("keys loaded", "keys", len(next.Keys.Keys))
	if before.IndexLost() {
		d.o.Log.Warn("the index of keys is back; as it may not list all keys yet, bounces with a key number that is missing in it are not refused", "remedy", "when all are back: systemctl reload bouncefilter")
	}
}

// errNothing ends an update that has nothing to write.
var errNothing = errors.New("nothing to be changed")

// update changes the index and takes the change into effect. It logs a failure and returns false.
func (d *Distributor) update(subject string, change func(*keyring.Keyring) error) bool {
	err := d.site().UpdateIndex(change)
	switch {
	case errors.Is(err, site.ErrIndexLost):
	case errors.Is(err, errNothing):
		d.load()
		return false
	case err == nil:
		d.load()
		return true
	}
	d.logOnce(slog.LevelError, subject, "the index of keys was not changed", "wanted", subject, "error", err)
	return false
}

// trust lets no bounce be refused for a key with which another node signs and that is missing here: this host cannot verify its tags.
func (d *Distributor) trust(nodes []store.Node) {
	d.allowFor(func(current *site.Site) []prvs.Key {
		own := Keys(current.Keys, d.o.Hasher)
		var foreign []prvs.Key
		for _, n := range nodes {
			for _, key := range n.Keys {
				o, known := Find(own, key)
				slot := prvs.Key{Number: key.Number, Domain: prvs.FoldDomain(key.Domain), Absent: true}
				same := func(k prvs.Key) bool { return k.Number == slot.Number && k.Domain == slot.Domain }
				if !key.Signs || known && o.KeyID == key.KeyID || key.Number > 9 || slices.ContainsFunc(foreign, same) {
					continue
				}
				foreign = append(foreign, slot)
				d.logOnce(slog.LevelError, "foreign "+Name(key), "another node signs with a key that is missing here; bounces with its number are not refused",
					"node", n.Name, "key", Name(key), "remedy", "see bouncefilter check")
			}
		}
		return foreign
	})
}

// trustUnseen allows for all keys with which other nodes may sign by now because they did not wait for this one: it has been cut off
// from the store since it was started, or for longer than the others wait for a node.
func (d *Distributor) trustUnseen() {
	if !d.met.IsZero() && d.o.Now().Sub(d.met) <= store.NodeRetention {
		return
	}
	d.logOnce(slog.LevelWarn, "unseen", "the store does not say with which keys other nodes sign; until it does, bounces with a key number that is missing here are not refused")
	d.allowFor((*site.Site).Unlisted)
}

func (d *Distributor) allowFor(find func(*site.Site) []prvs.Key) {
	if err := d.o.Sites.AllowFor(find); err != nil {
		d.logOnce(slog.LevelError, "foreign", "the keys of other nodes cannot be allowed for", "error", err)
	}
}
