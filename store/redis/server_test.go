package redis_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
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
	s, err := redis.Open(context.Background(), url, hasher())
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

// openAged returns a Store of a server that has key(1) on record, and whose record is complete since an hour ago.
func (s *server) openAged(t *testing.T) *redis.Store {
	t.Helper()
	record(t, open(t, s.url("")), key(1))
	aged(t, s.admin(t))
	return open(t, s.url(""))
}

// hasher is that of the site of all tests.
func hasher() *store.Hasher { return store.NewHasher([]byte("hash secret of the tests")) }

func today() store.Day { return store.DayOf(time.Now()) }

func key(n int) store.Key {
	return store.NewHasher([]byte("test")).Tag(fmt.Sprintf("user%d@example.com", n), 0, 0)
}

// patience ends a test that hangs.
const patience = 5 * time.Minute

// late says whether a call failed for want of time only: that of a Store is bounded, and a busy machine may need more.
func late(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// unhurried repeats a call as long as it fails for want of time.
func unhurried(call func() error) error {
	for end := time.Now().Add(patience); ; {
		if err := call(); !late(err) || time.Now().After(end) {
			return err
		}
	}
}

// eventually polls until ok returns true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}

func record(t testing.TB, s store.Store, k store.Key) {
	t.Helper()
	r := store.Record{Key: k, Expires: today() + 7}
	if err := unhurried(func() error { return s.Record(t.Context(), today(), "example.com", r) }); err != nil {
		t.Fatalf("Record: %v", err)
	}
}

// sureSince is since when the record lacks nothing: the end of its last gap, or its beginning; the zero time if nothing vouches for it.
func sureSince(c store.Completeness) time.Time {
	if end := c.LastGapEnd(); !c.Since.IsZero() && end.After(c.Since) {
		return end
	}
	return c.Since
}

// mayLack says whether a record that was made at a time may be missing.
func mayLack(c store.Completeness, at time.Time) bool {
	return c.Since.IsZero() || c.Since.After(at) || slices.ContainsFunc(c.Gaps, func(g store.Gap) bool { return g.Overlaps(at, at) })
}

// look returns whether k is found, and since when the record lacks nothing.
func look(t testing.TB, s store.Store, k store.Key) (found bool, since time.Time) {
	t.Helper()
	var a store.Answer
	err := unhurried(func() (err error) {
		a, err = s.Lookup(t.Context(), today(), store.AnyDay(k))
		return err
	})
	if err != nil {
		t.Fatalf("Lookup: %v", err)
	}
	return a.Found[0], sureSince(a.Complete)
}
