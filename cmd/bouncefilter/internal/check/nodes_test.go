package check

import (
	"slices"
	"strings"
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
		{"no node has sent a heartbeat", nil, nil},
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
		{"a silent node is not compared", []store.Node{silent}, []string{"note node-silent It is silent: it was last seen at 2026-11-23T11:00:00Z."}},
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

// A silent node is waited for as well: it may be cut off and still judge bounces.
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
