package view

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/bouncefilter/bouncefilter/filter/limit"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// RevocationTopic is the topic of the broadcasts by which nodes learn what is revoked.
const RevocationTopic = "revocations"

// TombstoneTopic is that of broadcasts with the names of revocations that an operator has removed. A revocation that is gone without a
// tombstone was lost by the store, and is written again.
const TombstoneTopic = "revocation-tombstones"

// RevocationName returns the name of a revocation, which is the same for all that revoke the same.
func RevocationName(h *store.Hasher, r *policy.Revocation) string {
	what := r.Sender
	switch r.Kind {
	case policy.RevokedTag:
		what = fmt.Sprintf("%d %d %s", r.Number, r.Until, r.Sender)
	case policy.RevokedKey:
		what = fmt.Sprintf("%d %s", r.Number, r.Domain)
	}
	return h.Revocation(string(r.Kind), what)
}

// SealRevocation returns the broadcast of a revocation. It is sealed under the hash secret: reading the store shows nothing of it.
func SealRevocation(h *store.Hasher, r *policy.Revocation) (store.Broadcast, error) {
	if err := r.Validate(); err != nil {
		return store.Broadcast{}, err
	}
	value, err := json.Marshal(r)
	if err != nil {
		return store.Broadcast{}, err
	}
	name := RevocationName(h, r)
	value = h.Seal(RevocationTopic+"/"+name, value)
	return store.Broadcast{Topic: RevocationTopic, Name: name, Value: value, Expires: store.Day(r.Expires)}, nil
}

// OpenRevocation reads a broadcast. The error says why it cannot be understood; a later version may know other kinds.
func OpenRevocation(h *store.Hasher, b store.Broadcast) (*policy.Revocation, error) {
	value, err := h.Open(RevocationTopic+"/"+b.Name, b.Value)
	if err != nil {
		return nil, err
	}
	r := &policy.Revocation{}
	if err := json.Unmarshal(value, r); err != nil {
		return nil, err
	}
	r.Expires = prvs.Day(b.Expires)
	return r, r.Validate()
}

// openRevocations makes a set of broadcasts. What cannot be understood is left out and passed to skipped.
func openRevocations(h *store.Hasher, bs []store.Broadcast, skipped func(name string, err error)) *policy.Revocations {
	var rs []*policy.Revocation
	for _, b := range bs {
		r, err := OpenRevocation(h, b)
		if err != nil {
			skipped(b.Name, err)
			continue
		}
		rs = append(rs, r)
	}
	return policy.NewRevocations(rs)
}

// revocations is what is revoked.
type revocations struct {
	refreshing sync.Mutex // else the older of two answers might be the last to be stored
	current    atomic.Pointer[revoked]
}

// revoked is what was broadcast at one time. It never changes.
type revoked struct {
	set    *policy.Revocations
	byName map[string]store.Broadcast // all of them, also those that cannot be understood
}

// broadcasts returns what is revoked, in no order.
func (r *revocations) broadcasts() []store.Broadcast {
	if c := r.current.Load(); c != nil {
		return slices.Collect(maps.Values(c.byName))
	}
	return nil
}

// Revocations returns what is revoked; nil for nothing.
func (v *View) Revocations() *policy.Revocations {
	if c := v.revoked.current.Load(); c != nil {
		return c.set
	}
	return nil
}

// RefreshRevocations asks the store what is revoked, as [View.Run] does regularly. If it does not answer, what is known stays.
func (v *View) RefreshRevocations(ctx context.Context) {
	v.revoked.refreshing.Lock()
	defer v.revoked.refreshing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	today := store.DayOf(v.now())
	all, tombstones, err := askRevocations(ctx, v.store.Store(), today)
	if err != nil {
		v.reportCrowded(err)
		return // Guard has logged that the store is unavailable
	}
	removed := v.learnRemoved(tombstones, today)
	bs, putBack := split(v.hasher, all, removed)
	v.reportPutBack(ctx, putBack, tombstones, removed)
	before := map[string]store.Broadcast{}
	if c := v.revoked.current.Load(); c != nil {
		before = c.byName
	}
	if unchanged(bs, before) {
		return
	}
	if bs, err = v.restoreRevocations(ctx, bs, before, removed); err != nil || unchanged(bs, before) {
		return
	}
	next := &revoked{byName: map[string]store.Broadcast{}}
	for _, b := range bs {
		next.byName[b.Name] = b
	}
	next.set = v.openAll(bs)
	v.revoked.current.Store(next)
	added, gone := missing(next.byName, before), missing(before, next.byName)
	v.log.Info("revocations changed", "active", next.set.Len(), "added", few(added), "removed", few(gone))
}

