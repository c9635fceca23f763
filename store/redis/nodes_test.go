package redis_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// A node removes heartbeats that no reader uses any more, and reads all of them for that only now and then.
func TestOldHeartbeatsAreRemoved(t *testing.T) {
	srv := startServer(t)
	s := open(t, srv.url(""))
	admin := srv.admin(t)
	const hash = "bouncefilter:nodes"
	old := hasher().Sign(`{"name":"gone","seen":"`+time.Now().Add(-store.NodeRetention-time.Hour).UTC().Format(time.RFC3339)+`"}`, hash, "gone")
	leave := func() {
		t.Helper()
		if err := admin.HSet(t.Context(), hash, "gone", old).Err(); err != nil {
			t.Fatal(err)
		}
	}
	fields := func() []string { return slices.Sorted(maps.Keys(admin.HGetAll(t.Context(), hash).Val())) }
	leave()
	if err := s.Heartbeat(t.Context(), store.Node{Name: "n"}); err != nil {
		t.Fatal(err)
	}
	if got := fields(); !slices.Equal(got, []string{"n"}) {
		t.Errorf("after the first heartbeat: %q", got)
	}
	leave()
	admin.ConfigResetStat(t.Context())
	for range 3 {
		if err := s.Heartbeat(t.Context(), store.Node{Name: "n"}); err != nil {
			t.Fatal(err)
		}
	}
	stats := admin.Info(t.Context(), "commandstats").Val()
	if strings.Contains(stats, "cmdstat_hgetall") || !strings.Contains(stats, "cmdstat_hset:calls=3") {
		t.Errorf("three more heartbeats: %s", stats)
	}
}
