package page

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// node is a daemon that uses the store.
type node struct {
	Name     string
	This     bool
	Silent   bool
	Seen     time.Time
	Clock    string // in words, against the store's
	ClockOff bool
	Keys     []nodeKey
	MoreKeys int
}

// nodeKey is a key of a node, or one that it lacks.
type nodeKey struct {
	Name  string
	Does  string // "signs", "verifies", "signs next", "missing", "has another secret"
	Fault bool   // it is missing, or another than that of the other nodes
}

// slot is the place of a key.
type slot struct {
	Domain string
	Number uint8
}

// nodes returns the nodes in the order of their names, this one first, and how many there are beyond [maxNodes].
func nodes(all []store.Node, self string, at time.Time) (shown []node, more int) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b store.Node) int {
		if (a.Name == self) != (b.Name == self) {
			if a.Name == self {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Name, b.Name)
	})
	ids := map[slot]string{} // of the first node that has the key
	var slots []slot
	for _, n := range all {
		for _, k := range n.Keys {
			s := slot{k.Domain, k.Number}
			if _, known := ids[s]; !known {
				ids[s] = k.KeyID
				slots = append(slots, s)
			}
		}
	}
	slices.SortFunc(slots, func(a, b slot) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Number, b.Number))
	})
	for _, n := range first(all, maxNodes) {
		skew := n.Skew()
		v := node{Name: n.Name, This: n.Name == self, Seen: n.Seen, Silent: n.Silent(at),
			Clock: clockWords(skew), ClockOff: skew.Abs() > store.ClockTolerance, MoreKeys: max(0, len(slots)-maxNodeKeys)}
		keys := map[slot]store.NodeKey{}
		for _, k := range n.Keys {
			keys[slot{k.Domain, k.Number}] = k
		}
		for _, s := range first(slots, maxNodeKeys) {
			v.Keys = append(v.Keys, newNodeKey(s, keys, ids))
		}
		shown = append(shown, v)
	}
	return shown, len(all) - len(shown)
}

func newNodeKey(s slot, keys map[slot]store.NodeKey, ids map[slot]string) nodeKey {
	nk := nodeKey{Name: strconv.Itoa(int(s.Number))}
	if s.Domain != "" {
		nk.Name += " of " + s.Domain
	}
	k, has := keys[s]
	switch {
	case !has:
		nk.Does, nk.Fault = "missing", true
	case k.KeyID != ids[s]:
		nk.Does, nk.Fault = "has another secret", true
	case k.Signs:
		nk.Does = "signs"
	case k.Next:
		nk.Does = "signs next"
	default:
		nk.Does = "verifies"
	}
	return nk
}

// clockWords says how far a clock is off.
func clockWords(skew time.Duration) string {
	if skew.Abs() < 2*time.Second {
		return "right"
	}
	word := "ahead"
	if skew < 0 {
		word = "behind"
	}
	return fmt.Sprintf("%v %s", skew.Abs().Round(time.Second), word)
}
