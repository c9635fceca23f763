package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keydist"
	"github.com/bouncefilter/bouncefilter/store"
)

// ofNodes returns what speaks against refusing by what the running nodes say about their clocks and keys, by the domain of the key; under ""
// what concerns all domains.
func (in *Input) ofNodes() map[string][]Concern {
	cs := map[string][]Concern{}
	if in.Status == nil {
		return cs
	}
	const remedy = "Give every node the same keys; check compares them:"
	check := "bouncefilter check" + in.conf()
	type node struct {
		name string
		keys map[string]store.NodeKey // by [keydist.Name]
	}
	var running []node
	for _, n := range in.Status.Nodes {
		if n.Silent(in.Now) {
			continue
		}
		keys := make(map[string]store.NodeKey, len(n.Keys))
		for _, k := range n.Keys {
			keys[keydist.Name(k)] = k
		}
		running = append(running, node{n.Name, keys})
		if skew := n.Skew(); skew.Abs() > store.ClockTolerance {
			cs[""] = append(cs[""], concern("clock-off", fmt.Sprintf("The clock of the node %s is %v off: days of tags are counted by it.", n.Name, skew.Abs().Round(time.Second)),
				"Let all hosts take the time from NTP; check compares them:", "").command(check).warns())
		}
	}
	for i, a := range running {
		for j, b := range running {
			for name, k := range a.keys {
				o, has := b.keys[name]
				switch {
				case !has && k.Signs:
					cs[k.Domain] = append(cs[k.Domain], concern("key-missing", fmt.Sprintf("The node %s lacks %s, with which %s signs.", b.name, name, a.name),
						remedy, k.Domain).command(check).alarms())
				case has && i < j && o.KeyID != k.KeyID:
					cs[k.Domain] = append(cs[k.Domain], concern("key-differs", fmt.Sprintf("The nodes %s and %s have different secrets for %s, or different hash secrets.", a.name, b.name, name),
						remedy, k.Domain).command(check).alarms())
				}
			}
		}
	}
	for _, of := range cs {
		slices.SortStableFunc(of, func(a, b Concern) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.What, b.What)) })
	}
	return cs
}
