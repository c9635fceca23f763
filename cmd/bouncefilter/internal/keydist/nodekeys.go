package keydist

import (
	"slices"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// Keys returns what a node's heartbeat says about its keys: those in use, without their secrets.
func Keys(k *keyring.Keyring, h *store.Hasher) []store.NodeKey {
	var keys []store.NodeKey
	for _, key := range k.Keys {
		if key.State != prvs.StateRetired && !key.Absent {
			keys = append(keys, nodeKey(key, h))
		}
	}
	return keys
}

func nodeKey(key keyring.Key, h *store.Hasher) store.NodeKey {
	return store.NodeKey{
		Number: key.Number, Domain: key.Domain, Signs: key.State == prvs.StateSign, Next: key.Next, KeyID: h.KeyID(keyring.Fingerprint(key.Secret)),
	}
}

// Name is what a key of a node is called in logs and findings.
func Name(k store.NodeKey) string { return keyring.Name(k.Number, k.Domain) }

// Find returns the key among keys that has number and domain of k. Its secret may be another one.
func Find(keys []store.NodeKey, k store.NodeKey) (store.NodeKey, bool) {
	for _, o := range keys {
		if o.Number == k.Number && keyring.SameDomain(o.Domain, k.Domain) {
			return o, true
		}
	}
	return store.NodeKey{}, false
}

// Lacking names the nodes that do not have a key, or have another one in its place.
func Lacking(key store.NodeKey, nodes []store.Node) []string {
	var names []string
	for _, n := range nodes {
		if o, known := Find(n.Keys, key); !known || o.KeyID != key.KeyID {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}

// signedBy says whether a node signs with a key.
func signedBy(key store.NodeKey, nodes []store.Node) bool {
	return slices.ContainsFunc(nodes, func(n store.Node) bool {
		o, known := Find(n.Keys, key)
		return known && o.Signs && o.KeyID == key.KeyID
	})
}
