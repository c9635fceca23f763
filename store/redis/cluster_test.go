package redis_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/redis"
	"github.com/bouncefilter/bouncefilter/store/redistest"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

func TestSentinelConformance(t *testing.T) {
	t.Parallel()
	set := redistest.StartSentinels(t)
	n := 0
	storetest.Run(t, func(t *testing.T) store.Store {
		n++
		return open(t, set.URL(fmt.Sprintf("?prefix=test%d:", n)))
	})
}

func TestClusterConformance(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	n := 0
	storetest.Run(t, func(t *testing.T) store.Store {
		n++
		return open(t, c.URL(fmt.Sprintf("?prefix=test%d:", n)))
	})
	t.Run("a message stays with one server", func(t *testing.T) { testOneServer(t, c) })
	t.Run("the documented rights are enough", func(t *testing.T) { testClusterRights(t, c) })
}

// aged moves the start of all memories an hour back, so that they claim something. Only a Store that is opened later believes it.
func aged(t *testing.T, c goredis.UniversalClient) {
	t.Helper()
	start := time.Now().Add(-time.Hour)
	names := []string{"bouncefilter:state"}
	if _, ok := c.(*goredis.ClusterClient); ok {
		names = names[:0]
		for shard := range 256 {
			names = append(names, fmt.Sprintf("bouncefilter:{%02x}:state", shard))
		}
	}
	for _, name := range names {
		if err := c.HSet(t.Context(), name, "start", startAt(start, name)).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// message returns what one message leaves behind.
func message(sender string) []store.Record {
	h := store.NewHasher([]byte("test"))
	return []store.Record{
		{Key: h.Message(sender, "1@example.com"), Expires: today() + 30, Count: 2},
		{Key: h.Correspondent(sender, "example.net"), Expires: today() + 30},
		{Key: h.Correspondent(sender, "example.org"), Expires: today() + 30},
		{Key: h.Tag(sender, today()+7, 1), Expires: today() + 7, Count: 2},
	}
}

func testOneServer(t *testing.T, c *redistest.Cluster) {
	s := open(t, c.URL("?prefix=one:"))
	record(t, s, key(1)) // makes all shards complete
	calls := func() map[string]int {
		n := map[string]int{}
		for _, m := range c.Masters(t) {
			for line := range strings.Lines(m.Client(t).Info(t.Context(), "commandstats").Val()) {
				var count int
				for _, name := range []string{"hincrby", "hget", "hgetall"} {
					if _, err := fmt.Sscanf(line, "cmdstat_"+name+":calls=%d,", &count); err == nil {
						n[m.Addr] += count
					}
				}
			}
		}
		return n
	}
	for n := range 20 {
		rs := message(fmt.Sprintf("user%d@example.com", n))
		before := calls()
		if err := s.Record(t.Context(), today(), "example.com", rs...); err != nil {
			t.Fatal(err)
		}
		var qs []store.Query
		for _, r := range rs {
			qs = append(qs, store.Query{Key: r.Key})
		}
		if a, err := s.Lookup(t.Context(), today(), qs); err != nil || strings.Contains(fmt.Sprint(a.Found), "false") || a.Complete.Since.IsZero() {
			t.Fatalf("Lookup: %+v, %v", a, err)
		}
		used := 0
		for addr, n := range calls() {
			if n != before[addr] {
				used++
			}
		}
		if used != 1 {
			t.Errorf("message %d: %d servers were asked", n, used)
		}
	}
}

func testClusterRights(t *testing.T, c *redistest.Cluster) {
	for _, s := range c.Servers {
		err := s.Client(t).Do(t.Context(), "ACL", "SETUSER", "bf", "on", ">pw", "~bouncefilter:*", "+hget", "+hset", "+hsetnx", "+hdel", "+hgetall",
			"+hincrby", "+hlen", "+hexists", "+expireat", "+ping", "+info", "+time",
			"+cluster|slots").Err()
		if err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, strings.Replace(c.URL(""), "//", "//bf:pw@", 1))
	all(t, s)
}

// all calls all methods once.
func all(t *testing.T, s *redis.Store) {
	t.Helper()
	record(t, s, key(1))
	if found, since := look(t, s, key(1)); !found || since.IsZero() {
		t.Errorf("found %t, Since %v", found, since)
	}
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"Ping":           func() error { return s.Ping(ctx) },
		"MarkIncomplete": func() error { return s.MarkIncomplete(ctx, store.Gap{Until: time.Now()}) },
		"FirstSigned":    func() error { _, err := s.FirstSigned(ctx); return err },
		"Count":          func() error { return s.Count(ctx, []store.Counter{{Hour: today().FirstHour(), Count: 1}}) },
		"Counters": func() error {
			_, err := s.Counters(ctx, store.ByDay, today().FirstHour(), today().FirstHour())
			return err
		},
		"Heartbeat":  func() error { return s.Heartbeat(ctx, store.Node{Name: "n"}) },
		"Nodes":      func() error { _, err := s.Nodes(ctx); return err },
		"RemoveNode": func() error { return s.RemoveNode(ctx, "n") },
		"Publish": func() error {
			_, err := s.Publish(ctx, store.Broadcast{Topic: "t", Name: "n", Expires: today()}, true)
			return err
		},
		"Broadcasts": func() error { _, err := s.Broadcasts(ctx, "t", today()); return err },
		"Withdraw":   func() error { return s.Withdraw(ctx, "t", "n") },
	} {
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkClusterSpace(b *testing.B) {
	c := redistest.StartCluster(b)
	storetest.BenchmarkSpace(b, func(b *testing.B) store.Store {
		for _, m := range c.Masters(b) {
			m.Client(b).FlushAll(b.Context())
		}
		return open(b, c.URL(""))
	}, func() (used int64) {
		for _, m := range c.Masters(b) {
			used += usedMemory(b, m.Client(b))
		}
		return used
	})
}
