package store

import "errors"

// ErrCrowded is wrapped by the errors of [Broadcasts], [Nodes] and [Counters] when a store holds more entries, or more octets, than the
// daemons of a site write: an outsider may have filled it. The caller goes on with what it knew before.
var ErrCrowded = errors.New("the store holds more than the daemons of a site write")

// Doubts counts what a backend has read and did not believe, since the start of the process. What stays in the store is counted each
// time that it is read.
type Doubts struct {
	Broadcasts  uint64 `json:"broadcasts"`   // that were not written under this hash secret, or were changed, prolonged or moved
	Heartbeats  uint64 `json:"heartbeats"`   // likewise
	FirstSigned uint64 `json:"first_signed"` // first-signed days, likewise
	Starts      uint64 `json:"starts"`       // starts of the record, and what is noted beside it, likewise
	Counters    uint64 `json:"counters"`     // counters that are none
	Crowded     uint64 `json:"crowded"`      // calls that failed with ErrCrowded
	Missing     uint64 `json:"missing"`      // samples of what this process wrote that were not on record any more
}

// Unbelieved is how many values were not believed.
func (d Doubts) Unbelieved() uint64 {
	return d.Broadcasts + d.Heartbeats + d.FirstSigned + d.Starts + d.Counters
}

// Doubter is a backend that others can write to without the hash secret, and that says what it did not believe.
type Doubter interface{ Doubts() Doubts }
