// Package bolt is the embedded [store.Store]: one file, no server, one process on one host.
//
// [Open] opens or creates the file. What a method has acknowledged is on disk, except heartbeats, which are kept in memory. Callers that
// write at the same time share one commit, so that many sessions cost about as many syncs as one. Lookups do not wait for writers.
//
// A damaged file (bad hardware, a full disk, a file that was truncated) does not keep a daemon from starting: Open moves it aside,
// passes a warning to [Warn], and creates a new one. The record in the new file is complete (see [store.Completeness]) only since its own
// first record, so that no bounce is refused for a record that was lost with the file. Damage that shows only later makes all methods
// fail with [store.ErrUnavailable]; the process goes on.
//
// The package cannot detect that an old copy of the file was put back (a backup, a snapshot of the machine): records are lost, and
// the record counts as complete. The operator removes the file instead.
//
// The file holds these buckets:
//
//	meta        "format" → version of this layout; "start" → when the first record was made, nanoseconds since 1970, 8 octets;
//	            "gaps" → times of which records may be missing: begin, or 0, and end of each, likewise
//	records     YYYY-MM-DD (last day) → bucket of 16-octet keys → count (base 128, encoding/binary's Uvarint; nothing
//	            for 0), dropped 30 days after that day
//	domains     domain → days of its first and of its last record, 4 octets each
//	counters    YYYY-MM-DD → bucket of names (see package counterkey) → count, 8 octets
//	hours       YYYY-MM-DDTHH → likewise
//	notes       node, octet 0, slot, 2 octets → day of the note, space, text
//	broadcasts  topic, octet 0, name of a broadcast → last day, space, value
//
// Numbers are in network byte order.
package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// Buckets and keys of the file.
var (
	bucketMeta       = []byte("meta")
	bucketRecords    = []byte("records")
	bucketDomains    = []byte("domains")
	bucketCounters   = []byte("counters")
	bucketHours      = []byte("hours")
	bucketNotes      = []byte("notes")
	bucketBroadcasts = []byte("broadcasts")
	keyFormat        = []byte("format")
	keyStart         = []byte("start")
	keyGaps          = []byte("gaps")
)

// format is the version of the layout. Open refuses a file with another one, which another version of bouncefilter wrote.
const format = "4"

// Store is a file. Use [Open]; a Store may be used by many goroutines.
type Store struct {
	path string
	now  func() time.Time

	leaveDamaged bool // see the option of that name

	nodes store.Nodes // in memory: no other process can have the file open
	db    *bbolt.DB

	complete atomic.Pointer[store.Completeness] // No other process writes the file.

	// Once bbolt has panicked, its locks may never be released.
	broken  atomic.Pointer[error] // the panic
	failing chan struct{}         // closed once broken is set

	writes  chan *write
	life    context.Context // ends with Close
	end     context.CancelFunc
	janitor sync.WaitGroup
	writer  sync.WaitGroup
}

var _ store.Store = (*Store)(nil)

// Option changes how Open works.
type Option func(*Store, *func(string))

// Warn gives Open a function that it calls with a warning for the operator when it has moved a damaged file aside.
func Warn(f func(message string)) Option { return func(_ *Store, warn *func(string)) { *warn = f } }

// LeaveDamaged lets Open fail on a damaged file instead of moving it aside: for commands that only read.
func LeaveDamaged() Option { return func(s *Store, _ *func(string)) { s.leaveDamaged = true } }

// Clock replaces the system's clock, which sets since when the record is complete and when expired records are removed.
func Clock(now func() time.Time) Option { return func(s *Store, _ *func(string)) { s.now = now } }

