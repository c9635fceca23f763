package store

import (
	"context"
	"math"
	"time"
)

// Records is the record of signed mail: what each message left behind when it was signed, and what its bounces leave behind.
// The mail path uses it through package guard.
type Records interface {
	// Record stores rs, all that one message leaves behind, in one round trip.
	//
	// domain is the sender's domain in lower case. Its first record makes today its first-signed day; "" means no domain.
	//
	// The first Record in an empty store makes it complete (see [Completeness]) since the time of the call, or up to a minute later where
	// nodes with different clocks share the store.
	Record(ctx context.Context, today Day, domain string, rs ...Record) error

	// Lookup finds out, in one round trip, which keys have a record that has not expired on the day today. Without queries it
	// returns only the completeness of the whole store.
	Lookup(ctx context.Context, today Day, qs []Query) (Answer, error)

	// MarkIncomplete says that records made within g may be missing (see [Completeness]). The caller calls it when it has lost records. An
	// empty store is complete since the end of a gap without a beginning.
	MarkIncomplete(ctx context.Context, g Gap) error

	// FirstSigned returns the first-signed day of each domain. It leaves out domains without a record in the last
	// [CounterRetention] days. It may read much: it is not for the mail path.
	FirstSigned(ctx context.Context) (map[string]Day, error)
}

// KeySize is the length of a [Key] in octets. The first octet depends on the sender alone; the other 120 bits make an accidental
// collision among 10^12 records less likely than 10^-12.
const KeySize = 16

// Key is a keyed hash of what a record is about: a tag, a sender, a Message-ID. See [Hasher].
type Key [KeySize]byte

// Record is one fact about signed mail: a tag was issued, a message was sent, a sender wrote to a domain, mail was left
// unsigned on purpose. The key says which.
type Record struct {
	Key Key
	// Expires is the last day on which the record must be found. A store may find it longer.
	Expires Day
	// Count is added to the count under this key and last day: recipients of a message, bounces that a message has
	// proven. It is 0 for a record of which only the presence matters.
	Count uint32
}

// Query asks whether a key is recorded.
type Query struct {
	Key Key
	// Expires is the last day of the record, if the caller knows it, which spares the backend a search; otherwise 0.
	Expires Day
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
	Found []bool // one for each query, in their order
	// Counts has the count of each query, in their order; of a query without a last day the counts of all last days together.
	Counts   []uint32
	Complete Completeness
}

// Completeness says of which time the record in a store is complete. In every state, a record that is found was made; the states
// differ in what the absence of a record means.
//
//	state       Lookup answers      absence means           next state
//	empty       Since zero          nothing                 complete since now: the first Record
//	                                                        complete since the end of a gap: MarkIncomplete
//	complete    Since T, and gaps   no such record was      with one more gap: MarkIncomplete, or the backend saw that it may have
//	since T                         made after T, outside   lost records (restart, failover, evicted keys)
//	                                the gaps                complete since a later time: the same, for a gap without a beginning
//	                                                        empty: the store was wiped, or a damaged file was moved aside
//	                                                        untrusted: the backend saw that it cannot vouch for its records
//	untrusted   Since zero, Reason  nothing                 complete since a later time: the operator removed the reason
//
// A tag that verifies but has no record is suspicious only if the record is complete for all days on which the tag can have been
// issued. Whole days count, because all mail of a sender on one day has the same tag, and only its first message is sure
// to record it: a node that recorded the tag before the store was wiped does not record it again on that day. For the same reason
// a later Since and a longer gap are always safe, and stores and callers round up when they cannot know exactly.
type Completeness struct {
	// Since is when the record became complete: every Record that was acknowledged later, and not within one of the gaps, is found until it
	// expires. The zero time means that the absence of a record means nothing: the store is empty or untrusted.
	Since time.Time `json:"since"`
	// Gaps are the times of which records may be missing, in order. They do not overlap. The first may have no beginning; its end is not
	// after Since.
	Gaps []Gap `json:"gaps,omitempty"`
	// Reason says, for the operator, why Since is zero although there are records, and Remedy what to do about it.
	Reason string `json:"reason,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

// AddCounts returns the sum of two counts, which is at most the largest number: it does not wrap around.
func AddCounts(a, b uint32) uint32 {
	if sum := a + b; sum >= a {
		return sum
	}
	return math.MaxUint32
}