// learnRemoved remembers what tombstones say, and returns all that was removed.
func (v *View) learnRemoved(tombstones []store.Broadcast, today store.Day) map[string]Removal {
	known := v.history.current()
	removed := known.removed(v.hasher, tombstones)
	if forget(removed, today); maps.EqualFunc(removed, known.Removed, Removal.equal) {
		return removed
	}
	v.changeHistory(func(h History) History { h.Removed = removed; return h })
	return removed
}

// reportPutBack logs revocations that were removed and are in the store nevertheless: a command is removing them just now, or another user of
// the store has put them back. Tombstones of these that are gone are written again, for daemons that have not seen them.
func (v *View) reportPutBack(ctx context.Context, putBack, tombstones []store.Broadcast, removed map[string]Removal) {
	var names []string
	for _, b := range putBack {
		if slices.ContainsFunc(tombstones, func(t store.Broadcast) bool { return t.Name == b.Name }) {
			continue
		}
		names = append(names, b.Name)
		if t, err := SealTombstone(v.hasher, b.Name, removed[b.Name]); err == nil {
			// If this fails, the next round tries again.
			_, _ = v.store.Store().Publish(ctx, t, true)
		}
	}
	if len(names) > 0 && v.mayLog(&v.putBack, repeatInterval) {
		v.log.Warn("revocations that were removed are in the store again: they are not believed, and their tombstones are written again", "ids", few(names))
	}
}

// openAll makes a set of broadcasts, and logs which cannot be understood.
func (v *View) openAll(bs []store.Broadcast) *policy.Revocations {
	var names []string
	var why error
	set := openRevocations(v.hasher, bs, func(name string, err error) { names, why = append(names, name), err })
	if len(names) > 0 && v.mayLog(&v.skipped, repeatInterval) {
		v.log.Warn("revocations cannot be understood and are skipped", "ids", few(names), "error", why)
	}
	return set
}

// restoreRevocations writes those again that the store has lost, because it was wiped, restarted or replaced, or because another user of
// it has removed them or put an earlier one in their place: there is no tombstone for them. It returns what is revoked then.
func (v *View) restoreRevocations(ctx context.Context, bs []store.Broadcast, before map[string]store.Broadcast, removed map[string]Removal) ([]store.Broadcast, error) {
	today := store.DayOf(v.now())
	lost := maps.Clone(before)
	for _, b := range bs {
		if known, ok := lost[b.Name]; ok && !issued(v.hasher, b).Before(issued(v.hasher, known)) {
			delete(lost, b.Name)
		}
	}
	maps.DeleteFunc(lost, func(_ string, b store.Broadcast) bool { return b.Expires < today || wasRemoved(v.hasher, b, removed) })
	if len(lost) == 0 {
		return bs, nil
	}
	st := v.store.Store()
	names := slices.Sorted(maps.Keys(lost))
	for _, name := range names {
		gone := !slices.ContainsFunc(bs, func(b store.Broadcast) bool { return b.Name == name })
		if _, err := st.Publish(ctx, lost[name], gone); err != nil {
			return nil, err // again at the next round
		}
	}
	if v.mayLog(&v.lost, limit.Interval) {
		v.log.Warn("the store has lost revocations: they are written to it again", "ids", few(names))
	}
	all, err := st.Broadcasts(ctx, RevocationTopic, today)
	in, _ := split(v.hasher, all, removed)
	return in, err
}

// maxNamed is how many names a line of the log has.
const maxNamed = 20

// few returns some of many names, for the log.
func few(names []string) []string {
	if len(names) <= maxNamed {
		return names
	}
	return append(slices.Clone(names[:maxNamed]), fmt.Sprintf("and %d more", len(names)-maxNamed))
}

func unchanged(bs []store.Broadcast, before map[string]store.Broadcast) bool {
	return len(bs) == len(before) && !slices.ContainsFunc(bs, func(n store.Broadcast) bool {
		known, ok := before[n.Name]
		return !ok || !bytes.Equal(known.Value, n.Value)
	})
}

// missing returns the names in a that are not in b, or have another value there, in their order.
func missing(a, b map[string]store.Broadcast) []string {
	names := []string{}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if n, ok := b[name]; !ok || !bytes.Equal(n.Value, a[name].Value) {
			names = append(names, name)
		}
	}
	return names
}
