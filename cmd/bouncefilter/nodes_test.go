package main

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/mta"
	"github.com/bouncefilter/bouncefilter/store"
)

func TestNodeFindings(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	signs := store.NodeKey{Number: 1, Signs: true, KeyID: "aa"}
	verifies := store.NodeKey{Number: 0, KeyID: "bb"}
	ofDomain := store.NodeKey{Number: 1, Domain: "example.com", Signs: true, KeyID: "cc"}
	own := []store.NodeKey{verifies, signs}
	node := func(name string, ahead time.Duration, keys ...store.NodeKey) store.Node {
		return store.Node{Name: name, At: now.Add(ahead), Seen: now, Keys: keys}
	}
	silent := node("mx2", 0)
	silent.Seen, silent.At = now.Add(-time.Hour), now.Add(-time.Hour)
	changed := signs
	changed.KeyID = "dd"
	otherwise := verifies
	otherwise.KeyID = "ee"
	notSigning := signs
	notSigning.Signs = false

	for _, tt := range []struct {
		name  string
		nodes []store.Node
		want  []string // level, name and the beginning of what is said
	}{
		{"nobody has said anything", nil, nil},
		{"all alike", []store.Node{node("mx1", 0, own...), node("mx2", time.Second, own...)}, nil},
		{"one signs with what the other verifies with", []store.Node{node("mx2", 0, verifies, notSigning)}, nil},
		{"the other lacks the signing key", []store.Node{node("mx2", 0, verifies)}, []string{"error key-missing It lacks key 1, with which this host signs"}},
		{"the other lacks a key that verifies", []store.Node{node("mx2", 0, signs)}, []string{"warning key-missing It lacks key 0, which this host only"}},
		{"this host lacks a signing key", []store.Node{node("mx2", 0, verifies, signs, ofDomain)}, []string{"error key-missing This host lacks key 1 of example.com, with which"}},
		{"this host lacks a key that verifies", []store.Node{node("mx2", 0, verifies, signs, store.NodeKey{Number: 7, KeyID: "ee"})}, []string{"warning key-missing This host lacks key 7"}},
		{"another hash secret", []store.Node{node("mx2", 0, otherwise, changed)},
			[]string{"error key-differs All keys that both have (key 0, key 1) differ, or the hash secret does"}},
		{"its own, another hash secret", []store.Node{node("mx1", 0, otherwise, changed)},
			[]string{"error key-differs It runs with another hash secret or other keys than the files have."}},
		{"one number, two secrets", []store.Node{node("mx2", 0, verifies, changed)}, []string{"error key-differs key 1 has another secret there"}},
		{"the daemon of this host was not reloaded", []store.Node{node("mx1", 0, verifies)}, []string{"error key-missing It runs with other keys than the files have: It lacks key 1"}},
		{"a clock that is off", []store.Node{node("mx2", -2*time.Minute, own...)}, []string{"warning clock-off Its clock is 2m0s behind the store's."}},
		{"a clock that is a day off", []store.Node{node("mx2", 24*time.Hour, own...)}, []string{"error clock-off Its clock is 24h0m0s ahead of the store's."}},
		{"a node that says nothing any more is not compared", []store.Node{silent}, []string{"note node-silent It was last seen at 2026-11-23T11:00:00Z."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, f := range nodeFindings("mx1", own, tt.nodes, now) {
				got = append(got, string(f.Level)+" "+f.Name+" "+f.What)
				if !strings.HasPrefix(f.Where, "node mx") || f.Level != mta.LevelNote && len(f.Cure) == 0 {
					t.Errorf("%+v", f)
				}
			}
			if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// A node that says nothing is waited for as well: it may be cut off and still judge bounces.
func TestNodesThatARotationWaitsFor(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	signs := store.NodeKey{Number: 0, Signs: true, KeyID: "aa"}
	next := store.NodeKey{Number: 1, Next: true, KeyID: "bb"}
	other := store.NodeKey{Number: 1, Next: true, KeyID: "cc"}
	for _, tt := range []struct {
		name   string
		own    []store.NodeKey
		theirs []store.NodeKey
		silent time.Duration
		want   []string
	}{
		{"both have it", []store.NodeKey{signs, next}, []store.NodeKey{signs, next}, 0, nil},
		{"the other does not", []store.NodeKey{signs, next}, []store.NodeKey{signs}, 0, []string{"warning rotation-waits It does not have key 1 yet"}},
		{"this one does not", []store.NodeKey{signs}, []store.NodeKey{signs, next}, 0, []string{"warning rotation-waits This host lacks key 1"}},
		{"the other was silent for less than it may be", []store.NodeKey{signs, next}, []store.NodeKey{signs, next}, store.HeartbeatTimeout, nil},
		{"the other is silent and has it", []store.NodeKey{signs, next}, []store.NodeKey{signs, next}, store.HeartbeatTimeout + 1, []string{"note node-silent"}},
		{"the other is silent and does not", []store.NodeKey{signs, next}, []store.NodeKey{signs}, store.HeartbeatTimeout + 1,
			[]string{"note node-silent", "warning rotation-waits It does not have key 1, which signs as soon as every node has it: it may be cut off"}},
		{"the other is silent and has another one", []store.NodeKey{signs, next}, []store.NodeKey{signs, other}, store.HeartbeatTimeout + 1,
			[]string{"note node-silent", "warning rotation-waits It does not have key 1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seen := now.Add(-tt.silent)
			var got []string
			for _, f := range nodeFindings("mx1", tt.own, []store.Node{{Name: "mx2", At: seen, Seen: seen, Keys: tt.theirs}}, now) {
				got = append(got, string(f.Level)+" "+f.Name+" "+f.What)
			}
			if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestADaemonSaysWhichKeysItHas(t *testing.T) {
	w := newWorld(t)
	c := w.config("node = \"mx1.example.com\"\n")
	d := w.start("-c", c)
	nodes := func() []store.Node {
		t.Helper()
		_, body := d.get("/status")
		var s status
		if err := json.Unmarshal([]byte(body), &s); err != nil {
			t.Fatal(err)
		}
		return s.Nodes
	}
	d.eventually("the node is in the store", func() bool { return len(nodes()) == 1 })
	n := nodes()[0]
	if n.Name != "mx1.example.com" || n.Skew() != 0 || len(n.Keys) != 1 || !n.Keys[0].Signs || len(n.Keys[0].KeyID) != 16 {
		t.Errorf("got %+v", n)
	}
	if r := w.run("key", "add", "-c", c); r.status != 0 {
		t.Fatal(r)
	}
	d.reload()
	d.eventually("the new key is known", func() bool { return len(nodes()[0].Keys) == 2 })
}

func TestTwoDaemonsWithOneNameTellSo(t *testing.T) {
	const message = `level=ERROR msg="another daemon uses the store under this one's name" node=mx1`
	c := newCluster(t, 2, "")
	c.rounds(4)
	for i, h := range c.hosts {
		if strings.Contains(h.stderr.String(), "under this one's name") {
			t.Errorf("mx%d: a name of its own is called somebody else's:\n%s", i+1, h.stderr.String())
		}
	}
	twin := c.join("")
	if err := os.WriteFile(twin.config, []byte(strings.Replace(mustRead(t, twin.config), `"mx3"`, `"mx1"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	twin.stop()
	twin.states = nil
	twin.daemon = twin.start("-c", twin.config)
	c.rounds(4)
	for _, h := range []*host{c.hosts[0], twin} {
		contains(t, "log", h.stderr.String(), message)
	}
	if strings.Contains(c.hosts[1].stderr.String(), "under this one's name") {
		t.Errorf("mx2 has no twin:\n%s", c.hosts[1].stderr.String())
	}
}

// failing is a store that takes no records while it answers otherwise, like a cluster one of whose masters is away.
type failing struct {
	store.Store
	now atomic.Bool
}

func (s *failing) Record(ctx context.Context, today store.Day, domain string, rs ...store.Record) error {
	if s.now.Load() {
		return store.ErrUnavailable
	}
	return s.Store.Record(ctx, today, domain, rs...)
}

// A daemon stops with records that the store has not taken. The others learn from its silence that mail of it may be missing.
func TestADaemonThatStopsWithRecordsInItsJournalIsNotForgotten(t *testing.T) {
	c := newCluster(t, 2, "")
	st := &failing{Store: c.store}
	h := c.hosts[1]
	h.stop()
	h.states, h.store = nil, st
	h.daemon = h.start("-c", h.config)
	c.rounds(1)
	st.now.Store(true)
	if reply := send(t, h.daemon, "user@example.com"); reply != "" {
		t.Fatal(reply)
	}
	h.stop()
	contains(t, "log", h.stderr.String(), "stopped before the store had all records")
	if got := h.keys(c); got == "" {
		t.Error("it has left without a trace")
	}
	st.now.Store(false)
	h.states = nil
	h.daemon = h.start("-c", h.config)
	h.stop()
	if got := h.keys(c); got != "" {
		t.Errorf("it has written its records, and is waited for all the same: %q", got)
	}
}
