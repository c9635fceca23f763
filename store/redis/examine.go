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

// relied says whether what p answered about a shard, whose memory is m, can be relied upon: the process keeps everything, and
// the shard was examined since it took over.
func (s *Store) relied(p process, m shardState) bool {
	return p.fault == "" && p.run != "" && p.run == m.run && !time.Now().Before(p.settled)
}

// changed says whether the shard was answered for by another process than the last time, or by one that its memory does not
// know. What was acknowledged before may be lost.
func (sh *shard) changed(p process, m shardState) bool {
	last := sh.run.Load()
	return p.run != "" && !m.since.IsZero() && (p.run != m.run || last != nil && *last != p.run)
}

// took says whether another process than the last time has taken a record. If none has answered yet, the next
// lookup finds out.
func (sh *shard) took(p process) bool {
	last := sh.run.Load()
	return p.run != "" && last != nil && *last != p.run
}

// examine finds out for all shards whether records may have been lost since they were last looked at, and moves the start of
// their memory past the loss. It takes two round trips, and is needed after a server was restarted, wiped or replaced, and
// at the very beginning. One caller examines at a time, and those who waited for it need not do so again.
//
// Four things show a loss: the process that answers may evict; or it is not the one noted in the memory, as after a restart, when a
// replica took over or when it has evicted keys; or it is not the one that answered this Store before, which may have gone on writing to
// a server that others had given up already; or the memory is gone, of which a shard without a start tells.
//
// The memory moves past the life of all connections from before: behind a proxy some of them may still reach the former process,
// which goes on acknowledging what the one that took over will never have.
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
	ctx, w := witnessed(ctx)
	replies := make([]*redis.MapStringStringCmd, len(s.shards))
	if _, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		for i := range s.shards {
			replies[i] = c.HGetAll(ctx, s.layout.state(i))
		}
		return nil
	}); err != nil {
		return err
	}
	changes := 0
	pipe := s.client.Pipeline()
	runs := make([]string, len(s.shards))
	for i, reply := range replies {
		m, err := parseState(reply.Val())
		if err != nil {
			return err
		}
		sh := &s.shards[i]
		sh.learn(m.layers)
		sh.drop(periodOf(store.DayOf(now)) - keptPeriods)
		p := w.process(reply)
		if p.run == "" {
			continue
		}
		runs[i] = p.run
		// What claims nothing about the time until now cannot have lost any of it. Half of the margin is for clocks that differ.
		// A server that may evict loses some all the time, and so the memory begins once it is set right.
		if m.since.Before(now.Add(startMargin/2)) && (sh.changed(p, m) || p.fault != "" && !m.since.IsZero()) {
			changes++ // Before the process is noted as known: in between this may fail.
			pipe.HSet(ctx, s.layout.state(i), incompleteField(now.Add(connLifetime+startMargin)), "")
		}
		if p.run != m.run && !m.since.IsZero() {
			changes++
			pipe.HSet(ctx, s.layout.state(i), fieldRun, p.run)
		}
		gone := m.outdated
		for _, l := range m.layers {
			if l.period < periodOf(store.DayOf(now))-keptPeriods {
				gone = append(gone, l.field())
			}
		}
		if len(gone) > 0 {
			changes++
			pipe.HDel(ctx, s.layout.state(i), gone...)
		}
	}
	if changes > 0 {
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
	}
	for i, run := range runs {
		if run != "" {
			s.shards[i].run.Store(&run)
		}
	}
	return nil
}

// begin starts the memory of all shards: one that is empty would never say that it is complete.
func (s *Store) begin(ctx context.Context) error {
	start := formatTime(time.Now().Add(startMargin))
	if _, err := s.client.Pipelined(ctx, func(c redis.Pipeliner) error {
		for i := range s.shards {
			c.HSetNX(ctx, s.layout.state(i), fieldStart, start)
		}
		return nil
	}); err != nil {
		return err
	}
	return s.examine(ctx)
}

// mayEvict says why a server with this INFO memory may not keep its keys until they expire, or "".
func mayEvict(info string) string {
	limit, err := strconv.ParseInt(infoField(info, "maxmemory"), 10, 64)
	if err != nil {
		return "the server does not tell its maxmemory"
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

// isReply says whether err is what a server answered, and not that none did.
func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}
