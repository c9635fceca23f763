package redis_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// A server that comes back with the data of an earlier moment has lost what was acknowledged since, and nothing that was before.
func TestRestartWithOldDataIsAGapInTime(t *testing.T) {
	t.Parallel()
	t.Run("a bounce comes first", func(t *testing.T) {
		t.Parallel()
		testRestartWithOldData(t, false)
	})
	t.Run("a heartbeat comes first", func(t *testing.T) {
		t.Parallel()
		testRestartWithOldData(t, true)
	})
}

func testRestartWithOldData(t *testing.T, heartbeat bool) {
	srv := startServer(t, "--dbfilename", "dump.rdb")
	s := srv.openAged(t)
	examine(t, s)
	beat(t, s)
	if err := srv.admin(t).Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	saved := time.Now()
	time.Sleep(time.Millisecond)
	beat(t, s) // which the server loses with what follows
	record(t, s, key(2))
	srv.Kill(t)
	killed := time.Now()
	srv.Start(t)

	if heartbeat {
		_ = s.Heartbeat(t.Context(), store.Node{Name: "a", At: time.Now()}) // may still be sent on a connection that was closed
		beat(t, s)
	}
	a, err := s.Lookup(t.Context(), today(), store.AnyDay(key(1), key(2)))
	if err != nil || !a.Found[0] || a.Found[1] {
		t.Fatalf("%+v, %v", a, err)
	}
	if a.Complete.Since.After(saved.Add(-time.Minute)) || len(a.Complete.Gaps) != 1 {
		t.Fatalf("complete %+v", a.Complete)
	}
	g := a.Complete.Gaps[0]
	if !g.Overlaps(saved, saved) || !g.Overlaps(killed, killed) || saved.Sub(g.From) > 5*time.Minute || g.Until.Sub(killed) > 15*time.Minute {
		t.Errorf("gap %v, saved %v, killed %v", g, saved, killed)
	}
	beat(t, s)
	if again, err := open(t, srv.url("")).Lookup(t.Context(), today(), nil); err != nil || !again.Complete.Equal(a.Complete) {
		t.Errorf("another node finds %+v, %v", again.Complete, err)
	}
}

// A promoted server that has had no replica for a while does not say any more whom it has followed. Nothing is lost by that, whoever meets it
// first: a heartbeat or a bounce.
func TestPromotedServerForgetsWhomItFollowed(t *testing.T) {
	t.Parallel()
	master := startServer(t, "--repl-diskless-sync-delay", "0")
	record(t, open(t, master.url("")), key(1))
	host, port, _ := strings.Cut(master.Addr, ":")
	promoted := startServer(t, "--replicaof", host, port, "--repl-backlog-ttl", "0")
	admin := promoted.admin(t)
	eventually(t, "the replica has the record", func() bool { return admin.Exists(t.Context(), "bouncefilter:state").Val() == 1 })
	followed := func() string {
		_, id, _ := strings.Cut(admin.Info(t.Context(), "replication").Val(), "master_replid2:")
		return strings.Trim(id[:40], "0")
	}
	if err := admin.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(); err != nil || followed() == "" {
		t.Fatalf("%v, followed %q: this test shows nothing", err, followed())
	}
	s := open(t, promoted.url(""))
	examine(t, s)
	beat(t, s)
	before, err := s.Lookup(t.Context(), today(), nil)
	if err != nil {
		t.Fatal(err)
	}
	set(t, promoted, "repl-backlog-ttl", "1")
	eventually(t, "it forgets", func() bool { return followed() == "" })
	newConnections(t, promoted)
	_ = s.Heartbeat(t.Context(), store.Node{Name: "a", At: time.Now()}) // may still be sent on a connection that was closed
	beat(t, s)
	examine(t, s)
	if after, err := s.Lookup(t.Context(), today(), nil); err != nil || !after.Complete.Equal(before.Complete) {
		t.Errorf("before %+v, after %+v, %v", before.Complete, after.Complete, err)
	}
}

// examine lets a Store examine its shards, as a daemon does each minute.
func examine(t *testing.T, s store.Store) {
	t.Helper()
	if _, err := s.FirstSigned(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func beat(t *testing.T, s store.Store) {
	t.Helper()
	if err := s.Heartbeat(t.Context(), store.Node{Name: "a", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
}
