package redis_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/redis"
)

// server is a redis-server of a test's own.
type server struct {
	dir    string
	socket string
	args   []string
	cmd    *exec.Cmd
}

// startServer starts a server that listens on a socket in a temporary folder and keeps nothing on disk, with more
// options. It ends with the test.
func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("BOUNCEFILTER_REQUIRE_SERVERS") != "" {
			t.Fatal("redis-server is not installed, and BOUNCEFILTER_REQUIRE_SERVERS is set")
		}
		t.Skip("redis-server is not installed; deploy/test installs it and runs this")
	}
	// Not t.TempDir: with the name of a subtest the path would be too long for a socket.
	dir, err := os.MkdirTemp("", "bf-redis")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &server{dir: dir, socket: filepath.Join(dir, "s"), args: args}
	s.start(t)
	t.Cleanup(func() { s.kill(t) })
	return s
}

func (s *server) start(t testing.TB) {
	t.Helper()
	s.cmd = exec.Command("redis-server", append([]string{
		"--port", "0", "--unixsocket", s.socket, "--unixsocketperm", "700", "--save", "", "--appendonly", "no",
		"--dir", s.dir, "--logfile", filepath.Join(s.dir, "log"),
	}, s.args...)...)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c := goredis.NewClient(&goredis.Options{Network: "unix", Addr: s.socket, MaxRetries: -1})
		err := c.Ping(context.Background()).Err()
		c.Close()
		if err == nil || goredis.HasErrorPrefix(err, "NOAUTH") {
			return
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			t.Fatalf("redis-server does not answer: %v\n%s", err, log)
		}
	}
}

// kill ends the server as a crash would.
func (s *server) kill(t testing.TB) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Errorf("kill redis-server: %v", err)
	}
	_ = s.cmd.Wait() // It was killed, which Wait reports.
	s.cmd = nil
}

// admin returns a client to look behind the scenes with.
func (s *server) admin(t testing.TB) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Network: "unix", Addr: s.socket})
	t.Cleanup(func() { c.Close() })
	return c
}

// url is that of the server, with options such as "?db=1".
func (s *server) url(options string) string { return "unix:" + s.socket + options }

// as is the URL for a user.
func (s *server) as(user, password string) string {
	return "unix://" + url.UserPassword(user, password).String() + "@" + s.socket
}

func open(t testing.TB, url string) *redis.Store {
	t.Helper()
	s, err := redis.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func today() store.Day { return store.DayOf(time.Now()) }

func key(n int) store.Key {
	return store.NewHasher([]byte("test")).Tag(fmt.Sprintf("user%d@example.com", n), 0, 0)
}

func record(t testing.TB, s store.Store, k store.Key) {
	t.Helper()
	r := store.Record{Key: k, Expires: today() + 7}
	if err := s.Record(t.Context(), today(), "example.com", r); err != nil {
		t.Fatalf("Record: %v", err)
	}
}

// look returns whether k is found, and since when the memory is complete.
func look(t testing.TB, s store.Store, k store.Key) (found bool, since time.Time) {
	t.Helper()
	a, err := s.Lookup(t.Context(), today(), store.AnyDay(k))
	if err != nil {
		t.Fatalf("Lookup: %v", err)
	}
	return a.Found[0], a.Memory.Since
}
