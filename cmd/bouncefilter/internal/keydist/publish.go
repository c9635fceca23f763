package keydist

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

const (
	// topic is the topic of broadcasts of new keys.
	topic = "keys"
	// publishedDays is for how many days a new key is in the store. A node that was stopped meanwhile finds it when it is started again,
	// also if the key has signed for a while.
	publishedDays = 30
)

// publishedKey is the content of a broadcast, before it is sealed.
type publishedKey struct {
	Number  uint8     `json:"number"`
	Domain  string    `json:"domain"`
	Secret  []byte    `json:"secret"`
	Created time.Time `json:"created"`
}

// seal seals a key for the broadcast of a name, so that only nodes with the same hash secret can read it.
func (k publishedKey) seal(h *store.Hasher, name string) ([]byte, error) {
	value, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	return h.Seal(topic+" "+name, value), nil
}

// open unseals the key of a broadcast.
func open(h *store.Hasher, n store.Broadcast) (publishedKey, error) {
	value, err := h.Open(topic+" "+n.Name, n.Value)
	if err != nil {
		return publishedKey{}, err
	}
	var key publishedKey
	if json.Unmarshal(value, &key) != nil || key.Number > 9 || len(key.Secret) == 0 {
		return publishedKey{}, errors.New("it is no key of this version") // an error of JSON may show what it has read
	}
	return key, nil
}

// broadcastName names the broadcast of the key that follows the one that signs for a domain now. Nodes that begin a rotation at the same
// time replace the same key, so that their broadcasts have one name, under which the store has only the first.
func (d *Distributor) broadcastName(s *site.Site, domain string) string {
	signer, ok := s.Keys.SignerOf(domain)
	switch {
	case !ok:
		return domain + " first"
	case signer.Absent:
		// A node that cannot read the secret does not know the key's ID. Two nodes that lack it agree all the same.
		return domain + " after lost " + string('0'+rune(signer.Number))
	}
	return domain + " after " + nodeKey(signer, d.o.Hasher).KeyID
}

// publish offers a key to all nodes, unless there is a broadcast in its place. It logs a failure and returns false.
func (d *Distributor) publish(ctx context.Context, s *site.Site, key prvs.Key, created time.Time) bool {
	name := d.broadcastName(s, key.Domain)
	value, err := publishedKey{Number: key.Number, Domain: key.Domain, Secret: key.Secret, Created: created.UTC().Truncate(time.Second)}.seal(d.o.Hasher, name)
	if err != nil {
		d.logOnce(slog.LevelError, "publish", "a new key cannot be published", "error", err)
		return false
	}
	published, err := d.o.Store.Publish(ctx, store.Broadcast{Topic: topic, Name: name, Value: value, Expires: store.DayOf(d.o.Now()) + publishedDays}, true)
	if err != nil {
		d.o.Log.Debug("a new key is not published yet", "error", err)
		return false
	}
	if published {
		d.o.Log.Info("published a new key for all nodes of the store", "key", keyring.Name(key.Number, key.Domain))
	}
	return published
}

// share takes in the keys that other nodes have published, and publishes those of this host that are to sign next.
func (d *Distributor) share(ctx context.Context) {
	broadcasts, err := d.o.Store.Broadcasts(ctx, topic, store.DayOf(d.o.Now()))
	if err != nil {
		d.o.Log.Debug("keys of other nodes are not known", "error", err)
		return
	}
	var known []publishedKey
	for _, b := range broadcasts {
		key, err := open(d.o.Hasher, b)
		if err != nil {
			d.logOnce(slog.LevelError, "broadcast "+b.Name, "a new key in the store cannot be read", "broadcast", b.Name, "error", err)
			continue
		}
		known = append(known, key)
		if d.receive(key) {
			continue
		}
		if err := d.o.Store.Withdraw(ctx, topic, b.Name); err != nil {
			d.o.Log.Debug("the broadcast of a retired key stays", "error", err)
		}
	}
	current := d.site()
	for _, key := range current.Keys.Keys {
		if key.Next && !key.Absent && !slices.ContainsFunc(known, func(p publishedKey) bool { return p.Number == key.Number && string(p.Secret) == string(key.Secret) }) {
			d.publish(ctx, current, key.Key, key.Created)
		}
	}
}

// receive takes in one key that was published, unless it is here already. It returns false if it was retired here: its broadcast must not
// be in the way of another rotation.
func (d *Distributor) receive(p publishedKey) bool {
	name := keyring.Name(p.Number, p.Domain)
	own, listed := d.site().Keys.Find(p.Number, p.Domain)
	switch {
	case listed && own.State == prvs.StateRetired && own.Created.Equal(p.Created):
		return false
	case listed && own.State != prvs.StateRetired && own.Absent:
		// It may be this one. Its file is not written over.
	case listed && own.State != prvs.StateRetired && string(own.Secret) != string(p.Secret):
		d.logOnce(slog.LevelError, "broadcast "+name, "key-differs: another node has published a new key whose number has another secret here; it is not taken in, and the rotation waits",
			"key", name, "remedy", "retire the key of that number on one of the hosts, and rotate again")
	case listed && own.State != prvs.StateRetired:
	default:
		d.adopt(prvs.Key{Number: p.Number, Domain: p.Domain, Secret: p.Secret}, p.Created)
	}
	return true
}
