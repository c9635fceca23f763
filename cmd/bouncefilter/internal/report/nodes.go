package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// clockTolerance is how far a clock may be off without a word; check has the same.
const clockTolerance = time.Minute

// ofNodes returns what speaks against refusing by what the running nodes say about their clocks and keys, by the domain of the key; under ""
// what concerns all domains.
func (in *Input) ofNodes() map[string][]Concern {
	cs := map[string][]Concern{}
	if in.Status == nil {
		return cs
	}
	const remedy = "Give every node the same keys; check compares them:"
	check := "bouncefilter check" + in.conf()
	var nodes []node
	for i := range in.Status.Nodes {
		n := &in.Status.Nodes[i]
		if in.Now.Sub(n.Seen) > store.HeartbeatTimeout {
			continue
		}
		nodes = append(nodes, newNode(n))
		if skew := n.Skew(); skew.Abs() > clockTolerance {
			cs[""] = append(cs[""], concern("clock-off", fmt.Sprintf("The clock of the node %s is %v off: days of tags are counted by it.", n.Name, skew.Abs().Round(time.Second)),
				"Let all hosts take the time from NTP; check compares them:", "").command(check).warns())
		}
	}
	for i, a := range nodes {
		for j, b := range nodes {
			for slot, k := range a.keys {
				o, has := b.keys[slot]
				switch {
				case !has && k.Signs:
					cs[slot.domain] = append(cs[slot.domain], concern("key-missing", fmt.Sprintf("The node %s lacks the key %s, with which %s signs.", b.name, slot, a.name),
						remedy, slot.domain).command(check).alarms())
				case has && i < j && o.KeyID != k.KeyID:
					cs[slot.domain] = append(cs[slot.domain], concern("key-differs", fmt.Sprintf("The nodes %s and %s have different secrets for the key %s, or different hash secrets.", a.name, b.name, slot),
						remedy, slot.domain).command(check).alarms())
				}
			}
		}
	}
	for _, of := range cs {
		slices.SortStableFunc(of, func(a, b Concern) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.What, b.What)) })
	}
	return cs
}

// node has the keys of a node by their place.
type node struct {
	name string
	keys map[slot]store.NodeKey
}

// slot is the place of a key.
type slot struct {
	domain string
	number uint8
}

func (s slot) String() string {
	if s.domain == "" {
		return strconv.Itoa(int(s.number))
	}
	return fmt.Sprintf("%d of %s", s.number, s.domain)
}

func newNode(n *store.Node) node {
	keys := make(map[slot]store.NodeKey, len(n.Keys))
	for _, k := range n.Keys {
		keys[slot{k.Domain, k.Number}] = k
	}
	return node{n.Name, keys}
}
