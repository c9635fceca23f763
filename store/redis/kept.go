package redis

import (
	"context"
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
// It is asked first which process would take the time: for another than the one that was examined, the shards are examined instead. If
// another one takes it all the same, because it came in between, the time says nothing of it. Then all of the record may be lost that was
// made before.
func (s *Store) keep(ctx context.Context, now time.Time) error {
	if own := time.Now(); own.Before(now) {
		now = own
	}
	if last := s.keptAt.Load(); len(s.shards) > 1 && now.Unix()-last < int64(keptInterval/time.Second) {
		return nil
	}
	if ok, err := s.answersAsExamined(ctx); err != nil {
		return err
	} else if !ok {
		return s.examine(ctx)
	}
	all := true // shards have been examined since the start
	ctx, by := withResponders(ctx)
	runs, replies := make([]string, len(s.shards)), make([]*redis.IntCmd, len(s.shards))
	if _, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		for i := range s.shards {
			run := s.shards[i].run.Load()
			if run == nil {
				all = false
				continue
			}
			runs[i] = *run
			state, field := s.layout.state(i), fieldKept+*run
			c.HSet(ctx, state, field, s.sign(state, field, strconv.FormatInt(now.UnixMilli(), 10)))
			replies[i] = c.HLen(ctx, state) // of which the responder is noted
		}
		return nil
	}); err != nil {
		return err
	}
	if all {
		s.keptAt.Store(now.Unix())
	}
	for i, reply := range replies {
		if reply != nil && !succeeds(by.process(reply).run, runs[i]) {
			return s.MarkIncomplete(ctx, store.Gap{Until: time.Now().Add(connLifetime + startMargin)})
		}
	}
	return nil
}

// answersAsExamined says whether the processes that answer for the shards are those that have answered last.
func (s *Store) answersAsExamined(ctx context.Context) (bool, error) {
	ctx, by := withResponders(ctx)
	replies := make([]*redis.IntCmd, len(s.shards))
	if _, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		for i := range s.shards {
			replies[i] = c.HLen(ctx, s.layout.state(i)) // of which the responder is noted
		}
		return nil
	}); err != nil {
		return false, err
	}
	for i, reply := range replies {
		if s.shards[i].moved(by.process(reply)) {
			return false, nil
		}
	}
	return true, nil
}

// lostSince says whether records may be lost that a former process of the shard has acknowledged, the one in its state or the one that has
// answered this Store, and from when on. That is the zero time if it cannot be told: the process may evict keys or has done so, or has lost
// its data to a server that it followed.
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
		kept, known := m.kept[former]
		if !known || p.evicted || runID(former) == runID(p.run) {
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
