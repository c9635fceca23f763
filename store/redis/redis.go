// Package redis is the [store.Store] that several nodes share: a Redis server, version 6.0 or later.
//
// [Open] takes a URL and does not wait for the server: a mail server has to start without it. One Record and one Lookup
// are one round trip each. Commands name one key each, use no scripts and depend on no server setting.
//
// What a Redis server has acknowledged it may lose: it was restarted, another one took over, somebody flushed it, or it
// evicts what is old. The package notices each of these and moves the start of the memory (see [store.Memory]) past the
// loss, so that no mail is refused for a record that is gone:
//
//   - The start of the memory lives beside the records, so whatever wipes them wipes it too.
//   - Each new connection compares the server process' identity (run_id of INFO) with the one noted there.
//   - A server that may evict (maxmemory with a policy other than noeviction), or does not let the user run INFO, is
//     not relied upon: records are used, their absence is not.
//
// INFO is asked for on each new connection, never for a message. A change of policy is noticed within [connLifetime];
// so is a process that swaps its data for those of another server and keeps its identity.
//
// A user of its own needs these rights: ~bouncefilter:* +@hash +expireat +ping +info +time.
//
// See layout.go for what is stored.
package redis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/internal/counterkey"
)

const (
	// startMargin is added to the time when the memory starts, so that nodes whose clocks differ by less agree that
	// nothing was lost after it.
	startMargin = time.Minute

	// connLifetime is how long a connection is used before the server is looked at anew.
	connLifetime = 10 * time.Minute

	// connectTimeout and ioTimeout bound what has no deadline of its own. On the mail path a store.Guard sets one.
	connectTimeout = 2 * time.Second
	ioTimeout      = 3 * time.Second

	// bufferSize is that of a connection for each direction, in octets. What is sent for a message is shorter.
	bufferSize = 8 << 10
)

// Store is a Redis server. Use [Open]; a Store may be used by many goroutines.
type Store struct {
	client  *redis.Client
	layout  layout
	now     func() time.Time
	horizon atomic.Int64 // the last period that is known to hold records
	vouched atomic.Bool  // the server keeps what it acknowledges, as far as can be seen
}

var _ store.Store = (*Store)(nil)

// Open returns a Store for the server that rawURL names. It does not connect: use Ping to find out whether the server
// answers. Errors never hold a password.
//
//	redis://user:password@host:6379/0       a password alone: redis://:password@host
//	rediss://host:6380/0?ca=/etc/ssl/ca.pem TLS; ca names the authorities to trust instead of the system's
//	unix:/run/redis/redis.sock?db=0         or unix://user:password@/run/redis/redis.sock
//
// All take ?prefix=, with which the names of all keys begin: "bouncefilter:" unless given.
func Open(_ context.Context, rawURL string) (*Store, error) {
	c, err := parseURL(rawURL)
	if err != nil {
		return nil, fmt.Errorf("redis store: %w", err)
	}
	// The library would print a line for each try to connect. All of them are errors of the call as well, which whoever
	// made it reports once. Its logger belongs to the whole process.
	logging.Disable()
	s := &Store{layout: layout{prefix: c.prefix}, now: time.Now}
	s.client = redis.NewClient(&redis.Options{
		Network:   c.network,
		Addr:      c.addr,
		Username:  c.user,
		Password:  c.password,
		DB:        c.db,
		TLSConfig: c.tls,
		OnConnect: s.connected,

		ContextTimeoutEnabled: true,
		DialTimeout:           connectTimeout,
		ReadTimeout:           ioTimeout,
		WriteTimeout:          ioTimeout,
		ConnMaxLifetime:       connLifetime,

		// A try that failed is the caller's to repeat: counting twice is not the same as counting once, and on the
		// mail path nobody waits.
		MaxRetries:    -1,
		DialerRetries: 1,

		Protocol:         2, // 3 brings nothing here but a look for pushed messages before each reply.
		ReadBufferSize:   bufferSize,
		WriteBufferSize:  bufferSize,
		PipelinePoolSize: -1, // Everything here is a pipeline: no second pool.

		DisableIdentity:          true, // Spares two commands for each connection.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	return s, nil
}

// Record implements [store.Store].
//
// The start of the memory goes first: should the server be wiped in the middle of the commands, what is left is a store
// without memory, never one that claims to remember what went before.
func (s *Store) Record(ctx context.Context, today store.Day, domain string, rs ...store.Record) error {
	if err := ctx.Err(); err != nil {
		return failed("record", err)
	}
	periods := make([]period, 0, 4)
	_, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		c.HSetNX(ctx, s.layout.memory(), fieldStart, formatTime(s.now().Add(startMargin)))
		for _, r := range rs {
			p := periodOf(r.Expires)
			if !slices.Contains(periods, p) {
				periods = append(periods, p)
				c.HSet(ctx, s.layout.memory(), p.field(), "")
			}
			bucket := s.layout.bucket(p, r.Key)
			c.HIncrBy(ctx, bucket, string(r.Key[:]), int64(r.Count))
			c.ExpireAt(ctx, bucket, p.end())
		}
		if domain != "" {
			c.HSetNX(ctx, s.layout.domains(), fieldFirst+domain, int32(today))
			c.HSet(ctx, s.layout.domains(), fieldLast+domain, int32(today))
		}
		return nil
	})
	if err != nil {
		return failed("record", err)
	}
	for _, p := range periods {
		s.reach(p)
	}
	return nil
}

