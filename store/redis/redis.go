// Package redis is the [store.Store] that several nodes share: a Redis server, version 6.0 or later, a master that Sentinels
// watch over, or a Cluster.
//
// [Open] takes a URL and does not wait for the server: a mail server has to start without it. One Record and one Lookup
// are one round trip each, in a cluster to one server. Commands name one key each, use no scripts and depend on no server setting.
//
// What a Redis server has acknowledged it may lose: it was restarted, a replica took its place, somebody flushed it, or it
// evicts what is old. The package notices each of these and moves the start of the memory (see [store.Completeness]) past the
// loss, so that no mail is refused for a record that is gone:
//
//   - The start of the memory lives beside the records, so whatever wipes them wipes it too.
//   - The identity of the server process (run_id of INFO, asked for on each new connection) that answers a lookup is compared with
//     the one noted there, and with the one that answered this process before. See examine.go.
//   - A server that may evict (maxmemory with a policy other than noeviction), or does not let the user run INFO, is
//     not relied upon: records are used, their absence is not.
//
// INFO is asked for on each new connection, never for a message. A change of policy is noticed within [connLifetime]. What was
// evicted until the policy was put right is noticed as well (evicted_keys), and counts as a loss, and so is a server that followed another
// one for a while (master_replid2).
//
// deploy/scale.md has the rights that a user of its own needs.
//
// See layout.go and layer.go for what is stored.
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

	"github.com/bouncefilter/bouncefilter/store"
)

// startMargin is added to the time when the memory starts, so that nodes whose clocks differ by less agree that nothing was
// lost after it.
const startMargin = time.Minute

// Store is a Redis server or several. Use [Open]; a Store may be used by many goroutines.
type Store struct {
	client    redis.UniversalClient
	layout    layout
	smallest  int           // bits of a period's first layer
	shards    []shard       // one, or [clusterShards]
	examining chan struct{} // holds who examines, see examine.go
	examined  atomic.Uint64 // how often
}

var _ store.Store = (*Store)(nil)

// Open returns a Store for the servers that rawURL names. It does not connect: use Ping to find out whether they
// answer. Errors never hold a password.
//
//	redis://user:password@host:6379/0       a password alone: redis://:password@host
//	rediss://host:6380/0?ca=/etc/ssl/ca.pem TLS; ca names the authorities to trust instead of the system's
//	unix:/run/redis/redis.sock?db=0         or unix://user:password@/run/redis/redis.sock
//
//	redis+sentinel://user:password@host1:26379,host2:26379,host3:26379/mymaster/0
//	redis+cluster://user:password@host1:6379,host2:6379,host3:6379
//
// Sentinels and cluster with TLS are rediss+sentinel: and rediss+cluster:. User and password are those of the Redis servers; Sentinels
// that have their own take ?sentinel_user= and ?sentinel_password=. Of a cluster, one server that answers is enough.
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
	s := &Store{layout: layout{prefix: c.prefix, shards: c.cluster}, smallest: minBits, shards: make([]shard, 1),
		examining: make(chan struct{}, 1)}
	if c.cluster {
		s.smallest, s.shards = minShardBits, make([]shard, clusterShards)
	}
	s.client = s.newClient(c)
	return s, nil
}

// written is what Record does in one shard.
type written struct {
	shard  int
	layers []layer
	start  *redis.BoolCmd
	size   *redis.IntCmd // of the bucket that was written last
	last   layer         // that it belongs to
}

