package redis_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
	"github.com/bouncefilter/bouncefilter/store/redis"
	"github.com/bouncefilter/bouncefilter/store/storetest"
	"github.com/bouncefilter/bouncefilter/store/storetest/pace"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	n := 0
	storetest.Run(t, func(t *testing.T) store.Store {
		n++
		return open(t, srv.url(fmt.Sprintf("?prefix=test%d:", n)))
	})
}

func TestKeysOfTheServer(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s := open(t, srv.url("?db=3"))
	record(t, s, key(1))
	if err := s.Count(t.Context(), []store.Counter{{Hour: today().FirstHour(), Node: "n", Name: "valid", Count: 1}}); err != nil {
		t.Fatal(err)
	}
	admin := srv.admin(t)
	if info := admin.Info(t.Context(), "keyspace").Val(); !strings.Contains(info, "db3:keys=5,expires=3") {
		t.Errorf("keyspace %q, want 5 keys in database 3, three of which expire", info)
	}
	for _, r := range []struct {
		pattern string
		day     store.Day // the key must live on this day, and be gone 10 days later
	}{{"records:*", today() + 7}, {"counters:" + today().String(), today() + store.CounterRetention}, {"counters:*T*", today() + 1}} {
		conn := admin.Conn()
		conn.Select(t.Context(), 3)
		names := conn.Keys(t.Context(), "bouncefilter:"+r.pattern).Val()
		if len(names) != 1 {
			t.Fatalf("%s: keys %q, want one", r.pattern, names)
		}
		left := conn.PTTL(t.Context(), names[0]).Val()
		end := time.Now().Add(left)
		if end.Before((r.day + 1).Time()) || end.After((r.day + 10).Time()) {
			t.Errorf("%s expires at %v, want it to live on %v", names[0], end, r.day)
		}
		conn.Close()
	}
}

func TestBucketsStayCompact(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s := open(t, srv.url(""))
	const records = 1000 // in one bucket of each layer, which the octets behind the first choose
	k := key(1)
	for n := range records {
		k[store.KeySize-1], k[store.KeySize-2] = byte(n), byte(n>>8)
		if err := s.Record(t.Context(), today(), "", store.Record{Key: k, Expires: today() + 7, Count: 1000}); err != nil {
			t.Fatal(err)
		}
	}
	admin := srv.admin(t)
	names := admin.Keys(t.Context(), "bouncefilter:records:*").Val()
	if len(names) != records/full+1 {
		t.Errorf("%d buckets: %q", len(names), names)
	}
	for _, name := range names {
		if enc := admin.ObjectEncoding(t.Context(), name).Val(); enc != "listpack" && enc != "ziplist" {
			t.Errorf("bucket %s is stored as %s", name, enc)
		}
	}
	for _, other := range []*redis.Store{s, open(t, srv.url(""))} {
		for n := range records {
			k[store.KeySize-1], k[store.KeySize-2] = byte(n), byte(n>>8)
			if found, _ := look(t, other, k); !found {
				t.Fatalf("record %d is not found", n)
			}
		}
	}
}

// full is how many records make a bucket full.
const full = 112

func TestFlushLeavesAnEmptyStore(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s := open(t, srv.url(""))
	record(t, s, key(1))
	srv.admin(t).FlushAll(t.Context())

	if found, since := look(t, s, key(1)); found || !since.IsZero() {
		t.Errorf("after a flush: found %t, Since %v", found, since)
	}
	flushed := time.Now()
	record(t, s, key(2))
	found, since := look(t, s, key(2))
	if !found || since.Before(flushed) {
		t.Errorf("after the next record: found %t, Since %v, flushed at %v", found, since, flushed)
	}
	other := open(t, srv.url(""))
	if found, since := look(t, other, key(2)); !found || since.Before(flushed) {
		t.Errorf("on another node: found %t, Since %v, flushed at %v", found, since, flushed)
	}
}

func TestRestartOfAnEmptyServer(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s := open(t, srv.url(""))
	record(t, s, key(1))
	srv.Kill(t)

	meter := pace.Start(t)
	start := time.Now()
	_, err := s.Lookup(t.Context(), today(), store.AnyDay(key(1)))
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Lookup while the server is down: %v", err)
	}
	err = s.Record(t.Context(), today(), "", store.Record{Key: key(3), Expires: today() + 7})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Record while the server is down: %v", err)
	}
	if d, limit := time.Since(start), meter.Allow(time.Second, 10); d > limit {
		t.Errorf("it took %v to find out that the server is down, expected %v at the most", d, limit)
	}

	srv.Start(t)
	if found, since := look(t, s, key(1)); found || !since.IsZero() {
		t.Errorf("after a restart without data: found %t, Since %v", found, since)
	}
	record(t, s, key(2))
	if found, since := look(t, s, key(2)); !found || since.IsZero() {
		t.Errorf("after the next record: found %t, Since %v", found, since)
	}
}

