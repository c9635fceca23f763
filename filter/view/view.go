// Package view is what this daemon knows of the record of sent mail that all nodes share: whether the record was written under this
// site's hash secret, since when it is complete, which nodes are silent, what is revoked, and what this host remembers of the time
// before a store was wiped. A [View] is its one owner: the milter asks it, and there is no such knowledge elsewhere.
//
// The knowledge has these states. Only in the state "complete" is a bounce refused for good because something is not on record.
//
//	       New
//	        │
//	        ▼            the store was written under another
//	   unverified ──────────── hash secret ───────────▶ foreign ──┐
//	        │                                             ▲       │ checked again
//	        │ the first days of signing are known         │       │ each day
//	        │ and the key check value is on record        └───────┘
//	        ▼
//	complete since T ◀───────────────────────────┐
//	  │         │                                │ every other node has sent a
//	  │         │ a node is silent, or the store │ heartbeat since, or has stopped
//	  │         │ has failed                     │
//	  │         ▼                                │
//	  │       in doubt (what would be refused for good is deferred)
//	  │         │
//	  │         │ a silent node was removed, or is waited for no longer
//	  ▼         ▼
//	incomplete for a gap, or until T, which has moved on: the store was wiped,
//	restarted without its data, lost records, or begun anew; bounces that name
//	mail of that time, or do not tell the time of theirs, are accepted for the
//	time of the record's retention where the record might have proven them
//
// [View.Refresh] asks the store for all of it once; [View.Run] does so regularly. [View.Lookup], [View.Facts] and [View.Barrier] are
// what bounces are judged by. [View.Use] records, beside the mail path, how often tags and proofs were used.
package view

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/limit"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
)

const (
	// refreshInterval is how often the store is asked which domains have been signing since when.
	refreshInterval = time.Minute
	// nodesInterval is how often the store is asked which nodes are silent, and whether the record has lost anything.
	nodesInterval = 5 * time.Second
	// revocationInterval is how often the store is asked what is revoked. A command that revokes something waits for it.
	revocationInterval = 2 * time.Second
	// callTimeout bounds one such call.
	callTimeout = 10 * time.Second
)

// Options is what a [View] is made from. Store, Hasher, Logger and Now are needed.
type Options struct {
	Store  *guard.Guard
	Hasher *store.Hasher
	Logger *slog.Logger
	// Node is the name of this daemon among those that share the store.
	Node string
	// HistoryFile is the path of the file that has the [History] over a restart. Empty for none.
	HistoryFile string
	// Ours says whether a domain is one of ours; the first days of others are not written to the file.
	Ours func(domain string) bool
	// Now returns the time. Intervals are measured with timers.
	Now func() time.Time
	// Fault is called when the store failed in a way that it must not.
	Fault func()
}

// View is safe for use by many goroutines, except that Refresh and Run must not run at the same time.
type View struct {
	store  *guard.Guard
	hasher *store.Hasher
	log    *slog.Logger
	node   string
	ours   func(domain string) bool
	now    func() time.Time

	verified atomic.Bool // the store is written under our hash secret
	history  historyKeeper
	complete atomic.Pointer[store.Completeness] // as the store said last
	nodes    nodes
	barrier  barrier
	revoked  revocations
	usage    *usageWriter

	setBack, putBack, lost, skipped, doubted, crowded limit.Rate   // of lines of the log
	doubts                                            store.Doubts // that were logged last; belongs to Run

	checked store.Day // of the last check of the hash secret; belongs to Refresh
}

// New makes a view that knows what the history file says. It asks the store nothing. Close ends it.
func New(o Options) *View {
	v := &View{store: o.Store, hasher: o.Hasher, log: o.Logger, node: o.Node, ours: o.Ours, now: o.Now}
	v.barrier.waiting = make(chan struct{}, maxWaiting)
	v.usage = newUsageWriter(v.store, v.log, o.Fault)
	v.history.load(o.HistoryFile, v.log)
	return v
}

// Refresh learns from the store what bounces are judged by. Until the first time, nothing is refused that the record might have proven.
// It says whether the store has answered since when domains have been signing.
func (v *View) Refresh(ctx context.Context) (answered bool) {
	answered = v.RefreshRecord(ctx)
	v.RefreshNodes(ctx)
	v.RefreshRevocations(ctx)
	return answered
}

// RefreshRecord learns whether the record can be relied upon, and since when it is complete.
func (v *View) RefreshRecord(ctx context.Context) (answered bool) {
	v.checkSecret(ctx)
	answered = v.refreshFirstSigned(ctx)
	v.refreshCompleteness(ctx)
	v.reportDoubts()
	return answered
}

// Run refreshes what is known regularly until ctx is done. It calls refreshed after each round of asking for the record, with what
// RefreshRecord has returned.
func (v *View) Run(ctx context.Context, refreshed func(answered bool)) {
	var revocations sync.WaitGroup
	defer revocations.Wait()
	revocations.Go(func() { every(ctx, revocationInterval, v.RefreshRevocations) })
	record := time.NewTicker(refreshInterval)
	defer record.Stop()
	nodes := time.NewTicker(nodesInterval)
	defer nodes.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-record.C:
			refreshed(v.RefreshRecord(ctx))
		case <-nodes.C:
			v.RefreshNodes(ctx)
			if v.refreshCompleteness(ctx) { // the store may have been wiped
				refreshed(v.RefreshRecord(ctx))
			}
		}
	}
}

