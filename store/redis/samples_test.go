package redis_test

import (
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store/redis"
)

// lossFound says whether the next examination marks the record of s incomplete until now.
func lossFound(t *testing.T, s *redis.Store) bool {
	t.Helper()
	now := time.Now()
	examine(t, s)
	_, since := look(t, s, key(1))
	return since.After(now)
}

// Records are removed, and the start of the record stays.
func TestRemovedRecordsAreMissed(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s, admin := srv.openAged(t), srv.admin(t)
	for n := range 1000 {
		record(t, s, key(n))
	}
	if lossFound(t, s) {
		t.Fatal("a loss is found that was none")
	}
	buckets := admin.Keys(t.Context(), "bouncefilter:records:*").Val()
	for _, name := range buckets[:len(buckets)/2] {
		admin.Del(t.Context(), name)
	}
	if !lossFound(t, s) || s.Doubts().Missing == 0 {
		t.Errorf("half of the records were removed, and nothing is missed: %+v", s.Doubts())
	}
}

// A virtual machine is set back to a snapshot: the process is the one of then, and what was recorded since is gone.
func TestASnapshotWithTheSameProcessIsALoss(t *testing.T) {
	t.Parallel()
	srv := startServer(t, "--dbfilename", "dump.rdb", "--enable-debug-command", "yes")
	s, admin := srv.openAged(t), srv.admin(t)
	for n := range 300 {
		record(t, s, key(n))
	}
	if lossFound(t, s) {
		t.Fatal("a loss is found that was none")
	}
	if err := admin.Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	for n := range 3 { // as many as fit between two examinations of an idle site
		record(t, s, key(1000+n))
	}
	if err := admin.Do(t.Context(), "DEBUG", "RELOAD", "NOSAVE").Err(); err != nil {
		t.Fatal(err)
	}
	if found, since := look(t, s, key(1000)); found || time.Since(since) < 30*time.Minute {
		t.Fatalf("found %t, since %v: this test shows nothing", found, since)
	}
	if !lossFound(t, s) {
		t.Error("no loss is found")
	}
}
