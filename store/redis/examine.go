package redis

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
)

// trusted says whether the absence of a record in the answer of p about a shard with the state m means that it was not made: p keeps all
// records, and the shard was examined since p took over.
func (p process) trusted(m shardState) bool {
	return p.fault == "" && p.run != "" && p.run == m.run && !time.Now().Before(p.trustedFrom)
}

// changed says whether p, which answers for the shard, is another process than the one that answered last, or than the one in its
// state m. What was acknowledged before may be lost.
func (sh *shard) changed(p process, m shardState) bool {
	last := sh.run.Load()
	return p.run != "" && !m.complete.Since.IsZero() && (p.run != m.run || last != nil && *last != p.run)
}

// moved says whether p, which has taken a record, is another process than the one that answered last. If none has answered yet, the next
// Lookup finds out.
func (sh *shard) moved(p process) bool {
	last := sh.run.Load()
	return p.run != "" && last != nil && *last != p.run
}

// examine finds out for all shards whether records may have been lost since they were last examined, and marks the time of which they
// may be. It takes two round trips, and is needed after a server was restarted, wiped or replaced, and after the start of
// this process. One caller examines at a time, and callers that have waited for it do not examine again.
//
// Five things show a loss: a record is gone that this process has written (see samples.go); the process that answers may evict; or it is
// not the one in the shard's state, as after a restart, when a replica took over, or when it has evicted keys; or it is not the one that
// answered this Store before, which may have gone on writing to a server that other nodes had left already; or the state is gone: it has no
// start.
//
// The record becomes complete only after the life of all connections from before: behind a proxy some of them may still reach the former
// process, which goes on acknowledging records that the new one will never have.
func (s *Store) examine(ctx context.Context) error {
	before := s.examined.Load()
	select {
	case s.examining <- struct{}{}:
		defer func() { <-s.examining }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.examined.Load() != before {
		return nil
	}
	if err := s.examineAll(ctx); err != nil {
		return err
	}
	s.examined.Add(1)
	return nil
}

func (s *Store) examineAll(ctx context.Context) error {
	now := time.Now()
	ctx, by := withResponders(ctx)
	replies := make([]*redis.MapStringStringCmd, len(s.shards))
	if _, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		for i := range s.shards {
			replies[i] = c.HGetAll(ctx, s.layout.state(i))
		}
		return nil
	}); err != nil {
		return err
	}
	lacking, err := s.lacking(ctx, store.DayOf(now))
	if err != nil {
		return err
	}
	pipe := s.client.Pipeline()
	runs, lost := make([]string, len(s.shards)), make([]bool, len(s.shards))
	for i, reply := range replies {
		m, err := s.readState(i, reply.Val())
		if err != nil {
			return err
		}
		sh := &s.shards[i]
		sh.learn(m.layers)
		sh.drop(periodOf(store.DayOf(now)) - listedPeriods)
		if p := by.process(reply); p.run != "" {
			runs[i], lost[i] = p.run, s.amend(ctx, pipe, i, p, m, lacking[i], now)
		}
	}
	if pipe.Len() > 0 {
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
	}
	for i, run := range runs {
		if lost[i] {
			s.shards[i].samples.reset()
		}
		if run != "" {
			s.shards[i].run.Store(&run)
		}
	}
	return nil
}

// amend adds the commands that bring the state m of a shard, for which p answers, up to date at the time now. lacking is when the first of
// its samples was recorded that are gone; the zero time if none is. lost says whether records may be lost.
func (s *Store) amend(ctx context.Context, pipe redis.Pipeliner, i int, p process, m shardState, lacking, now time.Time) (lost bool) {
	sh, state := &s.shards[i], s.layout.state(i)
	from, lost := sh.lostSince(p, m)
	if !lacking.IsZero() && (!lost || lacking.Before(from)) {
		from, lost = time.Time{}, true
	}
	// A record that is complete only since a time after now has lost nothing. Half of the margin is for clocks that differ.
	// A server that may evict loses records all the time, so that the record becomes complete once the operator has set it right.
	since := m.complete.Since
	if !since.IsZero() && since.Before(now.Add(startMargin/2)) && lost {
		// This comes before the process is noted, because the connection may fail in between.
		pipe.HSet(ctx, state, gapField(store.Gap{From: from, Until: now.Add(connLifetime + startMargin)}), "")
	}
	if p.run != m.run && !since.IsZero() {
		pipe.HSet(ctx, state, fieldRun, s.sign(state, fieldRun, p.run))
		// Its successor may come before the next heartbeat. A time that is there already is a safer one.
		pipe.HSetNX(ctx, state, keptField(p.run), s.sign(state, keptField(p.run), strconv.FormatInt(now.UnixMilli(), 10)))
	}
	for _, g := range m.complete.Lacks(sh.remembered()) { // which was taken away
		pipe.HSet(ctx, state, gapField(g), "")
	}
	s.tidyGaps(ctx, pipe, i, m)
	var gone []string
	for _, l := range m.layers {
		if l.period < periodOf(store.DayOf(now))-listedPeriods {
			gone = append(gone, l.field())
		}
	}
	for id, at := range m.kept {
		if id != runID(p.run) && id != runID(m.run) && now.Sub(at) > keptFor {
			gone = append(gone, fieldKept+id)
		}
	}
	if len(gone) > 0 {
		pipe.HDel(ctx, state, gone...)
	}
	return lost
}

// begin sets start in all shards: an empty shard would never be complete.
func (s *Store) begin(ctx context.Context) error {
	start := time.Now().Add(startMargin)
	if _, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		for i := range s.shards {
			c.HSetNX(ctx, s.layout.state(i), fieldStart, s.signedStart(i, start))
		}
		return nil
	}); err != nil {
		return err
	}
	return s.examine(ctx)
}

// mayEvict returns, from INFO memory, why a server may remove keys before they expire, or "".
func mayEvict(info string) string {
	limit, err := strconv.ParseInt(infoField(info, "maxmemory"), 10, 64)
	if err != nil {
		return "the server does not report its maxmemory"
	}
	if policy := infoField(info, "maxmemory_policy"); limit != 0 && policy != "noeviction" {
		return "the server may evict records (maxmemory-policy " + policy + "): set it to noeviction"
	}
	return ""
}

// infoField returns the value of a field of an INFO reply, or "".
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// isReply says whether err is the answer of a server, and not the lack of one.
func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}