// Open opens the file at path. It creates a missing file with mode 0600, and a missing folder with mode 0700. Only one process can have
// the file open: Open waits a second for another one to close it, and returns [ErrInUse].
func Open(path string, opts ...Option) (*Store, error) {
	s := &Store{
		path:   filepath.Clean(path),
		now:    time.Now,
		writes: make(chan *write, maxCommit),
	}
	warn := func(string) {}
	for _, opt := range opts {
		opt(s, &warn)
	}
	if path == "" {
		return nil, errors.New("bolt store: no file named")
	}
	s.nodes = memory.NewWithClock(s.now)
	if err := s.open(warn); err != nil {
		return nil, err
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.writer.Go(s.commitAll)
	s.janitor.Go(s.expireHourly)
	return s, nil
}

// Record implements [store.Store]. All of rs is recorded or none.
func (s *Store) Record(ctx context.Context, today store.Day, domain string, rs ...store.Record) error {
	if len(domain) > maxDomain {
		return fmt.Errorf("bolt store: domain of %d octets", len(domain))
	}
	rs = slices.Clone(rs) // a change that is under way may outlive this call
	days := make([][]byte, len(rs))
	for i, r := range rs {
		var err error
		if days[i], err = nameOf(r.Expires); err != nil {
			return err
		}
	}
	return s.update(ctx, "record", func(tx *bbolt.Tx) error {
		if err := begin(tx, s.now()); err != nil {
			return err
		}
		records := tx.Bucket(bucketRecords)
		for i, r := range rs {
			b, err := records.CreateBucketIfNotExists(days[i])
			if err != nil {
				return err
			}
			if err := add(b, r); err != nil {
				return err
			}
		}
		return recordDomain(tx, today, domain)
	})
}

// add adds a record to the bucket of its day. It writes only what changes.
func add(b *bbolt.Bucket, r store.Record) error {
	before := b.Get(r.Key[:])
	if before != nil && r.Count == 0 {
		return nil
	}
	var count []byte
	if n := store.AddCounts(countOf(before), r.Count); n > 0 {
		count = binary.AppendUvarint(nil, uint64(n))
	}
	return b.Put(r.Key[:], count)
}

// countOf reads the value of a record.
func countOf(v []byte) uint32 {
	n, _ := binary.Uvarint(v) // 0 if there is none
	return uint32(min(n, math.MaxUint32))
}

// maxDomain is the length of the longest domain name, in octets (RFC 1035 section 2.3.4).
const maxDomain = 255

// nameOf returns the name of a day's bucket. Names sort like days, which is why they need four digits for the year.
func nameOf(d store.Day) ([]byte, error) {
	name := d.String()
	if len(name) != len(time.DateOnly) {
		return nil, fmt.Errorf("bolt store: day %d lies outside the years 0 to 9999", d)
	}
	return []byte(name), nil
}

// recordDomain sets the days of a domain's first and last record. It writes only what changes.
func recordDomain(tx *bbolt.Tx, today store.Day, domain string) error {
	if domain == "" {
		return nil
	}
	b := tx.Bucket(bucketDomains)
	first, last, known := parseDomain(b.Get([]byte(domain)))
	if known && last >= today {
		return nil
	}
	if !known {
		first = today
	}
	v := binary.BigEndian.AppendUint32(nil, uint32(first))
	return b.Put([]byte(domain), binary.BigEndian.AppendUint32(v, uint32(today)))
}

// parseDomain reads a value of the bucket domains.
func parseDomain(v []byte) (first, last store.Day, ok bool) {
	if len(v) != 8 {
		return 0, 0, false
	}
	return store.Day(binary.BigEndian.Uint32(v)), store.Day(binary.BigEndian.Uint32(v[4:])), true
}

// Lookup implements [store.Store].
func (s *Store) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	qs = slices.Clone(qs) // a search that is under way may outlive this call
	a := store.Answer{Found: make([]bool, len(qs)), Counts: make([]uint32, len(qs)), Complete: *s.complete.Load()}
	first, err := nameOf(today)
	if err != nil {
		return store.Answer{}, err
	}
	err = s.view(ctx, "lookup", func(tx *bbolt.Tx) error {
		records := tx.Bucket(bucketRecords)
		search := false
		for i, q := range qs {
			if q.Expires == 0 {
				search = true
				continue
			}
			if q.Expires < today {
				continue
			}
			day, err := nameOf(q.Expires)
			if err != nil {
				return err
			}
			if b := records.Bucket(day); b != nil {
				look(b, q, &a, i)
			}
		}
		if !search {
			return nil
		}
		days := records.Cursor()
		for day, _ := days.Seek(first); day != nil; day, _ = days.Next() {
			b := records.Bucket(day)
			if b == nil {
				return errNoBucket
			}
			for i, q := range qs {
				if q.Expires == 0 {
					look(b, q, &a, i)
				}
			}
		}
		return nil
	})
	if err != nil {
		return store.Answer{}, err
	}
	return a, nil
}

// look adds to the answer to a query what is in the bucket of one day.
func look(b *bbolt.Bucket, q store.Query, a *store.Answer, i int) {
	if v := b.Get(q.Key[:]); v != nil {
		a.Found[i] = true
		a.Counts[i] = store.AddCounts(a.Counts[i], countOf(v))
	}
}

// FirstSigned implements [store.Store].
func (s *Store) FirstSigned(ctx context.Context) (map[string]store.Day, error) {
	oldest := store.DayOf(s.now()) - store.CounterRetention
	first := make(map[string]store.Day)
	err := s.view(ctx, "first-signed days", func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketDomains).ForEach(func(domain, v []byte) error {
			if f, last, ok := parseDomain(v); ok && last >= oldest {
				first[string(domain)] = f
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return first, nil
}

// Ping implements [store.Store].
func (s *Store) Ping(ctx context.Context) error {
	return s.view(ctx, "ping", func(*bbolt.Tx) error { return nil })
}
