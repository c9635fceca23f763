package store

import "time"

// Node is what a daemon says about itself in the store that it shares with others, so that somebody notices when one of them
// lacks a key or has a clock that is off.
type Node struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`   // when it said so, by its own clock
	Seen time.Time `json:"seen"` // when it said so, by the store's clock; stores set it, whatever a caller writes
	Keys []NodeKey `json:"keys"`
	// Instance tells daemons apart that have the same name by mistake.
	Instance string `json:"instance,omitempty"`
	// Condition, if there is one, is asked by Heartbeat when it has taken Seen. If it says no, nothing is announced: what is true when
	// Heartbeat is called may not be when the store is reached.
	Condition func() bool `json:"-"`
}

// ConditionHolds says whether there is something to announce still.
func (n Node) ConditionHolds() bool { return n.Condition == nil || n.Condition() }

// NodeKey is one key of a node.
type NodeKey struct {
	Number uint8  `json:"number"`
	Domain string `json:"domain,omitempty"` // "" for a key of all domains
	Signs  bool   `json:"signs,omitempty"`  // tags are made with it; otherwise it only verifies
	Next   bool   `json:"next,omitempty"`   // it is to sign as soon as every node has it
	KeyID  string `json:"key_id"`           // of its secret, see [Hasher.KeyID]
}

// Skew returns how far the node's clock is ahead of the store's, negative if it is behind. It includes the time that the
// call took.
func (n Node) Skew() time.Duration { return n.At.Sub(n.Seen) }

// NodeRetention is for how long a store keeps what a node has said.
const NodeRetention = 7 * 24 * time.Hour

const (
	// HeartbeatInterval is how often a node that runs says so.
	HeartbeatInterval = 2 * time.Second
	// HeartbeatTimeout is how long a node that runs says nothing at the most: some announcements may fail, or be late.
	HeartbeatTimeout = 15 * time.Second
)