// reach notes that there may be records in p.
func (s *Store) reach(p period) {
	for {
		h := s.horizon.Load()
		if int64(p) <= h || s.horizon.CompareAndSwap(h, int64(p)) {
			return
		}
	}
}

// Lookup implements [store.Store]. It is one round trip, but for the first one after another node has begun to record
// into a new period: then a second one follows.
func (s *Store) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	if err := ctx.Err(); err != nil {
		return store.Answer{}, failed("lookup", err)
	}
	a := store.Answer{Found: make([]bool, len(qs)), Counts: make([]uint32, len(qs))}
	from := periodOf(today)
	to := max(from, period(s.horizon.Load()))
	for {
		m, err := s.find(ctx, from, to, qs, &a)
		if err != nil {
			return store.Answer{}, failed("lookup", err)
		}
		a.Memory.Since = m.since
		s.reach(m.last)
		if m.last <= to || !slices.ContainsFunc(qs, func(q store.Query) bool { return q.Expires == 0 }) {
			break
		}
		from, to = to+1, m.last
	}
	// Asked last: a connection made for this lookup may just have found out.
	if !s.vouched.Load() {
		a.Memory = store.Memory{}
	}
	return a, nil
}

// find looks for the keys of qs, each in the period of its last day, or, if that is not known, in those from from to to,
// both included, and adds to the answer what it finds. It also reads the memory.
func (s *Store) find(ctx context.Context, from, to period, qs []store.Query, a *store.Answer) (memory, error) {
	var mem *redis.MapStringStringCmd
	type asked struct {
		query int
		reply *redis.StringCmd
	}
	all := make([]asked, 0, len(qs))
	_, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		mem = c.HGetAll(ctx, s.layout.memory())
		for i, q := range qs {
			first, last := from, to
			if q.Expires != 0 {
				first = periodOf(q.Expires)
				last = first
			}
			for p := first; p <= last; p++ {
				all = append(all, asked{i, c.HGet(ctx, s.layout.bucket(p, q.Key), string(q.Key[:]))})
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) { // a field that is not there
		return memory{}, err
	}
	for _, q := range all {
		count, err := q.reply.Uint64()
		switch {
		case errors.Is(err, redis.Nil):
			continue
		case err != nil:
			return memory{}, err
		}
		a.Found[q.query] = true
		a.Counts[q.query] = store.AddCounts(a.Counts[q.query], uint32(min(count, math.MaxUint32)))
	}
	return parseMemory(mem.Val())
}

// Forget implements [store.Store].
func (s *Store) Forget(ctx context.Context, at time.Time) error {
	if err := ctx.Err(); err != nil {
		return failed("forget", err)
	}
	var mem *redis.MapStringStringCmd
	_, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		c.HSet(ctx, s.layout.memory(), forgetField(at), "")
		mem = c.HGetAll(ctx, s.layout.memory())
		return nil
	})
	if err != nil {
		return failed("forget", err)
	}
	m, err := parseMemory(mem.Val())
	if err != nil {
		return failed("forget", err)
	}
	if len(m.outdated) > 0 {
		// Tidiness only: what is outdated does not count, and the next one to forget tries again.
		_ = s.client.HDel(ctx, s.layout.memory(), m.outdated...).Err()
	}
	return nil
}

