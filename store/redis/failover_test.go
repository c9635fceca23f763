package redis_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/redistest"
)

// load records tags with several workers until stop, and records which of them the store has acknowledged, and when.
type load struct {
	end     chan struct{}
	workers sync.WaitGroup
	next    atomic.Int64
	failed  atomic.Int64 // not for want of time

	mu    sync.Mutex
	acked map[int]time.Time
}

func startLoad(s store.Store) *load {
	l := &load{end: make(chan struct{}), acked: map[int]time.Time{}}
	for range 8 {
		l.workers.Go(func() {
			for {
				select {
				case <-l.end:
					return
				default:
				}
				n := int(l.next.Add(1))
				err := s.Record(context.Background(), today(), "example.com", store.Record{Key: key(n), Expires: today() + 7, Count: 1})
				if err != nil {
					if !late(err) {
						l.failed.Add(1)
					}
					time.Sleep(10 * time.Millisecond) // a breaker's place
					continue
				}
				l.mu.Lock()
				l.acked[n] = time.Now()
				l.mu.Unlock()
			}
		})
	}
	return l
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// await waits until so many more records were acknowledged.
func (l *load) await(t *testing.T, more int) {
	t.Helper()
	target := l.count() + more
	eventually(t, fmt.Sprintf("%d more records are acknowledged", more), func() bool { return l.count() >= target })
}

func (l *load) stop() {
	close(l.end)
	l.workers.Wait()
}

// check holds that each node finds what was acknowledged, or knows that it does not know.
func (l *load) check(t *testing.T, nodes map[string]store.Store) {
	t.Helper()
	for name, s := range nodes {
		missing, wrong := 0, 0
		for n, at := range l.acked {
			found, complete := lookAgain(t, s, key(n))
			if found {
				continue
			}
			missing++
			if !mayLack(complete, at) {
				wrong++
			}
		}
		t.Logf("%s: %d records were acknowledged, %d tries failed, %d records are missing, of %d of them the store claims that they never were",
			name, len(l.acked), l.failed.Load(), missing, wrong)
		if wrong > 0 {
			t.Errorf("%s: %d genuine bounces would be refused", name, wrong)
		}
	}
}

// lookAgain is look, repeated while the store does not answer: connections to the former master may break at any time.
func lookAgain(t *testing.T, s store.Store, k store.Key) (found bool, complete store.Completeness) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		a, err := s.Lookup(t.Context(), today(), store.AnyDay(k))
		if err == nil {
			return a.Found[0], a.Complete
		}
		if time.Now().After(end) {
			t.Fatalf("Lookup: %v", err)
		}
	}
}

// writable waits until the store takes records again.
func writable(t *testing.T, s store.Store) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := s.Record(t.Context(), today(), "", store.Record{Key: key(-1), Expires: today() + 7})
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after %v: %v", patience, err)
		}
	}
}

func TestSentinelFailoverUnderLoad(t *testing.T) {
	t.Parallel()
	set := redistest.StartSentinels(t)
	here, there := open(t, set.URL("")), open(t, set.URL(""))
	record(t, here, key(0))
	aged(t, set.Data[0].Client(t))
	l := startLoad(here)
	l.await(t, 500)
	look(t, there, key(0))
	master := set.Current(t)
	master.Kill(t)
	set.AwaitFailover(t, master)
	writable(t, here)
	l.await(t, 500)
	l.stop()
	l.check(t, map[string]store.Store{"this node": here, "another node": there, "a new node": open(t, set.URL(""))})
}

// The replicas have stopped following when the master dies: what it acknowledged last is lost, and both say nothing of it.
func TestReplicaWithLostWritesTakesOver(t *testing.T) {
	t.Parallel()
	set := redistest.StartSentinels(t)
	here, there := open(t, set.URL("")), open(t, set.URL(""))
	record(t, here, key(0))
	aged(t, set.Data[0].Client(t))
	l := startLoad(here)
	l.await(t, 200)
	look(t, there, key(0))
	master := set.Current(t)
	for _, s := range set.Data {
		if s != master {
			if err := s.Client(t).ReplicaOf(t.Context(), "127.0.0.1", "1").Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.await(t, 500)
	master.Kill(t)
	set.AwaitFailover(t, master)
	writable(t, here)
	l.await(t, 100)
	l.stop()
	missing := 0
	for n := range l.acked {
		if found, _ := lookAgain(t, there, key(n)); !found {
			missing++
		}
	}
	if missing < 300 {
		t.Errorf("only %d records were lost: this test shows little", missing)
	}
	l.check(t, map[string]store.Store{"this node": here, "another node": there, "a new node": open(t, set.URL(""))})
}

// A server follows another one for a while, as when old data are put back with REPLICAOF. It is the same process before and after.
func TestServerThatFollowedAnother(t *testing.T) {
	t.Parallel()
	a, b := redistest.Start(t, "--repl-diskless-sync-delay", "0"), redistest.Start(t, "--repl-diskless-sync-delay", "0")
	follow := func(s, master *redistest.Server) {
		t.Helper()
		host, port, _ := net.SplitHostPort(master.Addr)
		c := s.Client(t)
		if err := c.ReplicaOf(t.Context(), host, port).Err(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it follows", func() bool {
			return strings.Contains(c.Info(t.Context(), "replication").Val(), "master_link_status:up")
		})
	}
	promote := func(s *redistest.Server) {
		t.Helper()
		if err := s.Client(t).ReplicaOf(t.Context(), "NO", "ONE").Err(); err != nil {
			t.Fatal(err)
		}
	}
	record(t, open(t, "redis://"+a.Addr+"/0"), key(1))
	aged(t, a.Client(t))
	here := open(t, "redis://"+a.Addr+"/0")
	look(t, here, key(1))
	follow(b, a)
	promote(b)
	record(t, here, key(2))
	acknowledged := time.Now()

	follow(a, b)
	if err := here.Record(t.Context(), today(), "", store.Record{Key: key(3), Expires: today() + 7}); err == nil {
		t.Error("a replica takes records")
	}
	promote(a)
	for name, s := range map[string]store.Store{"this node": here, "a new node": open(t, "redis://"+a.Addr+"/0")} {
		found, complete := lookAgain(t, s, key(2))
		if found {
			t.Error("the record is there: this test shows nothing")
		}
		if !mayLack(complete, acknowledged) {
			t.Errorf("%s: complete %+v, a record that was acknowledged at %v is gone", name, complete, acknowledged)
		}
	}
}

func TestClusterFailoverUnderLoad(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	record(t, open(t, c.URL("")), key(0))
	admin := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{c.Servers[0].Addr}})
	defer admin.Close()
	aged(t, admin)
	here, there := open(t, c.URL("")), open(t, c.URL(""))
	l := startLoad(here)
	l.await(t, 1000)
	look(t, there, key(0))
	c.Masters(t)[1].Kill(t)
	c.AwaitComplete(t)
	writable(t, here)
	l.await(t, 1000)
	l.stop()
	l.check(t, map[string]store.Store{"this node": here, "another node": there, "a new node": open(t, c.URL(""))})
	t.Run("shards of the other masters still have their records", func(t *testing.T) {
		old := 0
		for n := range l.acked {
			if _, since := look(t, there, key(n)); !since.IsZero() && since.Before(time.Now().Add(-30*time.Minute)) {
				old++
			}
		}
		if share := float64(old) / float64(len(l.acked)); share < 0.4 || share > 0.9 {
			t.Errorf("%.0f %% of the senders have a complete record, want two thirds", 100*share)
		}
	})
}
