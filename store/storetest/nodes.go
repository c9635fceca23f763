package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

func testNodes(t *testing.T, newStore func(t *testing.T) store.Store) {
	s := newStore(t)
	heartbeat := func(n store.Node) {
		t.Helper()
		if err := s.Heartbeat(t.Context(), n); err != nil {
			t.Fatalf("Heartbeat: %v", err)
		}
	}
	nodes := func() []store.Node {
		t.Helper()
		ns, err := s.Nodes(t.Context())
		if err != nil {
			t.Fatalf("Nodes: %v", err)
		}
		slices.SortFunc(ns, func(a, b store.Node) int { return strings.Compare(a.Name, b.Name) })
		return ns
	}
	if ns := nodes(); len(ns) != 0 {
		t.Errorf("an empty store knows %v", ns)
	}
	keys := []store.NodeKey{{Number: 0, Signs: true, KeyID: "00ff"}, {Number: 3, Domain: "example.com", KeyID: "11ee"}}
	const ahead = 2 * time.Hour
	heartbeat(store.Node{Name: "mx1.example.com", At: time.Now()})
	heartbeat(store.Node{Name: "mx2.example.com", At: time.Now().Add(ahead), Keys: keys})
	heartbeat(store.Node{Name: "mx1.example.com", At: time.Now(), Keys: keys[:1]})

	heartbeat(store.Node{Name: "mx3.example.com", At: time.Now(), Condition: func() bool { return false }})

	ns := nodes()
	if len(ns) != 2 || ns[0].Name != "mx1.example.com" || ns[1].Name != "mx2.example.com" {
		t.Fatalf("got %+v", ns)
	}
	if !slices.Equal(ns[0].Keys, keys[:1]) || !slices.Equal(ns[1].Keys, keys) {
		t.Errorf("the last keys that were sent are not those found: %+v", ns)
	}
	for i, want := range []time.Duration{0, ahead} {
		if skew := ns[i].Skew(); skew < want-time.Minute || skew > want+time.Minute {
			t.Errorf("%s: skew %v, want about %v", ns[i].Name, skew, want)
		}
		if since := time.Since(ns[i].Seen); since < -time.Minute || since > time.Minute {
			t.Errorf("%s: seen %v ago", ns[i].Name, since)
		}
	}
	for _, name := range []string{"mx2.example.com", "mx2.example.com", "nobody.example.com"} {
		if err := s.RemoveNode(t.Context(), name); err != nil {
			t.Errorf("RemoveNode: %v", err)
		}
	}
	if ns := nodes(); len(ns) != 1 || ns[0].Name != "mx1.example.com" {
		t.Errorf("after one was removed: %+v", ns)
	}
}
