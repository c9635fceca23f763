package keydist

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// rotationPatience is how long a new key may wait for nodes before the log warns of it. A few rounds of each node suffice if all is well.
const rotationPatience = time.Minute

// settleRounds is in how many rounds in a row every node must have a new key before it signs, where several nodes may share the store. A
// store that was wiped knows only the nodes that have sent a heartbeat since; the others do so within store.HeartbeatTimeout.
const settleRounds = int(store.HeartbeatTimeout/store.HeartbeatInterval) + 1

// begin begins the rotations that an operator has asked for, and those of keys that have reached their age.
func (d *Distributor) begin(ctx context.Context, nodes []store.Node) {
	current := d.site()
	for _, domain := range current.Keys.Rotations {
		d.rotate(ctx, domain, nodes)
	}
	age := current.Config.KeyRotation
	if age == 0 {
		return
	}
	for _, key := range current.Keys.Keys {
		_, under := current.Keys.Next(key.Domain)
		name := keyring.Name(key.Number, key.Domain)
		switch {
		case key.State != prvs.StateSign || under || current.Keys.RotationRequested(key.Domain) || d.o.Now().Sub(key.Created) < age:
		case !current.Config.KeysInStore && len(nodes) > 1:
			d.logOnce(slog.LevelWarn, "age of "+name, "a key has signed for longer than key_rotation; with several nodes and key_distribution = \"files\" it is not replaced by itself",
				"key", name, "remedy", `bouncefilter key rotate, and copy the keys; or key_distribution = "store"`)
		default:
			d.rotate(ctx, key.Domain, nodes)
		}
	}
}

// rotate begins one rotation. Nodes that share keys in the store publish first and write to the index afterwards: if several do so
// at the same time, the broadcast of one stays, and the others take in that key.
func (d *Distributor) rotate(ctx context.Context, domain string, nodes []store.Node) {
	current := d.site()
	subject := "rotate"
	if domain != "" {
		subject += " of " + domain
	}
	now := d.o.Now()
	if !current.Config.KeysInStore {
		d.update(subject, func(r *keyring.Keyring) error {
			r.DropRequest(domain)
			if _, under := r.Next(domain); under {
				return nil
			}
			_, err := r.Rotate(domain, keyring.NewSecret(), now)
			return err
		})
		return
	}
	next := func(key store.NodeKey) bool { return key.Next && keyring.SameDomain(key.Domain, domain) }
	if slices.ContainsFunc(nodes, func(n store.Node) bool { return slices.ContainsFunc(n.Keys, next) }) {
		return // another node has begun a rotation; its key comes here, too
	}
	number, err := current.Keys.FreeNumber(domain, now)
	if err != nil {
		d.logOnce(slog.LevelError, subject, "there is no digit for a new key", "error", err)
		return
	}
	key := prvs.Key{Number: number, Domain: domain, Secret: keyring.NewSecret()}
	if published := d.publish(ctx, current, key, now); published {
		d.adopt(key, now)
	}
}

// adopt takes a key into the index that is to sign next.
func (d *Distributor) adopt(key prvs.Key, created time.Time) {
	now := d.o.Now()
	name := keyring.Name(key.Number, key.Domain)
	adopted := d.update("take in "+name, func(r *keyring.Keyring) error {
		r.DropRequest(key.Domain)
		if own, ok := r.Find(key.Number, key.Domain); ok && own.State != prvs.StateRetired && string(own.Secret) == string(key.Secret) {
			return nil // another daemon with the same index was first
		}
		_, err := r.Adopt(key, created, now)
		return err
	})
	if adopted {
		d.o.Log.Info("took in a new key; it signs once every node has it", "key", name)
	}
}

// activate lets a new key sign that every node has.
func (d *Distributor) activate(nodes []store.Node) {
	current := d.site()
	var ready *keyring.Key
	for i, key := range current.Keys.Keys {
		if !key.Next || key.Absent {
			continue
		}
		// Of several for one domain the newest is the one that stays, at all nodes alike.
		if d.everyNodeHas(key, nodes) && (ready == nil || ready.Created.Before(key.Created)) {
			ready = &current.Keys.Keys[i]
		}
	}
	if ready == nil {
		return
	}
	name := keyring.Name(ready.Number, ready.Domain)
	var former *keyring.Key
	activated := d.update("activate "+name, func(r *keyring.Keyring) (err error) {
		now, listed := r.Find(ready.Number, ready.Domain)
		if !listed || !now.Next || string(now.Secret) != string(ready.Secret) {
			return errNothing
		}
		_, former, err = r.Activate(int(ready.Number), &ready.Domain, d.o.Now())
		return err
	})
	if !activated {
		return
	}
	delete(d.settled, name)
	args := []any{"key", name}
	if former != nil {
		args = append(args, "former", keyring.Name(former.Number, former.Domain), "former_verifies_until", d.o.Now().Add(current.Config.KeyRest()).UTC().Format(time.DateOnly))
	}
	d.o.Log.Info("every node has the new key; it signs from now on", args...)
}

// everyNodeHas says whether all nodes have a key, and logs which ones do not.
func (d *Distributor) everyNodeHas(key keyring.Key, nodes []store.Node) bool {
	name := keyring.Name(key.Number, key.Domain)
	lacking := Lacking(nodeKey(key, d.o.Hasher), nodes)
	if len(lacking) == 0 {
		delete(d.waiting, name)
		d.settled[name]++
		return d.settled[name] >= settleRounds || d.site().Config.Embedded()
	}
	delete(d.settled, name)
	now := d.o.Now()
	since, waits := d.waiting[name]
	if !waits {
		d.waiting[name], since = now, now
	}
	if now.Sub(since) < rotationPatience {
		d.logOnce(slog.LevelInfo, "wait "+name, "a new key verifies, and signs once every node has it", "key", name, "waits_for", strings.Join(lacking, " "))
		return false
	}
	d.logOnce(slog.LevelWarn, "wait "+name, "key rotation waits for nodes that do not have the new key", "key", name, "waits_for", strings.Join(lacking, " "),
		"remedy", "give it to them; or, if a node is gone for good: bouncefilter node remove NAME")
	return false
}

// recordSigners writes into the index with which keys other nodes sign that only verify here: they are in use for as long.
func (d *Distributor) recordSigners(nodes []store.Node) {
	current := d.site()
	today := d.o.Now()
	for _, key := range current.Keys.Keys {
		if key.State != prvs.StateVerify || key.Next || !signedBy(nodeKey(key, d.o.Hasher), nodes) || !key.SignedUntil.Before(today.UTC().Truncate(24*time.Hour)) {
			continue
		}
		d.update("record that another node signs with "+keyring.Name(key.Number, key.Domain), func(r *keyring.Keyring) error {
			r.SignedElsewhere(key.Number, key.Domain, today)
			return nil
		})
	}
}

// retire takes keys out of use when no bounce to their last tags can be proven any more.
func (d *Distributor) retire(nodes []store.Node) {
	current := d.site()
	rest, now := current.Config.KeyRest(), d.o.Now()
	for _, key := range current.Keys.Due(rest, now) {
		if signedBy(nodeKey(key, d.o.Hasher), nodes) {
			continue
		}
		name := keyring.Name(key.Number, key.Domain)
		if d.update("retire "+name, func(r *keyring.Keyring) error {
			_, err := r.Retire(int(key.Number), &key.Domain, rest, false, now)
			return err
		}) {
			d.o.Log.Info("retired a key: its last tags cannot be proven any more", "key", name,
				"signed_until", key.SignedUntil.UTC().Format(time.DateOnly), "file", key.File)
		}
	}
}
