package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// rotationPatience is how long a new key may wait for nodes before that is worth a warning. A few rounds of each node suffice if
// all is well.
const rotationPatience = time.Minute

// settleRounds is in how many rounds in a row every node must have a new key before it signs, where several nodes may share the
// store. A store that was wiped knows only the nodes that have announced themselves since; the others do so within store.HeartbeatTimeout.
const settleRounds = int(store.HeartbeatTimeout/store.HeartbeatInterval) + 1

// errNothing ends an update that has nothing to write.
var errNothing = errors.New("nothing to be changed")

// begin begins the rotations that somebody has asked for, and those of keys that have reached their age.
func (k *keeper) begin(ctx context.Context, nodes []store.Node) {
	current := k.current.Load()
	for _, domain := range current.keys.Rotations {
		k.rotate(ctx, domain, nodes)
	}
	age := current.config.KeyRotation
	if age == 0 {
		return
	}
	for _, key := range current.keys.Keys {
		_, under := current.keys.Next(key.Domain)
		switch {
		case key.State != prvs.StateSign || under || current.keys.Wanted(key.Domain) || k.app.now().Sub(key.Created) < age:
		case !current.config.KeysInStore && len(nodes) > 1:
			k.say(slog.LevelWarn, "age of "+keyName(key.Number, key.Domain), "a key has signed for longer than key_rotation; with several nodes and key_distribution = \"files\" it is not replaced by itself",
				"key", keyName(key.Number, key.Domain), "remedy", rotateRemedy)
		default:
			k.rotate(ctx, key.Domain, nodes)
		}
	}
}

const rotateRemedy = "bouncefilter key rotate, and copy the keys; or key_distribution = \"store\""

// rotate begins one rotation. Nodes that share keys in the store publish first and write to the index afterwards: if several do so
// at the same time, the notice of one is kept, and the others take in that key.
func (k *keeper) rotate(ctx context.Context, domain string, nodes []store.Node) {
	current := k.current.Load()
	subject := "rotate" + ofDomain(domain)
	now := k.app.now()
	if !current.config.KeysInStore {
		k.update(subject, func(r *keyring.Keyring) error {
			r.Unwant(domain)
			if _, under := r.Next(domain); under {
				return nil
			}
			_, err := r.Rotate(domain, keyring.NewSecret(), now)
			return err
		})
		return
	}
	next := func(key store.NodeKey) bool { return key.Next && strings.EqualFold(key.Domain, domain) }
	if slices.ContainsFunc(nodes, func(n store.Node) bool { return slices.ContainsFunc(n.Keys, next) }) {
		return // a rotation is under way somewhere; its key comes here, too
	}
	number, err := current.keys.FreeNumber(domain, now)
	if err != nil {
		k.say(slog.LevelError, subject, "there is no digit for a new key", "error", err)
		return
	}
	key := prvs.Key{Number: number, Domain: domain, Secret: keyring.NewSecret()}
	if published := k.publish(ctx, current, key, now); published {
		k.adopt(key, now)
	}
}

// adopt takes a key into the index that is to sign next.
func (k *keeper) adopt(key prvs.Key, created time.Time) {
	now := k.app.now()
	subject := "take in " + keyName(key.Number, key.Domain)
	adopted := k.update(subject, func(r *keyring.Keyring) error {
		r.Unwant(key.Domain)
		if own, ok := r.Find(key.Number, key.Domain); ok && own.State != prvs.StateRetired && string(own.Secret) == string(key.Secret) {
			return nil // another daemon with the same index was first
		}
		_, err := r.Adopt(key, created, now)
		return err
	})
	if adopted {
		k.log.Info("took in a new key; it signs once every node has it", "key", keyName(key.Number, key.Domain))
	}
}

