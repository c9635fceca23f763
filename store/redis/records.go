package redis

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
)

// written is what Record has written to one shard.
type written struct {
	shard  int
	layers []layer
	start  *redis.BoolCmd
	size   *redis.IntCmd // of the last bucket that was written
	last   layer         // of that bucket
	sample sample        // the last record that was written
}

// Record implements [store.Store].
//
// The command that sets start comes first: if the server is wiped between the commands, the store is empty afterwards, and does not claim to
// have earlier records.
func (s *Store) Record(ctx context.Context, today store.Day, domain string, rs ...store.Record) error {
	if err := ctx.Err(); err != nil {
		return failed("record", err)
	}
	var ws []*written
	ctx, by := withResponders(ctx)
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
		if w.sample.hash != "" {
			w.sample.at = time.Now()
			sh.samples.add(w.sample)
		}
		if w.size != nil && w.size.Val() >= full && w.last.bits+growBits <= maxBits {
			sh.learn([]layer{{w.last.period, w.last.bits + growBits}})
		}
		begun = begun || w.start.Val()
		p := by.process(w.start)
		changed = changed || sh.moved(p)
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
		w.start = c.HSetNX(ctx, s.layout.state(shard), fieldStart, s.signedStart(shard, time.Now().Add(startMargin)))
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
		w.sample = sample{hash: bucket, field: r.Key, expires: r.Expires}
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
			hash, first := s.layout.domains(shard), fieldFirst+domain
			c.HSetNX(ctx, hash, first, s.sign(hash, first, strconv.Itoa(int(today))))
			c.HSet(ctx, s.layout.domains(shard), fieldLast+domain, int32(today))
		}
	}
	return ws
}

// Lookup implements [store.Store]. It is one round trip. The first Lookup after another node has begun a layer takes a second one.
func (s *Store) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	if err := ctx.Err(); err != nil {
		return store.Answer{}, failed("lookup", err)
	}
	a, changed, err := s.lookup(ctx, today, qs)
	if err == nil && changed {
		if err = s.examine(ctx); err == nil {
			a, changed, err = s.lookup(ctx, today, qs)
		}
		if changed { // another process answers once more, or another caller examined the former one: the next Lookup examines again
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
	shard   int
	layers  []layer // that were asked
	state   *redis.MapStringStringCmd
	crowded bool // the state is not read, because it had too many fields
}

// lookup is one try of Lookup. changed says that another server process has answered than before.
func (s *Store) lookup(ctx context.Context, today store.Day, qs []store.Query) (a store.Answer, changed bool, err error) {
	a = store.Answer{Found: make([]bool, len(qs)), Counts: make([]uint32, len(qs))}
	var shards []*asked
	for _, q := range qs {
		n := s.layout.shardOf(q.Key)
		if !slices.ContainsFunc(shards, func(sh *asked) bool { return sh.shard == n }) {
			shards = append(shards, &asked{shard: n, layers: s.shards[n].known(), crowded: time.Now().Unix() < s.shards[n].crowded.Load()})
		}
	}
	if len(qs) == 0 { // the answer is about the whole store
		for n := range s.shards {
			shards = append(shards, &asked{shard: n})
		}
	}
	ctx, by := withResponders(ctx)
	if err := s.find(ctx, today, shards, qs, &a); err != nil {
		return a, false, err
	}
	trusted := true
	var late []*asked
	for _, sh := range shards {
		state := &s.shards[sh.shard]
		if sh.crowded {
			trusted = false
			a.Complete.Reason, a.Complete.Remedy = shardState{crowded: true}.fault()
			continue
		}
		m, err := s.readState(sh.shard, sh.state.Val())
		if err != nil {
			return a, false, err
		}
		if m.crowded {
			state.crowded.Store(time.Now().Add(crowdedPause).Unix())
		}
		state.learn(m.layers)
		unseen := slices.DeleteFunc(m.layers, func(l layer) bool { return slices.Contains(sh.layers, l) })
		if slices.SortFunc(unseen, compareLayers); len(unseen) > 0 && len(qs) > 0 {
			late = append(late, &asked{shard: sh.shard, layers: unseen})
		}
		p := by.process(sh.state)
		changed = changed || p.fault == "" && state.changed(p, m) // an untrusted process need not be examined at each Lookup
		trusted = trusted && p.trusted(m) && !m.complete.Since.IsZero()
		if p.fault != "" {
			a.Complete.Reason, a.Complete.Remedy, _ = strings.Cut(p.fault, ": ")
		} else if reason, remedy := m.fault(); reason != "" {
			a.Complete.Reason, a.Complete.Remedy = reason, remedy
		}
		complete := state.seen(m.complete)
		if since := complete.Since; since.After(a.Complete.Since) {
			a.Complete.Since = since
		}
		for _, g := range complete.Gaps {
			a.Complete.Gaps = store.AddGap(a.Complete.Gaps, g)
		}
	}
	if len(late) > 0 {
		if err := s.find(ctx, today, late, qs, &a); err != nil {
			return a, false, err
		}
	}
	if !trusted {
		a.Complete.Since = time.Time{}
	}
	return a, changed, nil
}

// find looks for the keys of qs in the layers of the shards, adds what it finds to the answer, and reads the shards' states.
func (s *Store) find(ctx context.Context, today store.Day, shards []*asked, qs []store.Query, a *store.Answer) error {
	type reply struct {
		query int
		count *redis.StringCmd
	}
	replies := make([]reply, 0, len(qs))
	_, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		for _, sh := range shards {
			if !sh.crowded {
				sh.state = c.HGetAll(ctx, s.layout.state(sh.shard))
			}
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
	if err != nil && !errors.Is(err, redis.Nil) { // Nil: a field does not exist
		return err
	}
	for _, sh := range shards {
		if sh.crowded {
			continue
		}
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
func (s *Store) MarkIncomplete(ctx context.Context, g store.Gap) error {
	if err := ctx.Err(); err != nil {
		return failed("mark incomplete", err)
	}
	replies := make([]*redis.MapStringStringCmd, len(s.shards))
	_, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		for i := range s.shards {
			if g.From.IsZero() { // of which an empty store is complete since the end
				c.HSetNX(ctx, s.layout.state(i), fieldStart, s.signedStart(i, g.Until))
			}
			c.HSet(ctx, s.layout.state(i), gapField(g), "")
			replies[i] = c.HGetAll(ctx, s.layout.state(i))
		}
		return nil
	})
	if err != nil {
		return failed("mark incomplete", err)
	}
	pipe := s.client.Pipeline()
	for i, reply := range replies {
		m, err := s.readState(i, reply.Val())
		if err != nil {
			return failed("mark incomplete", err)
		}
		s.tidyGaps(ctx, pipe, i, m)
	}
	if pipe.Len() > 0 {
		// What overlaps counts as it is. If this fails, the next call does it.
		_, _ = pipe.Exec(ctx)
	}
	return nil
}

// tidyGaps adds the commands that leave one field for each gap of a shard.
func (s *Store) tidyGaps(ctx context.Context, pipe redis.Pipeliner, shard int, m shardState) {
	set, remove := m.tidyGaps()
	for _, name := range set {
		pipe.HSet(ctx, s.layout.state(shard), name, "")
	}
	if len(remove) > 0 {
		pipe.HDel(ctx, s.layout.state(shard), remove...)
	}
}
