package check

import (
	"fmt"
	"strings"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keydist"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// clockTolerance is how far clocks may differ without a finding: the time since which the record is complete allows for it.
const clockTolerance = time.Minute

// compareNodes compares the nodes of the store with this host.
func compareNodes(s *site.Site, nodes []store.Node, now time.Time) []mta.Finding {
	secret, problems := site.HashSecret(s.Config)
	if len(problems) > 0 {
		return nil // nothing was recorded yet
	}
	own := keydist.Keys(s.Keys, store.NewHasher(secret))
	return append(ageFindings(s, nodes, now), nodeFindings(s.Config.Node, own, nodes, now)...)
}

// ageFindings reports keys that are to be replaced because of their age, and that no daemon replaces.
func ageFindings(s *site.Site, nodes []store.Node, now time.Time) []mta.Finding {
	c := s.Config
	if c.KeyRotation == 0 || c.KeysInStore || len(nodes) < 2 {
		return nil
	}
	var fs []mta.Finding
	for _, key := range s.Keys.Keys {
		if _, under := s.Keys.Next(key.Domain); key.State == prvs.StateSign && !under && now.Sub(key.Created) >= c.KeyRotation {
			fs = append(fs, mta.Finding{Level: mta.LevelWarning, Name: "key-old", Where: keyring.Name(key.Number, key.Domain),
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
			if skew.Abs() > keydist.ClockFault {
				f.Level = mta.LevelError
			}
			fs = append(fs, f)
		}
		if silent := now.Sub(n.Seen); silent > store.HeartbeatTimeout {
			fs = append(fs, mta.Finding{Level: mta.LevelNote, Name: "node-silent", Where: where,
				What: "It is silent: it was last seen at " + n.Seen.UTC().Format(time.RFC3339) + "."})
			for _, k := range own {
				if k.Next && len(keydist.Lacking(k, []store.Node{n})) > 0 {
					fs = append(fs, mta.Finding{Level: mta.LevelWarning, Name: "rotation-waits", Where: where,
						What: "It does not have " + keydist.Name(k) + ", which signs as soon as every node has it: it may be cut off and still judge bounces.",
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
		o, known := keydist.Find(theirs, k)
		switch {
		case known && o.KeyID != k.KeyID:
			find(mta.LevelError, "key-differs", keydist.Name(k)+" has another secret there: neither can tell which bounces of the other's mail are genuine.", "give one of the keys another number, and both hosts both keys")
		case !known && k.Signs:
			find(mta.LevelError, "key-missing", "It lacks "+keydist.Name(k)+", with which this host signs: it cannot tell which bounces of this host's mail are genuine.", toIt)
		case !known && k.Next:
			find(mta.LevelWarning, "rotation-waits", "It does not have "+keydist.Name(k)+" yet, which signs as soon as every node has it.",
				"copy the keys of this host to it; with key_distribution = \"store\" it takes them within seconds, or says in its log why not")
		case !known:
			find(mta.LevelWarning, "key-missing", "It lacks "+keydist.Name(k)+", which this host only verifies with: it refuses bounces that this host accepts.", toIt)
		}
	}
	for _, k := range theirs {
		if _, known := keydist.Find(own, k); known {
			continue
		}
		level, what := mta.LevelWarning, "This host lacks "+keydist.Name(k)+", which that one verifies with."
		name := "key-missing"
		switch {
		case k.Signs:
			level, what = mta.LevelError, "This host lacks "+keydist.Name(k)+", with which that one signs: this host cannot tell which bounces of its mail are genuine."
		case k.Next:
			name, what = "rotation-waits", "This host lacks "+keydist.Name(k)+", which signs as soon as every node has it."
		}
		find(level, name, what, fromIt)
	}
	return fs
}

// differing names the keys that both have, if all of them are others: their marks depend on the hash secret as well.
func differing(own, theirs []store.NodeKey) []string {
	var names []string
	for _, k := range own {
		o, known := keydist.Find(theirs, k)
		if known && o.KeyID == k.KeyID {
			return nil
		}
		if known {
			names = append(names, keydist.Name(k))
		}
	}
	return names
}
