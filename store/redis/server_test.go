package redis_test

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/redis"
	"github.com/bouncefilter/bouncefilter/store/redistest"
)

// server is a redis-server of a test's own, which is used over its unix socket.
type server struct{ *redistest.Server }

// startServer starts a server with more options. It ends with the test.
func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	return &server{redistest.Start(t, args...)}
}

// admin returns a client for what the package itself does not do.
func (s *server) admin(t testing.TB) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Network: "unix", Addr: s.Socket})
	t.Cleanup(func() { c.Close() })
	return c
}

// url is that of the server, with options such as "?db=1".
func (s *server) url(options string) string { return "unix:" + s.Socket + options }

// as is the URL for a user.
func (s *server) as(user, password string) string {
	return "unix://" + url.UserPassword(user, password).String() + "@" + s.Socket
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

// look returns whether k is found, and since when the record is complete.
func look(t testing.TB, s store.Store, k store.Key) (found bool, since time.Time) {
	t.Helper()
	a, err := s.Lookup(t.Context(), today(), store.AnyDay(k))
	if err != nil {
		t.Fatalf("Lookup: %v", err)
	}
	return a.Found[0], a.Complete.Since
}