// FirstSigned implements [store.Store]. It also removes the domains whose time is over.
func (s *Store) FirstSigned(ctx context.Context) (map[string]store.Day, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed("first-signed days", err)
	}
	fields, err := s.client.HGetAll(ctx, s.layout.domains()).Result()
	if err != nil {
		return nil, failed("first-signed days", err)
	}
	first, gone, err := parseDomains(fields, store.DayOf(s.now())-store.CounterRetention)
	if err != nil {
		return nil, failed("first-signed days", err)
	}
	if len(gone) > 0 {
		if err := s.client.HDel(ctx, s.layout.domains(), gone...).Err(); err != nil {
			return nil, failed("first-signed days", err)
		}
	}
	return first, nil
}

// Count implements [store.Store].
func (s *Store) Count(ctx context.Context, cs []store.Counter) error {
	if err := ctx.Err(); err != nil {
		return failed("count", err)
	}
	if len(cs) == 0 {
		return nil
	}
	_, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		expires := make(map[store.Day]struct{})
		for _, n := range cs {
			c.HIncrBy(ctx, s.layout.counters(n.Day), counterkey.Format(n), n.Count)
			expires[n.Day] = struct{}{}
		}
		for day := range expires {
			c.ExpireAt(ctx, s.layout.counters(day), (day + store.CounterRetention + 1).Time())
		}
		return nil
	})
	if err != nil {
		return failed("count", err)
	}
	return nil
}

// Counters implements [store.Store].
func (s *Store) Counters(ctx context.Context, from, to store.Day) ([]store.Counter, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed("counters", err)
	}
	// Nothing is older than the retention, and no node's clock is a day ahead.
	today := store.DayOf(s.now())
	from, to = max(from, today-store.CounterRetention), min(to, today+1)
	var days []*redis.MapStringStringCmd
	if from > to {
		return nil, nil
	}
	if _, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		for d := from; d <= to; d++ {
			days = append(days, c.HGetAll(ctx, s.layout.counters(d)))
		}
		return nil
	}); err != nil {
		return nil, failed("counters", err)
	}
	var cs []store.Counter
	for i, day := range days {
		var err error
		if cs, err = appendCounters(cs, from+store.Day(i), day.Val()); err != nil {
			return nil, failed("counters", err)
		}
	}
	return cs, nil
}

// Ping implements [store.Store].
func (s *Store) Ping(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return failed("ping", err)
	}
	if err := s.client.Ping(ctx).Err(); err != nil {
		return failed("ping", err)
	}
	return nil
}

// Close implements [store.Store].
func (s *Store) Close() error {
	if err := s.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return fmt.Errorf("redis store: close: %w", err)
	}
	return nil
}

// failed makes an error of a method. All of them may pass: even a wrong password is put right without a restart here.
func failed(op string, err error) error {
	return fmt.Errorf("redis store: %s: %w: %w", op, store.ErrUnavailable, err)
}
