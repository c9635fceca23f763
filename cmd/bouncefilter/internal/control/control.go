// Package control is the way from other commands to the running daemon: HTTP over a unix socket in the state directory, which its
// owner and root alone can use (mode 0600). The daemon has a [Server], commands have a [Client]. Commands that need what is in the
// store get it from [Open], which asks the daemon, or opens the store if no daemon runs on this host.
//
//	GET    /status                        a status.Status
//	GET    /keys                          the keys in effect, a list of Key
//	GET    /known                         what bounces are judged by and only the daemon knows, a Known
//	POST   /barrier                       waits until other nodes have written what they signed, answered by a barrierAnswer
//	POST   /lookup                        a lookup, answered by a lookupAnswer
//	GET    /nodes                         the nodes of the store, a list of store.Node
//	DELETE /nodes?name=N                  removes a node
//	GET    /counters?by=B&from=H&to=H     the counters of a day, or of its hours, a list of store.Counter
//	GET    /notes                         the notes of refusals, sealed, a list of store.Note
//	POST   /incomplete                    notes a store.Gap of the record
//	GET    /broadcasts?topic=T&today=D    the broadcasts of a topic, D being a store.Day
//	POST   /broadcasts[?new]              publishes a store.Broadcast, answered by whether it was
//	DELETE /broadcasts?topic=T&name=N     withdraws a broadcast
//	POST   /tests                         begins a test, answered by the mark of its mail; see [filter.Server.BeginTest]
//	DELETE /tests?mark=M                  ends it
//
// Bodies are JSON. Any other status than 200 comes with a line of text for people: 400 for a request that cannot be understood, 503 if
// the store does not answer, or too many tests are under way.
package control

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/view"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

// timeout bounds a request, on both sides.
const timeout = 2 * time.Second

// countersTimeout bounds a request for the counters of a day of very many domains, and how long any answer is written.
const countersTimeout = time.Minute

// BarrierTimeout bounds a request that waits at the barrier, which takes longer than others.
const BarrierTimeout = 9 * time.Second

const (
	// maxRequest bounds the body of a request, in octets: ten thousand queries of a lookup.
	maxRequest = 1 << 20
	// maxCounters bounds the counters of an answer, which is of a day or an hour: those of three nodes with 20,000 domains, of which each
	// signs, and has bounces accepted and refused.
	maxCounters = 400_000
	// maxAnswer bounds the body of an answer, in octets: some ten thousand broadcasts or domains. maxCountersAnswer bounds one with counters.
	maxAnswer         = 16 << 20
	maxCountersAnswer = 128 << 20
)

// Key is a key that the daemon has in effect.
type Key struct {
	Number  uint8     `json:"number"`
	Domain  string    `json:"domain"` // "" for all domains
	State   string    `json:"state"`
	Next    bool      `json:"next"` // it signs as soon as every node has it
	Created time.Time `json:"created"`
}

// Known is what bounces are judged by and only the daemon knows.
type Known struct {
	// Store is the URL of the daemon's store, without a password.
	Store string        `json:"store"`
	View  view.Snapshot `json:"view"`
	// Foreign are the keys that other nodes sign with, or may, and that are absent here.
	Foreign []Slot `json:"foreign"`
}

// Slot is a place for a key.
type Slot struct {
	Number uint8  `json:"number"`
	Domain string `json:"domain"` // "" for all domains
}

// keys returns the foreign keys.
func (k *Known) keys() []prvs.Key {
	keys := make([]prvs.Key, len(k.Foreign))
	for i, slot := range k.Foreign {
		keys[i] = prvs.Key{Number: slot.Number, Domain: slot.Domain, Absent: true}
	}
	return keys
}

// barrierAnswer is what [view.View.Barrier] returns.
type barrierAnswer struct {
	Passed bool `json:"passed"`
	Waited bool `json:"waited"`
}

// lookup is a [store.Store] lookup. Its keys are keyed hashes: a client without the hash secret has nothing to ask for.
type lookup struct {
	Today   store.Day     `json:"today"`
	Queries []lookupQuery `json:"queries"`
}

type lookupQuery struct {
	Key     string    `json:"key"` // hex
	Expires store.Day `json:"expires"`
}

// lookupAnswer is a [store.Answer].
type lookupAnswer struct {
	Found    []bool             `json:"found"`
	Counts   []uint32           `json:"counts"`
	Complete store.Completeness `json:"complete"`
}

func newLookup(today store.Day, qs []store.Query) lookup {
	l := lookup{Today: today, Queries: make([]lookupQuery, len(qs))}
	for i, q := range qs {
		l.Queries[i] = lookupQuery{hex.EncodeToString(q.Key[:]), q.Expires}
	}
	return l
}

func (l *lookup) queries() ([]store.Query, error) {
	qs := make([]store.Query, len(l.Queries))
	for i, q := range l.Queries {
		key, err := hex.DecodeString(q.Key)
		if err != nil || len(key) != store.KeySize {
			return nil, fmt.Errorf("query %d: the key is not %d octets in hex", i, store.KeySize)
		}
		qs[i] = store.Query{Key: store.Key(key), Expires: q.Expires}
	}
	return qs, nil
}
