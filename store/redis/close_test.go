package redis_test

import (
	"os"
	"runtime"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store/redis"
	"github.com/bouncefilter/bouncefilter/store/redistest"
)

// What a Store runs and has open ends with Close, also after a master was replaced and connections were cut.
func TestCloseEndsEverything(t *testing.T) {
	set, cluster := redistest.StartSentinels(t), redistest.StartCluster(t)
	single := redistest.Start(t)
	for _, test := range []struct {
		name, url string
		fault     func()
		servers   []*redistest.Server
	}{
		{"single", "redis://" + single.Addr, func() { single.Kill(t); single.Start(t) }, []*redistest.Server{single}},
		{"Sentinels", set.URL(""), func() { m := set.Current(t); m.Kill(t); set.AwaitFailover(t, m) }, set.Data},
		{"cluster", cluster.URL(""), func() { cluster.Masters(t)[0].Kill(t); cluster.AwaitComplete(t) }, cluster.Servers},
	} {
		t.Run(test.name, func(t *testing.T) {
			inUse := func() (goroutines, files int) {
				fds, err := os.ReadDir("/proc/self/fd")
				if err != nil {
					t.Skip("this system does not show which files are open")
				}
				return runtime.NumGoroutine(), len(fds)
			}
			test.fault() // Its helpers leave connections that they close later; they are there before and after.
			var admins []*goredis.Client
			for _, s := range test.servers {
				if s.Running() {
					admin := s.Client(t)
					admin.Ping(t.Context())
					admins = append(admins, admin)
				}
			}
			goroutines, files := inUse()
			s, err := redis.Open(t.Context(), test.url, hasher())
			if err != nil {
				t.Fatal(err)
			}
			writable(t, s)
			for n := range 50 {
				record(t, s, key(n))
				lookAgain(t, s, key(n))
			}
			for _, admin := range admins {
				if err := admin.ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
					t.Fatal(err)
				}
			}
			for n := range 50 {
				lookAgain(t, s, key(n))
			}
			if g, f := inUse(); f <= files {
				t.Errorf("%d goroutines and %d files before, %d and %d in use: this test shows nothing", goroutines, files, g, f)
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
				g, f := inUse()
				if g <= goroutines && f <= files {
					break
				}
				if time.Now().After(end) {
					buf := make([]byte, 1<<16)
					t.Errorf("%d goroutines and %d files before, %d and %d after Close\n%s", goroutines, files, g, f, buf[:runtime.Stack(buf, true)])
					break
				}
			}
		})
	}
}
