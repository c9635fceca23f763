package main

import (
	"context"
	"fmt"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

const (
	// announceInterval is how often a daemon says in the store that it runs, and with which keys.
	announceInterval = time.Minute
	// nodeSilence is how long a node that runs says nothing at the most: some announcements may fail.
	nodeSilence = 5 * announceInterval

	// clockTolerance is how far clocks may differ without anybody noticing: the store's memory allows for it.
	clockTolerance = time.Minute
	// clockFault is from when on days are counted wrongly often enough to matter.
	clockFault = time.Hour
)

// announceRegularly tells the store about this daemon until ctx is done. It is not for the mail path: a failure shows
// elsewhere, and the next try follows.
func (d *milterDaemon) announceRegularly(ctx context.Context) {
	tick := time.NewTicker(announceInterval)
	defer tick.Stop()
	for {
		d.announce(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// announce tells the store about this daemon now.
func (d *milterDaemon) announce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	s := d.current.Load()
	n := store.Node{Name: s.config.Node, At: d.app.now(), Keys: nodeKeys(s.keys, d.hasher)}
	if err := d.guard.Store().Announce(ctx, n); err != nil {
		d.log.Debug("the store does not know that this node runs", "error", err)
	}
}

// nodeKeys returns what a node says about its keys.
func nodeKeys(k *keyring.Keyring, h *store.Hasher) []store.NodeKey {
	var keys []store.NodeKey
	for _, key := range k.Keys {
		if key.State == prvs.StateRetired {
			continue
		}
		keys = append(keys, store.NodeKey{
			Number: key.Number, Domain: key.Domain, Signs: key.State == prvs.StateSign, Mark: h.Mark(keyring.Fingerprint(key.Secret)),
		})
	}
	return keys
}

// compareNodes compares the nodes of the store with this host.
func (s *site) compareNodes(nodes []store.Node, now time.Time) []mta.Finding {
	secret, problems := readHashSecret(s.config)
	if len(problems) > 0 {
		return nil // nothing was recorded yet
	}
	return nodeFindings(s.config.Node, nodeKeys(s.keys, store.NewHasher(secret)), nodes, now)
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
		if silent := now.Sub(n.Seen); silent > nodeSilence {
			fs = append(fs, mta.Finding{Level: mta.LevelNote, Name: "node-silent", Where: where,
				What: "It was last seen at " + n.Seen.UTC().Format(time.RFC3339) + "."})
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
	const toIt, fromIt = "copy the keys of this host to it, and reload it", "copy its keys to this host, and reload this one"
	for _, k := range own {
		o, known := findKey(theirs, k)
		switch {
		case known && o.Mark != k.Mark:
			find(mta.LevelError, "key-differs", nodeKeyName(k)+" has another secret there: each refuses the bounces of the other's mail.", "give one of the keys another number, and both hosts both keys")
		case !known && k.Signs:
			find(mta.LevelError, "key-missing", "It lacks "+nodeKeyName(k)+", with which this host signs: it refuses bounces of this host's mail.", toIt)
		case !known:
			find(mta.LevelWarning, "key-missing", "It lacks "+nodeKeyName(k)+", which this host only verifies with: it refuses bounces that this host accepts.", toIt)
		}
	}
	for _, k := range theirs {
		if _, known := findKey(own, k); known {
			continue
		}
		level, what := mta.LevelWarning, "This host lacks "+nodeKeyName(k)+", which that one verifies with."
		if k.Signs {
			level, what = mta.LevelError, "This host lacks "+nodeKeyName(k)+", with which that one signs: bounces of its mail are refused here."
		}
		find(level, "key-missing", what, fromIt)
	}
	return fs
}

func findKey(keys []store.NodeKey, k store.NodeKey) (store.NodeKey, bool) {
	for _, o := range keys {
		if o.Number == k.Number && o.Domain == k.Domain {
			return o, true
		}
	}
	return store.NodeKey{}, false
}

func nodeKeyName(k store.NodeKey) string {
	if k.Domain == "" {
		return fmt.Sprintf("key %d", k.Number)
	}
	return fmt.Sprintf("key %d of %s", k.Number, k.Domain)
}
