package store

import (
	"context"
	"time"
)

// Nodes is the list of the daemons that use a store, by their heartbeats. It is not for the mail path. A backend that only one process can
// have open may keep it in memory.
type Nodes interface {
	// Heartbeat stores n in place of the last heartbeat of the node with this name, and sets n.Seen by the store's clock. It
	// stores nothing, and returns nil, if n.Condition returns false.
	Heartbeat(ctx context.Context, n Node) error

	// Nodes returns the last heartbeat of each node that has sent one within [NodeRetention], in no order.
	Nodes(ctx context.Context) ([]Node, error)

	// RemoveNode removes the heartbeat of a node that has stopped or will not come back.
	RemoveNode(ctx context.Context, node string) error
}

// Node is a heartbeat: what a daemon reports to the other daemons about itself, so that they and the operator learn when it is silent,
// lacks a key or has a clock that is wrong.
type Node struct {
	Name string    `json:"name"` // the node option of the configuration
	At   time.Time `json:"at"`   // when it was sent, by the node's clock
	Seen time.Time `json:"seen"` // when it was sent, by the store's clock; the store sets it
	Keys []NodeKey `json:"keys"`
	// Instance distinguishes daemons that were given the same name by mistake.
	Instance string `json:"instance,omitempty"`
	// Condition, if it is not nil, is called by Heartbeat after it has taken Seen. What is true when Heartbeat is called may be
	// false when the store is reached; if it returns false, nothing is stored.
	Condition func() bool `json:"-"`
}

// Unrecorded returns the gap that a node leaves which is not waited for any more: it may have signed mail since its last heartbeat that is
// not on record. Clocks may differ by [ClockTolerance]; if that of the store is ahead by more, the node's own tells when it was.
func (n Node) Unrecorded(now time.Time) Gap {
	last := n.Seen
	if !n.At.IsZero() && n.At.Before(last) {
		last = n.At
	}
	return Gap{From: last.Add(-HeartbeatInterval - ClockTolerance), Until: now.Add(ClockTolerance)}
}

// ConditionHolds says whether a backend is to store the heartbeat.
func (n Node) ConditionHolds() bool { return n.Condition == nil || n.Condition() }

// NodeKey is one key of a node.
type NodeKey struct {
	Number uint8  `json:"number"`
	Domain string `json:"domain,omitempty"` // "" for a key of all domains
	Signs  bool   `json:"signs,omitempty"`  // tags are made with it; otherwise it only verifies
	Next   bool   `json:"next,omitempty"`   // it will sign as soon as every node has it
	KeyID  string `json:"key_id"`           // distinguishes secrets without showing them, see [Hasher.KeyID]
}

// Skew returns how far the node's clock is ahead of the store's, negative if it is behind. It includes the duration of the
// call.
func (n Node) Skew() time.Duration { return n.At.Sub(n.Seen) }

// Silent says whether the node is silent at a time by the store's clock.
func (n Node) Silent(now time.Time) bool { return now.Sub(n.Seen) > HeartbeatTimeout }

// NodeRetention is how long a store keeps a heartbeat.
const NodeRetention = 7 * 24 * time.Hour

const (
	// HeartbeatInterval is how often a running node sends a heartbeat.
	HeartbeatInterval = 2 * time.Second
	// HeartbeatTimeout is how old the last heartbeat of a running node can be: some of them may fail, or be late. A node
	// whose last heartbeat is older is silent.
	HeartbeatTimeout = 15 * time.Second
	// ClockTolerance is how far clocks of nodes may differ: gaps of the record are so much longer at both ends.
	ClockTolerance = time.Minute
)