// every calls f at each interval until ctx is done.
func every(ctx context.Context, interval time.Duration, f func(context.Context)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f(ctx)
		}
	}
}

// Close waits until what was used is recorded, or lost, and drops what comes later.
func (v *View) Close() { v.usage.close() }

// Lookup asks the record as far as it can be relied upon: unless it is known to be written under our hash secret, it vouches for
// nothing. Counts include what Use was given and the store may not have yet, so that a storm of bounces uses a budget up at once.
func (v *View) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	a, err := v.counted(qs, func() (store.Answer, error) { return v.store.Lookup(ctx, today, qs) })
	return relied(a, v.verified.Load()), err
}

// LookupStore asks the store itself, whatever the state of the circuit in front of it, for commands that want to know what is recorded.
func (v *View) LookupStore(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	return v.counted(qs, func() (store.Answer, error) { return v.store.Store().Lookup(ctx, today, qs) })
}

// counted asks, and adds what Use was given.
func (v *View) counted(qs []store.Query, ask func() (store.Answer, error)) (store.Answer, error) {
	pending := v.usage.pendingOf(qs)
	a, err := ask()
	if len(pending) > 0 && len(a.Counts) >= len(qs) {
		a.Counts = slices.Clone(a.Counts)
		for i, n := range pending {
			a.Counts[i] = store.AddCounts(a.Counts[i], n)
		}
	}
	return a, err
}

// relied returns an answer as far as it can be relied upon.
func relied(a store.Answer, verified bool) store.Answer {
	if !verified {
		a.Complete = store.Completeness{}
	}
	return a
}

// Facts returns what is known of the record for bounces to a domain, by the name of its settings. Lookup tells since when it is complete.
func (v *View) Facts(domain string) policy.RecordFacts {
	since, signing := v.FirstSigned(domain)
	return policy.RecordFacts{
		Began: v.history.current().RecordBegan, SigningSince: prvs.Day(since), Signing: signing,
		NodeSilent: v.inDoubt(), Revoked: v.Revocations(),
	}
}

// Snapshot is what is known at one time, for the commands that judge as this daemon does.
type Snapshot struct {
	// Verified says that the store is written under this daemon's hash secret.
	Verified bool `json:"verified"`
	// Complete is what the store said last about its record.
	Complete store.Completeness `json:"complete"`
	History  History            `json:"history"`
	// Silent lists the nodes whose heartbeats have stopped. InDoubt says that mail may be missing on the record for the moment: of
	// these nodes, or of one without a heartbeat since the store failed.
	Silent  []string `json:"silent,omitempty"`
	InDoubt bool     `json:"in_doubt,omitempty"`
	// Revoked is what is revoked, sealed.
	Revoked []store.Broadcast `json:"revoked,omitempty"`
}

// Snapshot returns what is known now. What was given to Use before is written first: commands that have a snapshot ask the store
// themselves.
func (v *View) Snapshot() Snapshot {
	v.Flush()
	return Snapshot{
		Verified: v.verified.Load(), Complete: v.Completeness(), History: v.History(),
		Silent: v.SilentNodes(), InDoubt: v.inDoubt(), Revoked: v.revoked.broadcasts(),
	}
}

// Source is what is asked of a store. A [store.Store] is one.
type Source interface {
	Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error)
	FirstSigned(ctx context.Context) (map[string]store.Day, error)
	Nodes(ctx context.Context) ([]store.Node, error)
	Broadcasts(ctx context.Context, topic string, today store.Day) ([]store.Broadcast, error)
}

// Look returns what can be known of the record without a running daemon: what the store says, and the history of this host. It writes
// nothing.
func Look(ctx context.Context, st Source, h *store.Hasher, node string, history History, now time.Time) (Snapshot, error) {
	today := store.DayOf(now)
	s := Snapshot{History: history}
	a, err := st.Lookup(ctx, today, store.AnyDay(h.KeyCheck()))
	if err != nil {
		return s, err
	}
	s.Verified, s.Complete = a.Found[0], a.Complete
	days, err := st.FirstSigned(ctx)
	if err != nil {
		return s, err
	}
	s.History = history.With(days)
	ns, err := st.Nodes(ctx)
	if err != nil {
		return s, err
	}
	silent, _ := silentNodes(append(ns, store.Node{Name: node, Seen: now}))
	s.Silent = slices.DeleteFunc(names(silent), func(name string) bool { return name == node })
	s.InDoubt = len(s.Silent) > 0
	s.Complete = s.Complete.With(history.Complete)
	s.Revoked, err = history.InEffect(ctx, st, h, today)
	return s, err
}

// Relied returns an answer of the store as far as it can be relied upon.
func (s *Snapshot) Relied(a store.Answer) store.Answer { return relied(a, s.Verified) }

// Revocations opens what is revoked.
func (s *Snapshot) Revocations(h *store.Hasher) *policy.Revocations {
	return openRevocations(h, s.Revoked, func(string, error) {})
}

// Facts returns what the snapshot says for bounces to a domain, by the name of its settings. revoked is what Revocations has returned.
func (s *Snapshot) Facts(domain string, revoked *policy.Revocations) policy.RecordFacts {
	since, signing := s.History.FirstSigned[domain]
	return policy.RecordFacts{Began: s.History.RecordBegan, SigningSince: prvs.Day(since), Signing: signing, NodeSilent: s.InDoubt, Revoked: revoked}
}