// Record implements [store.Store].
//
// The start of the memory goes first: should the server be wiped in the middle of the commands, what is left is a store
// without memory, never one that claims to remember what went before.
func (s *Store) Record(ctx context.Context, today store.Day, domain string, rs ...store.Record) error {
	if err := ctx.Err(); err != nil {
		return failed("record", err)
	}
	var ws []*written
	ctx, by := witnessed(ctx)
	_, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		ws = s.write(ctx, c, today, domain, rs)
		return nil
	})
	if err != nil {
		return failed("record", err)
	}
	begun, changed := false, false
	for _, w := range ws {
		sh := &s.shards[w.shard]
		sh.learn(w.layers)
		if w.size != nil && w.size.Val() >= full && w.last.bits+growBits <= maxBits {
			sh.learn([]layer{{w.last.period, w.last.bits + growBits}})
		}
		begun = begun || w.start.Val()
		p := by.process(w.start)
		changed = changed || sh.took(p)
	}
	switch {
	case begun:
		err = s.begin(ctx)
	case changed:
		err = s.examine(ctx)
	}
	if err != nil {
		return failed("record", err)
	}
	return nil
}

// write adds the commands that record rs.
func (s *Store) write(ctx context.Context, c redis.Pipeliner, today store.Day, domain string, rs []store.Record) []*written {
	ws := make([]*written, 0, 2)
	in := func(shard int) *written {
		for _, w := range ws {
			if w.shard == shard {
				return w
			}
		}
		w := &written{shard: shard, layers: make([]layer, 0, 4)}
		w.start = c.HSetNX(ctx, s.layout.state(shard), fieldStart, formatTime(time.Now().Add(startMargin)))
		ws = append(ws, w)
		return w
	}
	for _, r := range rs {
		w := in(s.layout.shardOf(r.Key))
		w.last = s.shards[w.shard].writeTo(periodOf(r.Expires), s.smallest)
		if !slices.Contains(w.layers, w.last) {
			w.layers = append(w.layers, w.last)
			c.HSet(ctx, s.layout.state(w.shard), w.last.field(), "")
		}
		bucket := s.layout.bucket(w.last, r.Key)
		c.HIncrBy(ctx, bucket, string(r.Key[:]), int64(r.Count))
		c.ExpireAt(ctx, bucket, w.last.period.end())
		if r == rs[len(rs)-1] {
			w.size = c.HLen(ctx, bucket)
		}
	}
	if domain != "" || len(rs) == 0 {
		shard := 0
		if len(ws) > 0 {
			shard = ws[0].shard
		}
		in(shard)
		if domain != "" {
			c.HSetNX(ctx, s.layout.domains(shard), fieldFirst+domain, int32(today))
			c.HSet(ctx, s.layout.domains(shard), fieldLast+domain, int32(today))
		}
	}
	return ws
}

// Lookup implements [store.Store]. It is one round trip, but for the first one after another node has begun to record
// into a new layer: then a second one follows.
func (s *Store) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	if err := ctx.Err(); err != nil {
		return store.Answer{}, failed("lookup", err)
	}
	a, changed, err := s.lookup(ctx, today, qs)
	if err == nil && changed {
		if err = s.examine(ctx); err == nil {
			a, changed, err = s.lookup(ctx, today, qs)
		}
		if changed { // Once more, or another caller examined the one before: the next lookup finds out.
			a.Complete.Since = time.Time{}
		}
	}
	if err != nil {
		return store.Answer{}, failed("lookup", err)
	}
	return a, nil
}

// asked is a shard of a lookup.
type asked struct {
	shard  int
	layers []layer // in which it was looked for
	state  *redis.MapStringStringCmd
}

