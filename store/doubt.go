package store

import "errors"

// ErrCrowded is wrapped by the errors of [Broadcasts], [Nodes] and [Counters] when a store holds more entries, or more octets, than the
// daemons of a site write: an outsider may have filled it. The caller goes on with what it knew before.
var ErrCrowded = errors.New("the store holds more than the daemons of a site write")

// Doubts counts what a backend has read and did not believe, since the start of the process. What stays in the store is counted each
// time that it is read.
type Doubts struct {
	Broadcasts  uint64 // that were not written under this hash secret, or were changed, prolonged or moved
	Heartbeats  uint64 // likewise
	FirstSigned uint64 // first-signed days, likewise
	Starts      uint64 // starts of the record, and server processes noted beside it, likewise
	Counters    uint64 // counters that are none
	Crowded     uint64 // calls that failed with ErrCrowded
	Missing     uint64 // samples of what this process wrote that were not on record any more
}

// Doubter is a backend that others can write to without the hash secret, and that says what it did not believe.
type Doubter interface{ Doubts() Doubts }
