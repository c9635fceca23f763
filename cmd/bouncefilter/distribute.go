package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

const (
	// keyTopic is the topic of notices about new keys.
	keyTopic = "keys"
	// keyNoticeDays is for how many days a new key can be had from the store. A node that was stopped meanwhile finds it when it
	// comes back, also if the key has signed for a while.
	keyNoticeDays = 30
)

// keyNotice is what a notice holds, sealed.
type keyNotice struct {
	Number  uint8     `json:"number"`
	Domain  string    `json:"domain"`
	Secret  []byte    `json:"secret"`
	Created time.Time `json:"created"`
}

// noticeName names the notice of the key that follows the one that signs for a domain now. Nodes that begin a rotation at the same
// time replace the same key, so that their notices have one name, of which the store keeps the first.
func (k *keeper) noticeName(s *site, domain string) string {
	signer, ok := s.keys.SignerOf(domain)
	switch {
	case !ok:
		return domain + " first"
	case signer.Absent:
		// Whoever cannot read its secret does not know its mark. Two nodes that lack it agree all the same.
		return domain + " after lost " + string('0'+rune(signer.Number))
	}
	return domain + " after " + nodeKey(signer, k.hasher).KeyID
}

// noticeUse is what a notice is sealed for.
func noticeUse(name string) string { return keyTopic + " " + name }

// publish offers a key to all nodes, unless there is a notice in its place. A failure is told.
func (k *keeper) publish(ctx context.Context, s *site, key prvs.Key, created time.Time) bool {
	name := k.noticeName(s, key.Domain)
	value, err := json.Marshal(keyNotice{Number: key.Number, Domain: key.Domain, Secret: key.Secret, Created: created.UTC().Truncate(time.Second)})
	if err != nil {
		k.say(slog.LevelError, "publish", "a new key cannot be published", "error", err)
		return false
	}
	published, err := k.guard.Store().Publish(ctx, store.Broadcast{
		Topic: keyTopic, Name: name, Value: k.hasher.Seal(noticeUse(name), value), Expires: store.DayOf(k.app.now()) + keyNoticeDays,
	}, true)
	if err != nil {
		k.log.Debug("a new key is not published yet", "error", err)
		return false
	}
	if published {
		k.log.Info("published a new key for all nodes of the store", "key", keyName(key.Number, key.Domain))
	}
	return published
}

// share takes in the keys that other nodes have published, and publishes those of this host that are to sign next.
func (k *keeper) share(ctx context.Context) {
	notices, err := k.guard.Store().Broadcasts(ctx, keyTopic, store.DayOf(k.app.now()))
	if err != nil {
		k.log.Debug("keys of other nodes are not known", "error", err)
		return
	}
	var known []keyNotice
	for _, n := range notices {
		key, err := k.open(n)
		if err != nil {
			k.say(slog.LevelError, "notice "+n.Name, "a new key in the store cannot be read", "notice", n.Name, "error", err)
			continue
		}
		known = append(known, key)
		if k.receive(key) {
			continue
		}
		if err := k.guard.Store().Withdraw(ctx, keyTopic, n.Name); err != nil {
			k.log.Debug("the notice of a retired key stays", "error", err)
		}
	}
	current := k.current.Load()
	for _, key := range current.keys.Keys {
		if key.Next && !key.Absent && !noticed(known, key) {
			k.publish(ctx, current, key.Key, key.Created)
		}
	}
}

// open unseals a notice.
func (k *keeper) open(n store.Broadcast) (keyNotice, error) {
	value, err := k.hasher.Open(noticeUse(n.Name), n.Value)
	if err != nil {
		return keyNotice{}, err
	}
	var key keyNotice
	if json.Unmarshal(value, &key) != nil || key.Number > 9 || len(key.Secret) == 0 {
		return keyNotice{}, errors.New("it is not a notice of this version") // an error of JSON may show what it has read
	}
	return key, nil
}

// receive takes in one key that was published, unless it is known. It returns false if it was retired here: the notice must not
// stand in the way of another rotation.
func (k *keeper) receive(n keyNotice) bool {
	name := keyName(n.Number, n.Domain)
	own, listed := k.current.Load().keys.Find(n.Number, n.Domain)
	switch {
	case listed && own.State == prvs.StateRetired && own.Created.Equal(n.Created):
		return false
	case listed && own.State != prvs.StateRetired && own.Absent:
		// It may be this one. Its file is not written over.
	case listed && own.State != prvs.StateRetired && string(own.Secret) != string(n.Secret):
		k.say(slog.LevelError, "notice "+name, "key-differs: another node has published a new key whose number has another secret here; it is not taken in, and the rotation waits",
			"key", name, "remedy", "retire the key of that number on one of the hosts, and rotate again")
	case listed && own.State != prvs.StateRetired:
	default:
		k.adopt(prvs.Key{Number: n.Number, Domain: n.Domain, Secret: n.Secret}, n.Created)
	}
	return true
}

// noticed says whether one of the notices is about a key.
func noticed(notices []keyNotice, key keyring.Key) bool {
	for _, n := range notices {
		if n.Number == key.Number && string(n.Secret) == string(key.Secret) {
			return true
		}
	}
	return false
}
