package view

import (
	"context"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// keyCheckDays is for how many days a key check value is found. A store that no daemon used for longer begins its record anew, which
// costs a time in which bounces are accepted that the record might have proven, and no bounce.
const keyCheckDays = 30

// storeMarker is the key of a record that all daemons make, whatever their hash secret. A daemon that finds it, and not the key check
// value of its own secret, shares the store with daemons that have another secret.
func storeMarker() store.Key { return store.Key([]byte("bouncefilter use")) }

// checkSecret makes sure, once a day, that the store is written under one hash secret, and that it is ours. Under another one, on a
// host to which the secret was not copied or after its file was lost, no tag of the other hosts or of the time before is found, and a
// record that claims to be complete would turn genuine bounces away. Until the check has succeeded the record vouches for nothing
// here, and neither does it before it is known since when domains have been signing. The other hosts learn from the start of its
// completeness that some is missing.
func (v *View) checkSecret(ctx context.Context) {
	now := v.now()
	today := store.DayOf(now)
	if v.checked == today {
		return
	}
	if !v.history.learned && !v.refreshFirstSigned(ctx) {
		return
	}
	keyCheck := v.hasher.KeyCheck()
	a, err := v.store.Lookup(ctx, today, store.AnyDay(storeMarker(), keyCheck))
	if err != nil {
		return
	}
	used, ours := a.Found[0], a.Found[1]
	if used && !ours {
		v.verified.Store(false)
		// What is signed here is on record under keys that the other hosts do not find, and until tomorrow's check it will be.
		if err := v.store.Store().MarkIncomplete(ctx, store.Gap{Until: (today + 1).Time()}); err != nil {
			return
		}
		v.checked = today
		v.log.Error("the hash secret is not the one that this store was written with: the record of signed mail cannot be used; give all hosts the same secret")
		return
	}
	if !used && !a.Complete.Since.IsZero() {
		if err := v.store.Store().MarkIncomplete(ctx, store.Gap{Until: now.Add(time.Minute)}); err != nil {
			return
		}
	}
	for _, key := range []store.Key{keyCheck, storeMarker()} { // the marker last: a key check value alone is no foreign store
		if v.store.Record(ctx, today, "", store.Record{Key: key, Expires: today + keyCheckDays}) != nil {
			return
		}
	}
	v.checked = today
	v.verified.Store(true)
}