// startAt is the stored form of the start of the record in a hash.
func startAt(at time.Time, hash string) string {
	return hasher().Sign(strconv.FormatInt(at.UnixMilli(), 10), hash, "start")
}

// A server that saves its data now and then comes back without the latest records.
func TestRestartWithOldDataIsIncompleteUntilNow(t *testing.T) {
	t.Parallel()
	srv := startServer(t, "--dbfilename", "dump.rdb")
	s := srv.openAged(t)
	if err := srv.admin(t).Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	record(t, s, key(2))
	_, before := look(t, s, key(1))
	srv.Kill(t)
	killed := time.Now()
	srv.Start(t)

	found, since := look(t, s, key(1))
	if !found {
		t.Error("the saved record is gone: this test shows nothing")
	}
	if found, _ := look(t, s, key(2)); found {
		t.Error("the unsaved record is there: this test shows nothing")
	}
	if !since.After(killed) || !since.After(before) {
		t.Errorf("Since %v, want later than %v, when the server died", since, killed)
	}
	// A proxy may still connect another node to the former process, for as long as a connection lives.
	if since.Before(killed.Add(2 * time.Minute)) {
		t.Errorf("Since %v is within the life of connections to the process that was killed at %v", since, killed)
	}
	// The move is made once, not by each connection and each node.
	if _, again := look(t, open(t, srv.url("")), key(1)); !again.Equal(since) {
		t.Errorf("another connection moved it from %v to %v", since, again)
	}
}

func TestServerThatMayEvictIsUntrusted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		maxmemory, policy string
		trusted           bool
	}{
		{"0", "noeviction", true},
		{"0", "allkeys-lru", true},
		{"100mb", "noeviction", true},
		{"100mb", "allkeys-lru", false},
		{"100mb", "volatile-ttl", false},
	} {
		t.Run(test.maxmemory+" "+test.policy, func(t *testing.T) {
			srv := startServer(t, "--maxmemory", test.maxmemory, "--maxmemory-policy", test.policy)
			s := open(t, srv.url(""))
			record(t, s, key(1))
			found, since := look(t, s, key(1))
			if !found || !since.IsZero() != test.trusted {
				t.Errorf("found %t, Since %v; trusted: want %t", found, since, test.trusted)
			}
		})
	}
}

