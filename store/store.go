// Package store defines what bouncefilter keeps about the mail that it signed, and the contract of the backends that keep it.
//
// [Store] is the whole contract. [Records], [Counters], [Notes], [Nodes] and [Broadcasts] are its parts, one for each use: a function asks for
// the part that it needs. A [Hasher] turns addresses and Message-IDs into keys before they reach a backend.
//
// Package [github.com/bouncefilter/bouncefilter/store/open] turns the URL of the configuration into a Store, and package
// [github.com/bouncefilter/bouncefilter/store/guard] wraps a Store for the mail path. Package
// [github.com/bouncefilter/bouncefilter/store/storetest] is the suite that every backend passes.
//
// The package knows nothing of milters, tags and verdicts: a backend is given opaque keys and days. No method deletes or lists
// records. Records expire, and they are written only for mail that was signed here, so that an outsider cannot fill a store.
package store

import (
	"context"
	"errors"
)

// Store is the contract of a backend. Its parts say what is special about them; this holds for all methods:
//
//   - Concurrency: many goroutines may call all methods at the same time, except Close.
//   - Durability: when a method returns nil, its effect survives a restart of this process (not in package memory). Whether it survives
//     a crash of the host or a failover is written in the comment of the backend's package. A backend that may have lost
//     what it acknowledged says so in [Completeness].
//   - Absence: what is not there is never an error. To remove it is a success.
//   - Repetition: a method that returns an error has done all of its work, a part, or none. The caller may repeat it. To record
//     twice is to record once, except for counts, which add up.
//   - Errors: an error that may pass wraps [ErrUnavailable]: the store does not answer, or not in time, or the context
//     has ended. Any other error says that the arguments cannot be stored.
//   - Ownership: the caller that opened a store closes it, unless it has given it to guard.New, which takes it over.
type Store interface {
	Records
	Counters
	Notes
	Nodes
	Broadcasts

	// Ping returns nil if the store answers.
	Ping(ctx context.Context) error

	// Close releases the store. The caller waits for all other calls first, and makes none afterwards.
	Close() error
}

// ErrUnavailable is wrapped by errors that may pass: the store does not answer, or not in time.
var ErrUnavailable = errors.New("store unavailable")
