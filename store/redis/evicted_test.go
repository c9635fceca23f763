package redis_test

import (
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store/redis"
)

// newConnections lets all clients of the server connect anew, as they do after a while.
func newConnections(t *testing.T, srv *server) {
	t.Helper()
	if err := srv.admin(t).Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
		t.Fatal(err)
	}
}

// A server evicts records for a while, and is then set to noeviction, as the log asks for. What it evicted is missing nevertheless.
func TestWhatWasEvictedIsMissingAfterThePolicyWasPutRight(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	here, admin := srv.openAged(t), srv.admin(t)
	if found, since := look(t, here, key(1)); !found || time.Since(since) < 30*time.Minute {
		t.Fatalf("found %t, Since %v", found, since)
	}
	set(t, srv, "maxmemory-policy", "volatile-ttl")
	set(t, srv, "maxmemory", "1")
	if n := admin.Exists(t.Context(), "bouncefilter:state").Val(); n != 1 {
		t.Fatal("the state was evicted as well: this test shows nothing")
	}
	eventually(t, "the records are evicted", func() bool { return len(admin.Keys(t.Context(), "bouncefilter:records:*").Val()) == 0 })
	set(t, srv, "maxmemory", "0")
	set(t, srv, "maxmemory-policy", "noeviction")
	evicted := time.Now()
	newConnections(t, srv)
	for name, s := range map[string]*redis.Store{"this node": here, "a new node": open(t, srv.url(""))} {
		found, complete := lookAgain(t, s, key(1))
		since := complete.Since
		if found {
			t.Error("the record is there: this test shows nothing")
		}
		if since.IsZero() || !since.After(evicted) {
			t.Errorf("%s: Since %v, records were evicted until %v", name, since, evicted)
		}
	}
}
