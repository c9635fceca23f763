// Package store keeps what bouncefilter remembers about the mail it signed.
//
// Package [github.com/bouncefilter/bouncefilter/store/open] turns one URL into a [Store]; [NewGuard] wraps it for use on
// the mail path. The package knows nothing of milters or tags: it is told opaque keys and days. Addresses never reach a
// backend in clear, a [Hasher] turns them into keys first.
//
// Everything expires by itself and is written only for mail that was signed here, so an outsider cannot fill a store.
package store

import (
	"context"
	"errors"
	"math"
	"time"
)

// Day is a day number: whole days since 1970-01-01 UTC.
type Day int32

// DayOf returns the day t falls on, in UTC.
func DayOf(t time.Time) Day {
	sec := t.Unix()
	d := sec / 86400
	if sec%86400 < 0 {
		d--
	}
	return Day(d)
}

// Time returns the first instant of the day, in UTC.
func (d Day) Time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// String returns the day as YYYY-MM-DD.
func (d Day) String() string { return d.Time().Format(time.DateOnly) }

// KeySize is the length of a [Key] in octets. 120 bits, for the first octet says no more than the sender does, make an accidental
// collision among 10^12 records less likely than 10^-12.
const KeySize = 16

// Key is a keyed hash of what a record is about: a tag, a sender, a Message-ID. See [Hasher].
type Key [KeySize]byte

// Record says that something happened to what the key stands for: a tag was issued, a message was sent, a sender wrote to
// a domain, mail was left unsigned on purpose.
type Record struct {
	Key     Key
	Expires Day // last day on which the record must still be found; it may be found longer
	// Count is added to what was counted under the key and this last day before: recipients of a message, bounces that
	// it proved. 0 for a record of which only the presence matters.
	Count uint32
}

// Completeness says how far back a store's record is complete.
//
// A tag that verifies but is not found is suspicious only if the day of Since is *before* the first day on which that
// tag can have been issued. Whole days matter, because all mail that a sender sends on one day carries one tag and only
// the first of it is sure to be recorded: a node that recorded the tag before the store was wiped does not record it
// again that day. Compared like this, a later Since is always safe; stores and callers round it up where in doubt.
type Completeness struct {
	// Since is when the record began: every Record acknowledged after it is found until it expires. The zero time
	// means that the store cannot vouch for anything, for instance because it was wiped or may evict records.
	Since time.Time
	// Reason says, for people, why Since is zero although there are records.
	Reason string
}

// Query asks whether a key is recorded.
type Query struct {
	Key     Key
	Expires Day // the Expires of its record, if the caller knows it, which spares a search; 0 if not
}

// AnyDay returns queries for keys whose last day is not known.
func AnyDay(keys ...Key) []Query {
	qs := make([]Query, len(keys))
	for i, k := range keys {
		qs[i].Key = k
	}
	return qs
}

// Answer is what a store knows about the queries of one Lookup.
type Answer struct {
	Found    []bool   // one for each query, in their order
	Counts   []uint32 // likewise: what was counted; where the last day is not known, on all of them together
	Complete Completeness
}

// Counter is one count of one day.
type Counter struct {
	Day    Day
	Node   string // which daemon counted
	Domain string // one of ours; empty where no domain applies
	Reason string // a reason's log word
	Count  int64
}

// Store is the interface of all backends. package storetest holds the suite each of them passes.
//
// All methods may be called from many goroutines. A method that returns nil has done its work; one that returns an
// error may have done all, part or none of it, and may be repeated: recording twice is recording once, but for what is
// counted. Errors that mean "not now" wrap [ErrUnavailable]. Absence is never an error.
type Store interface {
	// Record stores all that one message leaves behind, in one round trip. It returns once the records survive a restart
	// of this process. domain is the sender's domain in lower case: its first record sets its first-signed day to
	// today; "" sets none. Records of a store without memory start one: Completeness.Since becomes the time of the call, or up
	// to a minute later where nodes with different clocks share the store.
	Record(ctx context.Context, today Day, domain string, rs ...Record) error

	// Lookup finds out in one round trip which keys are recorded and not expired on the day today.
	Lookup(ctx context.Context, today Day, qs []Query) (Answer, error)

	// MarkIncomplete makes the record incomplete: Completeness.Since becomes until, unless it is later already. It is called when
	// records were lost.
	MarkIncomplete(ctx context.Context, until time.Time) error

	// FirstSigned returns for each domain the day of its first record. Domains that have recorded nothing for the
	// retention of the store are gone. It is not for the mail path.
	FirstSigned(ctx context.Context) (map[string]Day, error)

	// Count adds cs to the counters. An error may leave some of them counted. It is not for the mail path.
	Count(ctx context.Context, cs []Counter) error

	// Counters returns the counters of the days from to to, both included, in no order. Not for the mail path.
	Counters(ctx context.Context, from, to Day) ([]Counter, error)

	// Heartbeat notes what a node says about itself, in place of what it said before, unless n.Condition says no. It is not for the
	// mail path.
	Heartbeat(ctx context.Context, n Node) error

	// Nodes returns what nodes have said within [NodeRetention], in no order. Not for the mail path.
	Nodes(ctx context.Context) ([]Node, error)

	// RemoveNode removes what a node has said: it has stopped, or will not come back. It is not for the mail path.
	RemoveNode(ctx context.Context, node string) error

	// Publish stores a broadcast, in place of the one with its topic and name, if there is one. With onlyNew it leaves that one
	// alone instead and returns false: of several nodes that publish at the same time one succeeds. It is not for the mail path.
	Publish(ctx context.Context, n Broadcast, onlyNew bool) (published bool, err error)

	// Broadcasts returns the broadcasts of a topic that have not expired on the day today, in no order. Not for the mail path.
	Broadcasts(ctx context.Context, topic string, today Day) ([]Broadcast, error)

	// Withdraw removes a broadcast. It is not for the mail path.
	Withdraw(ctx context.Context, topic, name string) error

	// Ping finds out whether the store answers.
	Ping(ctx context.Context) error

	// Close releases the store. No other method may be called during or after it.
	Close() error
}

// AddCounts adds counts of records. They stop at the largest number rather than beginning anew.
func AddCounts(a, b uint32) uint32 {
	if sum := a + b; sum >= a {
		return sum
	}
	return math.MaxUint32
}

// CounterRetention is how many days a store keeps counters, and first-signed days after a domain's last record.
const CounterRetention = 400

// ErrUnavailable is wrapped by errors that may pass: the store does not answer, or not in time.
var ErrUnavailable = errors.New("store unavailable")
