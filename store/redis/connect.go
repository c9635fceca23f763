package redis

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
)

// connected is called on each new connection before it is used. It finds out whether the server may have lost records
// since it was last looked at, in two round trips at most, and moves the start of the memory if so.
//
// A server that was restarted or that another one replaced has closed its connections. So no lookup can reach what
// came after it without passing here first.
func (s *Store) connected(ctx context.Context, conn *redis.Conn) error {
	now := s.now()
	var server, mem *redis.StringCmd
	var fields *redis.MapStringStringCmd
	_, err := conn.Pipelined(ctx, func(c redis.Pipeliner) error {
		server = c.Info(ctx, "server")
		mem = c.Info(ctx, "memory")
		fields = c.HGetAll(ctx, s.layout.memory())
		return nil
	})
	var reply redis.Error
	if err != nil && !errors.As(err, &reply) {
		return err
	}
	if fields.Err() != nil {
		// The server is loading, or the user lacks a right. Whatever is asked next will say so to who asks.
		s.vouched.Store(false)
		return nil
	}
	m, err := parseMemory(fields.Val())
	if err != nil {
		return err
	}
	s.reach(m.last)

	run := infoField(server.Val(), "run_id")
	vouched := run != "" && keepsEverything(mem.Val())
	// A new store has nothing to forget. One whose server was never looked at, or is another one, may have lost something.
	lost := run != "" && m.run != run && !(m.run == "" && m.since.IsZero())
	var passed []string
	for _, p := range m.periods {
		if p < periodOf(store.DayOf(now))-1 {
			passed = append(passed, p.field())
		}
	}
	if lost || run != m.run && run != "" || len(passed) > 0 {
		_, err = conn.Pipelined(ctx, func(c redis.Pipeliner) error {
			if lost { // Before the server is noted as known: in between this may fail.
				c.HSet(ctx, s.layout.memory(), forgetField(now.Add(startMargin)), "")
			}
			if run != "" && run != m.run {
				c.HSet(ctx, s.layout.memory(), fieldRun, run)
			}
			if gone := append(passed, m.outdated...); len(gone) > 0 {
				c.HDel(ctx, s.layout.memory(), gone...)
			}
			return nil
		})
		if err != nil {
			s.vouched.Store(false)
			return err
		}
	}
	s.vouched.Store(vouched)
	return nil
}

// keepsEverything says whether a server with this INFO memory keeps its keys until they expire. One that cannot be
// found out about does not.
func keepsEverything(info string) bool {
	limit, err := strconv.ParseInt(infoField(info, "maxmemory"), 10, 64)
	if err != nil {
		return false
	}
	return limit == 0 || infoField(info, "maxmemory_policy") == "noeviction"
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
