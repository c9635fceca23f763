package redis_test

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/bouncefilter/bouncefilter/store"
)

func TestAHashThatWasFilledIsNotRead(t *testing.T) { // alone, because it measures what is allocated
	srv := startServer(t)
	s, admin := open(t, srv.url("")), srv.admin(t)
	fill := func(hash string, from, to int) {
		t.Helper()
		_, err := admin.Pipelined(t.Context(), func(c goredis.Pipeliner) error {
			for n := from; n < to; n++ {
				c.HSet(t.Context(), hash, fmt.Sprint("n", n), "x")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		hash  string
		limit int
		read  func() error
	}{
		{"bouncefilter:broadcasts:a", 10_000, func() error { _, err := s.Broadcasts(t.Context(), "a", today()); return err }},
		{"bouncefilter:nodes", 1_000, func() error { _, err := s.Nodes(t.Context()); return err }},
	} {
		fill(tt.hash, 0, tt.limit)
		if err := tt.read(); err != nil {
			t.Errorf("%s at its limit: %v", tt.hash, err)
		}
		fill(tt.hash, tt.limit, tt.limit+1)
		before := s.Doubts().Crowded
		err := tt.read()
		if !errors.Is(err, store.ErrCrowded) || !strings.Contains(err.Error(), "DEL "+tt.hash) || s.Doubts().Crowded != before+1 {
			t.Errorf("%s past its limit: %v", tt.hash, err)
		}
		// What it costs does not depend on how much is there.
		fill(tt.hash, tt.limit+1, 2*tt.limit)
		if octets := allocated(func() { _ = tt.read() }); octets > 64<<10 {
			t.Errorf("%s with twice as much: %d octets were allocated", tt.hash, octets)
		}
	}
}

// allocated returns how many octets f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	f()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestALongValueEndsTheConnectionBeforeItIsRead(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s, admin := open(t, srv.url("")), srv.admin(t)
	for hash, read := range map[string]func() error{
		"bouncefilter:broadcasts:a": func() error { _, err := s.Broadcasts(t.Context(), "a", today()); return err },
		"bouncefilter:domains":      func() error { _, err := s.FirstSigned(t.Context()); return err },
	} {
		admin.HSet(t.Context(), hash, "x", strings.Repeat("x", 16<<20))
		before := s.Doubts().Crowded
		if err := read(); !errors.Is(err, store.ErrCrowded) || s.Doubts().Crowded != before+1 {
			t.Errorf("%s: %v, counted %d times", hash, err, s.Doubts().Crowded-before)
		}
	}
	record(t, s, key(1))
	if found, _ := look(t, s, key(1)); !found {
		t.Error("the next connection does not find what was recorded")
	}
}

func TestAStateThatWasFilledVouchesForNothing(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	s, admin := open(t, srv.url("")), srv.admin(t)
	record(t, s, key(1))
	for n := admin.HLen(t.Context(), "bouncefilter:state").Val(); n < 256; n++ {
		admin.HSet(t.Context(), "bouncefilter:state", fmt.Sprint("x", n), "")
	}
	if _, since := look(t, s, key(1)); since.IsZero() {
		t.Error("at the limit it vouches for nothing")
	}
	admin.HSet(t.Context(), "bouncefilter:state", "y", "")
	a, err := s.Lookup(t.Context(), today(), store.AnyDay(key(1)))
	if err != nil || !a.Found[0] || !a.Complete.Since.IsZero() || !strings.Contains(a.Complete.Reason, "256 fields") {
		t.Errorf("%+v, %v", a, err)
	}
	admin.ConfigResetStat(t.Context())
	for range 5 {
		if again, err := s.Lookup(t.Context(), today(), store.AnyDay(key(1))); err != nil || !reflect.DeepEqual(again, a) {
			t.Errorf("again: %+v, %v", again, err)
		}
	}
	if stats := admin.Info(t.Context(), "commandstats").Val(); strings.Contains(stats, "cmdstat_hgetall") {
		t.Errorf("a state that was filled is read by each lookup: %s", stats)
	}
}
