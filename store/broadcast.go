package store

import "context"

// Broadcasts are small values that one node publishes for all nodes of a store: a revocation, a new key. There are few of them, and
// each node reads all broadcasts of a topic again and again. It is not for the mail path.
type Broadcasts interface {
	// Publish stores b in place of the broadcast with its topic and name, if there is one. With onlyNew it leaves that one as it
	// is and returns false: of several nodes that publish at the same time one succeeds. A broadcast that has expired is as good as none.
	Publish(ctx context.Context, b Broadcast, onlyNew bool) (published bool, err error)

	// Broadcasts returns the broadcasts of a topic that have not expired on the day today, in no order.
	Broadcasts(ctx context.Context, topic string, today Day) ([]Broadcast, error)

	// Withdraw removes a broadcast before it expires.
	Withdraw(ctx context.Context, topic, name string) error
}

// Broadcast is one value. A value that a reader of the store must not learn is sealed (see [Hasher.Seal]).
type Broadcast struct {
	Topic   string // without octet 0
	Name    string // unique within the topic, not empty
	Value   []byte
	Expires Day // the last day on which it is found
}