// lookup also says whether another server process than before has answered.
func (s *Store) lookup(ctx context.Context, today store.Day, qs []store.Query) (a store.Answer, changed bool, err error) {
	a = store.Answer{Found: make([]bool, len(qs)), Counts: make([]uint32, len(qs))}
	var shards []*asked
	for _, q := range qs {
		n := s.layout.shardOf(q.Key)
		if !slices.ContainsFunc(shards, func(sh *asked) bool { return sh.shard == n }) {
			shards = append(shards, &asked{shard: n, layers: s.shards[n].known()})
		}
	}
	if len(qs) == 0 { // The answer speaks for the whole store.
		for n := range s.shards {
			shards = append(shards, &asked{shard: n})
		}
	}
	ctx, by := witnessed(ctx)
	if err := s.find(ctx, today, shards, qs, &a); err != nil {
		return a, false, err
	}
	relied := true
	var since time.Time
	var late []*asked
	for _, sh := range shards {
		m, err := parseState(sh.state.Val())
		if err != nil {
			return a, false, err
		}
		state := &s.shards[sh.shard]
		state.learn(m.layers)
		unseen := slices.DeleteFunc(m.layers, func(l layer) bool { return slices.Contains(sh.layers, l) })
		if slices.SortFunc(unseen, compareLayers); len(unseen) > 0 && len(qs) > 0 {
			late = append(late, &asked{shard: sh.shard, layers: unseen})
		}
		p := by.process(sh.state)
		changed = changed || p.fault == "" && state.changed(p, m) // One that is not relied upon need not be examined each time.
		relied = relied && s.relied(p, m) && !m.since.IsZero()
		if p.fault != "" {
			a.Complete.Reason = p.fault
		} else if m.unknown != "" {
			a.Complete.Reason = "a later version has written records that this one cannot read (" + m.unknown + ")"
		}
		if m.since.After(since) {
			since = m.since
		}
	}
	if len(late) > 0 {
		if err := s.find(ctx, today, late, qs, &a); err != nil {
			return a, false, err
		}
	}
	if relied {
		a.Complete.Since = since
	}
	return a, changed, nil
}

// find looks for the keys of qs in the shards, each in the layers named there, and adds to the answer what it finds. It also
// reads the shards' memory.
func (s *Store) find(ctx context.Context, today store.Day, shards []*asked, qs []store.Query, a *store.Answer) error {
	type reply struct {
		query int
		count *redis.StringCmd
	}
	replies := make([]reply, 0, len(qs))
	_, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		for _, sh := range shards {
			sh.state = c.HGetAll(ctx, s.layout.state(sh.shard))
			for i, q := range qs {
				if s.layout.shardOf(q.Key) != sh.shard {
					continue
				}
				for _, l := range readFrom(sh.layers, q.Expires, today) {
					replies = append(replies, reply{i, c.HGet(ctx, s.layout.bucket(l, q.Key), string(q.Key[:]))})
				}
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) { // a field that is not there
		return err
	}
	for _, sh := range shards {
		if err := sh.state.Err(); err != nil {
			return err
		}
	}
	for _, r := range replies {
		count, err := r.count.Uint64()
		switch {
		case errors.Is(err, redis.Nil):
			continue
		case err != nil:
			return err
		}
		a.Found[r.query] = true
		a.Counts[r.query] = store.AddCounts(a.Counts[r.query], uint32(min(count, math.MaxUint32)))
	}
	return nil
}

// MarkIncomplete implements [store.Store].
func (s *Store) MarkIncomplete(ctx context.Context, at time.Time) error {
	if err := ctx.Err(); err != nil {
		return failed("mark incomplete", err)
	}
	replies := make([]*redis.MapStringStringCmd, len(s.shards))
	_, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		for i := range s.shards {
			c.HSet(ctx, s.layout.state(i), incompleteField(at), "")
			replies[i] = c.HGetAll(ctx, s.layout.state(i))
		}
		return nil
	})
	if err != nil {
		return failed("mark incomplete", err)
	}
	pipe := s.client.Pipeline()
	for i, reply := range replies {
		m, err := parseState(reply.Val())
		if err != nil {
			return failed("mark incomplete", err)
		}
		if len(m.outdated) > 0 {
			pipe.HDel(ctx, s.layout.state(i), m.outdated...)
		}
	}
	if pipe.Len() > 0 {
		// Tidiness only: what is outdated does not count, and the next one to forget tries again.
		_, _ = pipe.Exec(ctx)
	}
	return nil
}

// Ping implements [store.Store]. Of a cluster, all servers that hold records must answer.
func (s *Store) Ping(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return failed("ping", err)
	}
	var err error
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return c.Ping(ctx).Err() })
	} else {
		err = s.client.Ping(ctx).Err()
	}
	if err != nil {
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