// What such a server has evicted until its policy was set right is not known.
func TestServerThatMightHaveEvictedIsIncompleteUntilNow(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	record(t, open(t, srv.url("")), key(1))
	admin := srv.admin(t)
	aged(t, admin)
	setPolicy := func(policy string) {
		t.Helper()
		for name, value := range map[string]string{"maxmemory": "100mb", "maxmemory-policy": policy} {
			if err := admin.ConfigSet(t.Context(), name, value).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	setPolicy("allkeys-lru")
	evicting := open(t, srv.url(""))
	for range 2 { // of which the second has nothing to move
		examine(t, evicting)
	}
	if _, since := look(t, evicting, key(1)); !since.IsZero() {
		t.Errorf("Since %v while it may evict", since)
	}
	setPolicy("noeviction")
	ended := time.Now()
	if _, since := look(t, open(t, srv.url("")), key(1)); !since.After(ended) {
		t.Errorf("Since %v, want later than %v, until when it may have evicted", since, ended)
	}
}

func TestUserWithoutRights(t *testing.T) {
	t.Parallel()
	const documented = "~bouncefilter:* +hget +hset +hsetnx +hdel +hgetall +hincrby +hlen +hexists +expireat +ping +info +time"
	srv := startServer(t)
	admin := srv.admin(t)
	setUser := func(name string, rules string) {
		t.Helper()
		args := []any{"ACL", "SETUSER", name, "on", ">pass:w@rd/1?"}
		for rule := range strings.FieldsSeq(rules) {
			args = append(args, rule)
		}
		if err := admin.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("the documented rights are enough", func(t *testing.T) {
		setUser("good", documented)
		s := open(t, srv.as("good", "pass:w@rd/1?"))
		record(t, s, key(1))
		if found, since := look(t, s, key(1)); !found || since.IsZero() {
			t.Errorf("found %t, Since %v", found, since)
		}
		for name, err := range map[string]error{
			"Ping":           s.Ping(t.Context()),
			"MarkIncomplete": s.MarkIncomplete(t.Context(), store.Gap{Until: time.Now()}),
			"Count":          s.Count(t.Context(), []store.Counter{{Hour: today().FirstHour(), Count: 1}}),
		} {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("without INFO the server is untrusted", func(t *testing.T) {
		setUser("blind", strings.Replace(documented, "+info", "-info", 1))
		s := open(t, srv.as("blind", "pass:w@rd/1?"))
		record(t, s, key(2))
		if found, since := look(t, s, key(2)); !found || !since.IsZero() {
			t.Errorf("found %t, Since %v", found, since)
		}
	})
	t.Run("without the right to write", func(t *testing.T) {
		setUser("reader", "~* +hgetall +hexists +ping +info")
		s := open(t, srv.as("reader", "pass:w@rd/1?"))
		err := s.Record(t.Context(), today(), "", store.Record{Key: key(3), Expires: today() + 7})
		if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("Record: %v", err)
		}
	})
	t.Run("a wrong password is not shown", func(t *testing.T) {
		s := open(t, srv.as("good", "hunter2"))
		err := s.Ping(t.Context())
		if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "WRONGPASS") {
			t.Errorf("Ping: %v", err)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	})
}

// written returns how many records the server was sent.
func written(t *testing.T, srv *server) (records int) {
	t.Helper()
	for line := range strings.Lines(srv.admin(t).Info(t.Context(), "commandstats").Val()) {
		var calls int
		if _, err := fmt.Sscanf(line, "cmdstat_expireat:calls=%d,", &calls); err == nil {
			records = calls
		}
	}
	return records
}

func TestGuardWritesATagOnce(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	g := guard.New(open(t, srv.url("")), guard.Options{
		Timeout: time.Minute,
		Logger:  slog.New(slog.DiscardHandler),
	})
	for n := range 100 {
		r := store.Record{Key: key(n / 99), Expires: today() + 7}
		if err := g.Record(t.Context(), today(), "example.com", r); err != nil {
			t.Fatal(err)
		}
	}
	if n := written(t, srv); n != 2 {
		t.Errorf("99 messages of one sender and one of another were written %d times, want 2", n)
	}
}

// TestRoundTrips puts a proxy before the server that counts how often the direction changes.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	p := startProxy(t, srv.Socket)
	s := open(t, "unix:"+p.socket)
	record(t, s, key(0)) // connects and makes the record complete, which is not counted
	var many []store.Query
	for n := range 20 {
		many = append(many, store.Query{Key: key(n)})
	}
	for _, test := range []struct {
		name string
		call func() error
	}{
		{"Record", func() error {
			return s.Record(t.Context(), today(), "example.com", store.Record{Key: key(1), Expires: today() + 7})
		}},
		{"Record of a message", func() error {
			return s.Record(t.Context(), today(), "example.com", store.Record{Key: key(1), Expires: today() + 7, Count: 2},
				store.Record{Key: key(2), Expires: today() + 30, Count: 2}, store.Record{Key: key(3), Expires: today() + 30})
		}},
		{"Lookup of one", func() error { _, err := s.Lookup(t.Context(), today(), many[:1]); return err }},
		{"Lookup of none", func() error { _, err := s.Lookup(t.Context(), today(), nil); return err }},
		{"Lookup of 20", func() error { _, err := s.Lookup(t.Context(), today(), many); return err }},
	} {
		p.requests.Store(0)
		if err := test.call(); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if n := p.requests.Load(); n != 1 {
			t.Errorf("%s took %d round trips, want 1", test.name, n)
		}
	}
	if n := p.connections.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestLookupFollowsAnotherNodeIntoALaterPeriod(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	here, there := open(t, srv.url("")), open(t, srv.url(""))
	look(t, here, key(1)) // Connects, and learns what is there: nothing.
	far := today() + 300
	if err := there.Record(t.Context(), today(), "", store.Record{Key: key(1), Expires: far}); err != nil {
		t.Fatal(err)
	}
	if found, _ := look(t, here, key(1)); !found {
		t.Error("a record of another node that lies far ahead is not found")
	}
}

func BenchmarkRedis(b *testing.B) {
	srv := startServer(b)
	n := 0
	storetest.Benchmark(b, func(b *testing.B) store.Store {
		n++
		return open(b, srv.url(fmt.Sprintf("?prefix=bench%d:", n)))
	})
}

func BenchmarkSpace(b *testing.B) {
	srv := startServer(b)
	admin := srv.admin(b)
	storetest.BenchmarkSpace(b, func(b *testing.B) store.Store {
		admin.FlushAll(b.Context())
		return open(b, srv.url(""))
	}, func() int64 { return usedMemory(b, admin) })
}

// usedMemory returns how many octets the server uses.
func usedMemory(b *testing.B, admin *goredis.Client) int64 {
	b.Helper()
	var used int64
	for line := range strings.Lines(admin.Info(b.Context(), "memory").Val()) {
		if value, ok := strings.CutPrefix(line, "used_memory:"); ok {
			used, _ = strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
	if used == 0 {
		b.Fatal("the server does not report how much memory it uses")
	}
	return used
}