// activate lets new keys sign that every node has.
func (k *keeper) activate(nodes []store.Node) {
	current := k.current.Load()
	var ready *keyring.Key
	for i, key := range current.keys.Keys {
		if !key.Next || key.Absent {
			continue
		}
		// Of several for one domain the newest is the one that stays, at all nodes alike.
		if k.everyNodeHas(key, nodes) && (ready == nil || ready.Created.Before(key.Created)) {
			ready = &current.keys.Keys[i]
		}
	}
	if ready == nil {
		return
	}
	var former *keyring.Key
	activated := k.update("activate "+keyName(ready.Number, ready.Domain), func(r *keyring.Keyring) (err error) {
		now, listed := r.Find(ready.Number, ready.Domain)
		if !listed || !now.Next || string(now.Secret) != string(ready.Secret) {
			return errNothing
		}
		_, former, err = r.Activate(int(ready.Number), &ready.Domain, k.app.now())
		return err
	})
	if !activated {
		return
	}
	delete(k.settled, keyName(ready.Number, ready.Domain))
	args := []any{"key", keyName(ready.Number, ready.Domain)}
	if former != nil {
		args = append(args, "former", keyName(former.Number, former.Domain), "former_verifies_until", k.app.now().Add(current.config.KeyRest()).UTC().Format(time.DateOnly))
	}
	k.log.Info("every node has the new key; it signs from now on", args...)
}

// everyNodeHas says whether all nodes have a key, and tells which ones do not.
func (k *keeper) everyNodeHas(key keyring.Key, nodes []store.Node) bool {
	name := keyName(key.Number, key.Domain)
	lacking := lackingNodes(nodeKey(key, k.hasher), nodes)
	if len(lacking) == 0 {
		delete(k.waiting, name)
		k.settled[name]++
		return k.settled[name] >= settleRounds || embedded(k.current.Load().config)
	}
	delete(k.settled, name)
	now := k.app.now()
	since, waits := k.waiting[name]
	if !waits {
		k.waiting[name], since = now, now
	}
	if now.Sub(since) < rotationPatience {
		k.say(slog.LevelInfo, "wait "+name, "a new key verifies, and signs once every node has it", "key", name, "waits_for", strings.Join(lacking, " "))
		return false
	}
	k.say(slog.LevelWarn, "wait "+name, "key rotation waits for nodes that do not have the new key", "key", name, "waits_for", strings.Join(lacking, " "),
		"remedy", "give it to them; or, if a node is gone for good: bouncefilter node remove NAME")
	return false
}

// lackingNodes names the nodes that do not have a key, or another one in its place.
func lackingNodes(key store.NodeKey, nodes []store.Node) []string {
	var names []string
	for _, n := range nodes {
		if o, known := findKey(n.Keys, key); !known || o.KeyID != key.KeyID {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}

// noteSigners notes with which keys other nodes sign that only verify here: they are in use for as long.
func (k *keeper) noteSigners(nodes []store.Node) {
	current := k.current.Load()
	today := k.app.now()
	for _, key := range current.keys.Keys {
		if key.State != prvs.StateVerify || key.Next || !signedBy(nodeKey(key, k.hasher), nodes) || !key.SignedUntil.Before(today.UTC().Truncate(24*time.Hour)) {
			continue
		}
		k.update("note that another node signs with "+keyName(key.Number, key.Domain), func(r *keyring.Keyring) error {
			r.SignedElsewhere(key.Number, key.Domain, today)
			return nil
		})
	}
}

// signedBy says whether a node signs with a key.
func signedBy(key store.NodeKey, nodes []store.Node) bool {
	return slices.ContainsFunc(nodes, func(n store.Node) bool {
		o, known := findKey(n.Keys, key)
		return known && o.Signs && o.KeyID == key.KeyID
	})
}

// retire takes keys out of use whose last tags cannot be proven any more.
func (k *keeper) retire(nodes []store.Node) {
	current := k.current.Load()
	rest, now := current.config.KeyRest(), k.app.now()
	for _, key := range current.keys.Due(rest, now) {
		if signedBy(nodeKey(key, k.hasher), nodes) {
			continue
		}
		if k.update("retire "+keyName(key.Number, key.Domain), func(r *keyring.Keyring) error {
			_, err := r.Retire(int(key.Number), &key.Domain, rest, false, now)
			return err
		}) {
			k.log.Info("retired a key: its last tags cannot be proven any more", "key", keyName(key.Number, key.Domain),
				"signed_until", key.SignedUntil.UTC().Format(time.DateOnly), "file", key.File)
		}
	}
}
