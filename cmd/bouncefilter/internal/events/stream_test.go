package events

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store/redistest"
)

// aclCommand is what the manual tells the operator to do on the server.
func aclCommand(t *testing.T) []any {
	t.Helper()
	manual, err := os.ReadFile("../../../../deploy/manual.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^redis-cli (ACL SETUSER bouncefilter-events .*)$`).FindSubmatch(manual)
	if m == nil {
		t.Fatal("the manual has no user for the stream")
	}
	var args []any
	for _, word := range strings.Fields(string(m[1])) {
		args = append(args, strings.Trim(word, "'"))
	}
	return args
}

// Events are entries of the stream, which the user of the manual may add and do nothing else; the stream is cut.
func TestStream(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client(t)
	ctx := t.Context()
	if err := client.Do(ctx, aclCommand(t)...).Err(); err != nil {
		t.Fatal(err)
	}
	s, err := newStream("redis://bouncefilter-events:password@"+server.Addr+"/0", "bouncefilter-events", 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if n, err := s.deliver(ctx, numbered(0, 3)); n != 3 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	entries := client.XRange(ctx, "bouncefilter-events", "-", "+").Val()
	if len(entries) != 3 || entries[1].Values["id"] != "evt_1" || entries[1].Values["event"] != `{"id":"evt_1"}` {
		t.Errorf("entries %+v", entries)
	}
	for range 40 {
		if n, err := s.deliver(ctx, numbered(0, 100)); n != 100 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	if n := client.XLen(ctx, "bouncefilter-events").Val(); n < 1000 || n > 1200 {
		t.Errorf("%d entries of about 1000", n)
	}
	other, err := newStream("redis://bouncefilter-events:password@"+server.Addr+"/0", "bouncefilter:x", 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	if n, err := other.deliver(ctx, numbered(0, 1)); n != 0 || err == nil || !strings.Contains(err.Error(), "NOPERM") || strings.Contains(err.Error(), "password@") {
		t.Errorf("a key of the store: %d, %v", n, err)
	}
	if err := client.Del(ctx, "bouncefilter-events").Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.Set(ctx, "bouncefilter-events", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := s.deliver(ctx, numbered(0, 2)); n != 0 || err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("a key of another type: %d, %v", n, err)
	}
}

// A server that is restarted, or hangs, is an error in time, and takes events when it is back.
func TestStreamOverAnOutage(t *testing.T) {
	server := redistest.Start(t)
	s, err := newStream("redis://"+server.Addr, "x", 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	deliver := func(what string, want int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if n, err := s.deliver(ctx, numbered(0, 2)); n != want || (err == nil) != (want == 2) {
			t.Errorf("%s: %d, %v", what, n, err)
		}
	}
	deliver("at first", 2)
	server.Pause(t)
	deliver("it hangs", 0)
	server.Resume(t)
	server.Kill(t)
	deliver("it is down", 0)
	server.Start(t)
	deliver("it is back", 2)
}

// The URLs of Sentinels and of a Cluster are those of a store.
func TestStreamInACluster(t *testing.T) {
	cluster := redistest.StartCluster(t)
	cluster.AwaitComplete(t)
	s, err := newStream(cluster.URL(""), "bouncefilter-events", 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if n, err := s.deliver(t.Context(), numbered(0, 3)); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestStreamOfSentinels(t *testing.T) {
	sentinels := redistest.StartSentinels(t)
	s, err := newStream(sentinels.URL(""), "bouncefilter-events", 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if n, err := s.deliver(t.Context(), numbered(0, 3)); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n := sentinels.Current(t).Client(t).XLen(t.Context(), "bouncefilter-events").Val(); n != 3 {
		t.Errorf("%d entries at the master", n)
	}
}
