package redis

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
)

// This file tells how much a server has lost that has taken another one's place: a replica that was promoted, or a process that was
// started again with what was on disk. What such a server has is all that the former one acknowledged up to some moment, and nothing of
// what came after: replication and the append-only file keep the order of the commands, and an RDB file is the data of one moment. So each
// node writes the time into the state now and then. The last time that has survived says until when everything has.

const (
	// keptInterval is how often a node writes the time into a cluster, where each of its 256 shards has a state of its own. A single server
	// has it with each heartbeat.
	keptInterval = 30 * time.Second
	// keptFor is how long the time of a former process is kept for nodes that have not met its successor yet.
	keptFor = 24 * time.Hour
)

// keep writes into the states of all shards that what was acknowledged before the time now is there; now comes from a server that has
// answered since. A clock that is ahead would hide a loss: of the server's clock and the node's, the earlier counts.
//
// If another process has taken the time than the one that it names, as when the client tries again after a failover, the time hides what
// that process has lost. It is told by what was there before.
func (s *Store) keep(ctx context.Context, now time.Time) error {
	if own := time.Now(); own.Before(now) {
		now = own
	}
	if last := s.keptAt.Load(); len(s.shards) > 1 && now.Unix()-last < int64(keptInterval/time.Second) {
		return nil
	}
	ctx, by := withResponders(ctx)
	writes := make([]keptWrite, 0, len(s.shards))
	if _, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		for i := range s.shards {
			if run := s.shards[i].run.Load(); run != nil {
				writes = append(writes, s.writeKept(ctx, c, i, *run, now))
			}
		}
		return nil
	}); err != nil && !errors.Is(err, redis.Nil) { // Nil: no time was there
		return err
	}
	pipe := s.client.Pipeline()
	for _, w := range writes {
		if err := cmp.Or(w.set.Err(), w.after.Err()); err != nil {
			return err
		}
		if g, hidden := w.hides(by, s.verify); hidden {
			pipe.HSet(ctx, w.state, gapField(g), "")
		}
	}
	if pipe.Len() > 0 {
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
	}
	if len(writes) == len(s.shards) { // all have been examined since the start
		s.keptAt.Store(now.Unix())
	}
	return nil
}

// keptWrite is what keep does in one shard. The lengths are asked for only because their responders are noted.
type keptWrite struct {
	state, run    string // the hash, and the process that the time names
	before, after *redis.IntCmd
	former        *redis.StringCmd
	set           *redis.IntCmd
}

func (s *Store) writeKept(ctx context.Context, c redis.Pipeliner, shard int, run string, now time.Time) keptWrite {
	state, field := s.layout.state(shard), keptField(run)
	return keptWrite{
		state: state, run: run,
		before: c.HLen(ctx, state),
		former: c.HGet(ctx, state, field),
		set:    c.HSet(ctx, state, field, s.sign(state, field, strconv.FormatInt(now.UnixMilli(), 10))),
		after:  c.HLen(ctx, state),
	}
}

// hides says whether another process has taken the time than the one that it names, and returns the gap that this hides. It has no
// beginning if it is not known what was there before.
func (w *keptWrite) hides(by *responders, verify func(hash, field, stored string) (string, bool)) (g store.Gap, hidden bool) {
	p := by.process(w.after)
	if succeeds(p.run, w.run) {
		return store.Gap{}, false
	}
	g.Until = time.Now().Add(connLifetime + startMargin)
	if w.former.Err() != nil || p.evicted || p.run == "" || by.process(w.before).run != p.run {
		return g, true
	}
	if text, ok := verify(w.state, keptField(w.run), w.former.Val()); ok {
		if kept, err := parseTime(text); err == nil {
			g.From = kept.Add(-startMargin)
		}
	}
	return g, true
}

// lostSince says whether records may be lost that a former process of the shard has acknowledged, the one in its state or the one that has
// answered this Store, and from when on. That is the zero time if it cannot be told: the process may evict keys or has done so, or no time
// of the former one is there. A process may be its own former one: it has followed another server, whose data took the place of its own,
// and was promoted again.
func (sh *shard) lostSince(p process, m shardState) (since time.Time, lost bool) {
	if p.fault != "" {
		return time.Time{}, true
	}
	formers := []string{m.run}
	if last := sh.run.Load(); last != nil {
		formers = append(formers, *last)
	}
	for _, former := range formers {
		if succeeds(p.run, former) {
			continue
		}
		kept, known := m.kept[runID(former)]
		if !known || p.evicted {
			return time.Time{}, true
		}
		if !lost || kept.Before(since) {
			since, lost = kept, true
		}
	}
	if lost {
		since = since.Add(-startMargin)
	}
	return since, lost
}

// keptField returns the name of the field with the time of a process. It has the run_id alone: connections that were made at different times
// know one process by several identities.
func keptField(identity string) string { return fieldKept + runID(identity) }

// succeeds says whether a process with an identity has all that one with the former identity had: it is the same. A promoted process that
// has had no replica for an hour (repl-backlog-ttl) does not say any more whom it has followed, and has lost nothing by that.
func succeeds(run, former string) bool { return run == former || run+followedPart(former) == former }

// runID returns the run_id in an identity, see identity.
func runID(identity string) string {
	id, _, _ := strings.Cut(identity, "-")
	return id
}

// followedPart returns the part of an identity that says which server the process has followed, or "".
func followedPart(identity string) string {
	if at := strings.LastIndexByte(identity, '-'); at >= 0 && len(identity)-at-1 == len(runID(identity)) {
		return identity[at:]
	}
	return ""
}
