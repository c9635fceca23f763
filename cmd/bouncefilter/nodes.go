package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

const (
	// clockTolerance is how far clocks may differ without anybody noticing: the store's memory allows for it.
	clockTolerance = time.Minute
	// clockFault is from when on days are counted wrongly often enough to matter.
	clockFault = time.Hour
)

// announce tells the store about this daemon now. It is not for the mail path: a failure shows elsewhere, and the next try
// follows. A daemon that has records which the store lacks stays silent, so that others know that mail of it may be missing there.
func (d *milterDaemon) announce(ctx context.Context) {
	if !d.guard.Available() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	s := d.current.Load()
	said := true
	still := func() bool {
		said = d.guard.Available()
		return said
	}
	n := store.Node{Name: s.config.Node, At: d.app.now(), Keys: nodeKeys(s.keys, d.hasher), Instance: d.instance, Condition: still}
	if err := d.guard.Store().Heartbeat(ctx, n); err != nil {
		d.log.Debug("the store does not know that this node runs", "error", err)
		return
	}
	if said {
		d.announced.Store(true)
	}
}

// dismiss tells the store that this daemon has stopped: nobody waits for it. One that still has records which the store lacks
// remains silent instead, until it is started again and writes them.
func (d *milterDaemon) dismiss() {
	if !d.announced.Load() {
		return // another daemon may have the name
	}
	if j := d.guard.Journal(); j.Entries > 0 || d.guard.Gap() {
		d.log.Warn("stopped before the store had all records: other nodes defer bounces that may need them until this one is back", "entries", j.Entries)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	node := d.current.Load().config.Node
	if err := d.guard.Store().RemoveNode(ctx, node); err != nil {
		d.log.Warn("the store does not know that this node has stopped; a key rotation waits for it", "node", node,
			"remedy", "start it again; or, if it is gone for good: bouncefilter node remove "+node, "error", err)
	}
}

// nodeKeys returns what a node says about its keys.
func nodeKeys(k *keyring.Keyring, h *store.Hasher) []store.NodeKey {
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

// compareNodes compares the nodes of the store with this host.
func (s *site) compareNodes(nodes []store.Node, now time.Time) []mta.Finding {
	secret, problems := readHashSecret(s.config)
	if len(problems) > 0 {
		return nil // nothing was recorded yet
	}
	own := nodeKeys(s.keys, store.NewHasher(secret))
	return append(s.ageFindings(nodes, now), nodeFindings(s.config.Node, own, nodes, now)...)
}

// ageFindings reports keys that are to be replaced because of their age, and that no daemon replaces.
func (s *site) ageFindings(nodes []store.Node, now time.Time) []mta.Finding {
	c := s.config
	if c.KeyRotation == 0 || c.KeysInStore || len(nodes) < 2 {
		return nil
	}
	var fs []mta.Finding
	for _, key := range s.keys.Keys {
		if _, under := s.keys.Next(key.Domain); key.State == prvs.StateSign && !under && now.Sub(key.Created) >= c.KeyRotation {
			fs = append(fs, mta.Finding{Level: mta.LevelWarning, Name: "key-old", Where: keyName(key.Number, key.Domain),
				What: "It has signed for longer than key_rotation. With several nodes and key_distribution = \"files\" no daemon replaces it by itself.",
				Cure: []string{"bouncefilter key rotate, and copy the keys; or key_distribution = \"store\""}})
		}
	}
	return fs
}

// nodeFindings compares what the nodes of a store say about themselves with this host, whose node is called self and whose
// files hold the keys own.
func nodeFindings(self string, own []store.NodeKey, nodes []store.Node, now time.Time) []mta.Finding {
	var fs []mta.Finding
	for _, n := range nodes {
		where := "node " + n.Name
		if skew := n.Skew(); skew.Abs() > clockTolerance {
			f := mta.Finding{Level: mta.LevelWarning, Name: "clock-off", Where: where,
				What: fmt.Sprintf("Its clock is %v %s the store's. Days of tags are counted by it.", skew.Abs().Round(time.Second), aheadOrBehind(skew)),
				Cure: []string{"let both hosts take the time from NTP"}}
			if skew.Abs() > clockFault {
				f.Level = mta.LevelError
			}
			fs = append(fs, f)
		}
		if silent := now.Sub(n.Seen); silent > store.HeartbeatTimeout {
			fs = append(fs, mta.Finding{Level: mta.LevelNote, Name: "node-silent", Where: where,
				What: "It was last seen at " + n.Seen.UTC().Format(time.RFC3339) + "."})
			for _, k := range own {
				if k.Next && len(lackingNodes(k, []store.Node{n})) > 0 {
					fs = append(fs, mta.Finding{Level: mta.LevelWarning, Name: "rotation-waits", Where: where,
						What: "It does not have " + nodeKeyName(k) + ", which signs as soon as every node has it: it may be cut off and still judge bounces.",
						Cure: []string{"start it, and give it the key", "or, if it is gone for good: bouncefilter node remove " + n.Name}})
				}
			}
			continue
		}
		fs = append(fs, keyFindings(where, n.Name == self, own, n.Keys)...)
	}
	return fs
}

func aheadOrBehind(skew time.Duration) string {
	if skew < 0 {
		return "behind"
	}
	return "ahead of"
}

// keyFindings compares the keys of this host's files with those of a running node, which may be this host's own.
func keyFindings(where string, self bool, own, theirs []store.NodeKey) []mta.Finding {
	var fs []mta.Finding
	find := func(level mta.Level, name, what, cure string) {
		if self {
			what, cure = "It runs with other keys than the files have: "+what, "systemctl reload bouncefilter"
		}
		fs = append(fs, mta.Finding{Level: level, Name: name, Where: where, What: what, Cure: []string{cure}})
	}
	if names := differing(own, theirs); len(names) > 1 {
		what, cure := "All keys that both have ("+strings.Join(names, ", ")+") differ, or the hash secret does: neither finds the other's mail on the record.",
			"compare the hash secret of both hosts, then the keys; copy them as in deploy/two-hosts.md, and restart the host whose hash secret has changed"
		if self {
			what, cure = "It runs with another hash secret or other keys than the files have.", "systemctl restart bouncefilter"
		}
		return append(fs, mta.Finding{Level: mta.LevelError, Name: "key-differs", Where: where, What: what, Cure: []string{cure}})
	}
	const toIt, fromIt = "copy the keys of this host to it, and reload it", "copy its keys to this host, and reload this one"
	for _, k := range own {
		o, known := findKey(theirs, k)
		switch {
		case known && o.KeyID != k.KeyID:
			find(mta.LevelError, "key-differs", nodeKeyName(k)+" has another secret there: neither can tell which bounces of the other's mail are genuine.", "give one of the keys another number, and both hosts both keys")
		case !known && k.Signs:
			find(mta.LevelError, "key-missing", "It lacks "+nodeKeyName(k)+", with which this host signs: it cannot tell which bounces of this host's mail are genuine.", toIt)
		case !known && k.Next:
			find(mta.LevelWarning, "rotation-waits", "It does not have "+nodeKeyName(k)+" yet, which signs as soon as every node has it.",
				"copy the keys of this host to it; with key_distribution = \"store\" it takes them within seconds, or says in its log why not")
		case !known:
			find(mta.LevelWarning, "key-missing", "It lacks "+nodeKeyName(k)+", which this host only verifies with: it refuses bounces that this host accepts.", toIt)
		}
	}
	for _, k := range theirs {
		if _, known := findKey(own, k); known {
			continue
		}
		level, what := mta.LevelWarning, "This host lacks "+nodeKeyName(k)+", which that one verifies with."
		name := "key-missing"
		switch {
		case k.Signs:
			level, what = mta.LevelError, "This host lacks "+nodeKeyName(k)+", with which that one signs: nobody here can tell which bounces of its mail are genuine."
		case k.Next:
			name, what = "rotation-waits", "This host lacks "+nodeKeyName(k)+", which signs as soon as every node has it."
		}
		find(level, name, what, fromIt)
	}
	return fs
}

// differing names the keys that both have, if all of them are others: their marks depend on the hash secret as well.
func differing(own, theirs []store.NodeKey) []string {
	var names []string
	for _, k := range own {
		o, known := findKey(theirs, k)
		if known && o.KeyID == k.KeyID {
			return nil
		}
		if known {
			names = append(names, nodeKeyName(k))
		}
	}
	return names
}

func findKey(keys []store.NodeKey, k store.NodeKey) (store.NodeKey, bool) {
	for _, o := range keys {
		if o.Number == k.Number && strings.EqualFold(o.Domain, k.Domain) {
			return o, true
		}
	}
	return store.NodeKey{}, false
}

func nodeKeyName(k store.NodeKey) string { return keyName(k.Number, k.Domain) }

// keyName is what a key is called in logs and findings.
func keyName(number uint8, domain string) string {
	return fmt.Sprintf("key %d%s", number, ofDomain(domain))
}

func ofDomain(domain string) string {
	if domain == "" {
		return ""
	}
	return " of " + domain
}
