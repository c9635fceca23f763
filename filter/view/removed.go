package view

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/store"
)

// Who can write to the store can put back what was there before, also a revocation that an operator has removed: it is sealed, and
// genuine but for its age. So tombstones are sealed with their time, this host remembers them on its disk, and of a revocation and
// its tombstone the later one counts. A host that was not there when the revocation was removed learns of it from the others, which write a
// tombstone again that is gone.

// TombstoneDays is for how many days a tombstone is kept: no revocation is in effect for longer.
const TombstoneDays = 400

// maxRemoved is how many tombstones this host remembers: the latest ones. Operators make them by hand.
const maxRemoved = 10_000

// Removal is what a tombstone says.
type Removal struct {
	At      time.Time `json:"at"`      // when the revocation was removed
	Expires store.Day `json:"expires"` // the last day on which it could be in effect
}

func (r Removal) equal(o Removal) bool { return r.At.Equal(o.At) && r.Expires == o.Expires }

// SealTombstone returns the broadcast which says that a revocation was removed. name is that of the revocation.
func SealTombstone(h *store.Hasher, name string, r Removal) (store.Broadcast, error) {
	value, err := json.Marshal(r)
	if err != nil {
		return store.Broadcast{}, err
	}
	return store.Broadcast{Topic: TombstoneTopic, Name: name, Value: h.Seal(TombstoneTopic+"/"+name, value), Expires: r.Expires}, nil
}

// openTombstone reads a broadcast of SealTombstone.
func openTombstone(h *store.Hasher, b store.Broadcast) (Removal, error) {
	value, err := h.Open(TombstoneTopic+"/"+b.Name, b.Value)
	if err != nil {
		return Removal{}, err
	}
	var r Removal
	err = json.Unmarshal(value, &r)
	return r, err
}

// removed returns what was removed as far as this host remembers and tombstones say, by the names of the revocations.
func (h History) removed(hasher *store.Hasher, tombstones []store.Broadcast) map[string]Removal {
	all := maps.Clone(h.Removed)
	if all == nil {
		all = map[string]Removal{}
	}
	for _, b := range tombstones {
		if r, err := openTombstone(hasher, b); err == nil && r.At.After(all[b.Name].At) {
			all[b.Name] = r
		}
	}
	return all
}

// forget leaves out what has expired by a day, and the oldest of more than maxRemoved.
func forget(all map[string]Removal, today store.Day) {
	maps.DeleteFunc(all, func(_ string, r Removal) bool { return r.Expires < today })
	if len(all) <= maxRemoved {
		return
	}
	names := slices.SortedFunc(maps.Keys(all), func(a, b string) int { return all[b].At.Compare(all[a].At) })
	for _, name := range names[maxRemoved:] {
		delete(all, name)
	}
}

// InEffect asks for the broadcasts of revocations that were not removed later, as far as this host remembers and tombstones say. What
// cannot be understood is among them. If the tombstones are not answered, what this host remembers counts.
func (h History) InEffect(ctx context.Context, st Source, hasher *store.Hasher, today store.Day) ([]store.Broadcast, error) {
	revocations, tombstones, err := askRevocations(ctx, st, today)
	in, _ := split(hasher, revocations, h.removed(hasher, tombstones))
	return in, err
}

// askRevocations asks for revocations, and then for tombstones: a command that removes a revocation makes its tombstone first, so one
// that is gone already has a tombstone by then.
func askRevocations(ctx context.Context, st Source, today store.Day) (revocations, tombstones []store.Broadcast, err error) {
	if revocations, err = st.Broadcasts(ctx, RevocationTopic, today); err != nil {
		return nil, nil, err
	}
	tombstones, err = st.Broadcasts(ctx, TombstoneTopic, today)
	return revocations, tombstones, err
}

// split divides broadcasts of revocations into those that are in effect and those that were removed later.
func split(hasher *store.Hasher, revocations []store.Broadcast, removed map[string]Removal) (in, out []store.Broadcast) {
	for _, b := range revocations {
		if wasRemoved(hasher, b, removed) {
			out = append(out, b)
		} else {
			in = append(in, b)
		}
	}
	return in, out
}

// wasRemoved says whether a revocation was removed later than it was made.
func wasRemoved(hasher *store.Hasher, b store.Broadcast, removed map[string]Removal) bool {
	r, was := removed[b.Name]
	return was && !issued(hasher, b).After(r.At)
}

// issued returns when something was revoked; the zero time if that cannot be understood.
func issued(hasher *store.Hasher, b store.Broadcast) time.Time {
	if r, err := OpenRevocation(hasher, b); err == nil {
		return r.At
	}
	return time.Time{}
}

// RevokedAt returns the time for a revocation that is made at the time now: it is later than that of a tombstone of the same name, which may
// come from a host whose clock is ahead.
func (h History) RevokedAt(hasher *store.Hasher, r *policy.Revocation, tombstones []store.Broadcast, now time.Time) time.Time {
	if was, ok := h.removed(hasher, tombstones)[RevocationName(hasher, r)]; ok && !now.After(was.At) {
		return was.At.Add(time.Millisecond)
	}
	return now
}
