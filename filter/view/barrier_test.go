package view

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

func TestAllPassed(t *testing.T) {
	at := func(a, b time.Duration) map[string]time.Time {
		return map[string]time.Time{"a": testDay.Add(a), "b": testDay.Add(b)}
	}
	for _, tt := range []struct {
		name        string
		before, now map[string]time.Time
		want        bool
	}{
		{"the heartbeat of one was long under way", at(0, 9), at(5, 10), false},
		{"no other node", nil, map[string]time.Time{}, true},
		{"both", at(0, 0), at(1, 1), true},
		{"one", at(0, 0), at(1, 0), false},
		{"neither", at(0, 0), at(0, 0), false},
		{"one has stopped", at(0, 0), map[string]time.Time{"a": testDay.Add(1)}, true},
		{"a new one has come", map[string]time.Time{"a": testDay}, at(1, 0), true},
		{"the store does not answer", at(0, 0), nil, false},
	} {
		latest := testDay
		for _, then := range tt.before {
			if then.After(latest) {
				latest = then
			}
		}
		if got := allPassed(tt.before, latest, tt.now); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

// askedStore counts how often it is asked for its nodes.
type askedStore struct {
	storetest.Fake
	asked atomic.Int32
	seen  func() time.Time // of the other node; the zero time if the store does not answer
}

func (s *askedStore) Nodes(context.Context) ([]store.Node, error) {
	s.asked.Add(1)
	if s.seen().IsZero() {
		return nil, store.ErrUnavailable
	}
	return []store.Node{{Name: "here", Seen: s.seen()}, {Name: "there", Seen: s.seen()}}, nil
}

func TestBarrier(t *testing.T) {
	for _, tt := range []struct {
		name  string
		seen  func(since time.Duration) time.Duration // the heartbeat of the other node, when so much time has passed; negative: the store does not answer
		alone bool
		want  bool
		took  time.Duration // at most
		asked int32         // at most
	}{
		{"a host alone waits for no other", func(d time.Duration) time.Duration { return 0 }, true, true, 0, 0},
		{"the other sends a heartbeat in time", func(d time.Duration) time.Duration { return d.Truncate(store.HeartbeatInterval) }, false, true, store.HeartbeatInterval + 2*barrierPause, 12},
		{"the other is silent", func(d time.Duration) time.Duration { return 0 }, false, false, barrierPatience + barrierPause, 30},
		{"the store does not answer", func(d time.Duration) time.Duration { return -1 }, false, false, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				st := &askedStore{seen: func() time.Time {
					if d := tt.seen(time.Since(began)); d >= 0 {
						return testDay.Add(d)
					}
					return time.Time{}
				}}
				g := guard.New(st, guard.Options{})
				defer g.Close()
				v := New(Options{Store: g, Hasher: store.NewHasher([]byte("hash secret")), Logger: slog.New(slog.DiscardHandler), Node: "here", Now: time.Now})
				v.nodes.others = !tt.alone
				var passed, deferred atomic.Int32
				var waiters sync.WaitGroup
				for range maxWaiting + 5 {
					waiters.Go(func() {
						if ok, _ := v.Barrier(); ok {
							passed.Add(1)
						} else if time.Since(began) == 0 {
							deferred.Add(1)
						}
					})
				}
				waiters.Wait()
				if took := time.Since(began); took > tt.took {
					t.Errorf("it took %v", took)
				}
				want := int32(0)
				switch {
				case tt.alone:
					want = maxWaiting + 5
				case tt.want:
					want = maxWaiting
				}
				if passed.Load() != want {
					t.Errorf("%d passed, want %d", passed.Load(), want)
				}
				if tt.want && !tt.alone && deferred.Load() != 5 {
					t.Errorf("%d of 5 too many were deferred at once", deferred.Load())
				}
				if n := st.asked.Load(); n > tt.asked && tt.took > 0 {
					t.Errorf("the store was asked %d times", n)
				}
			})
		})
	}
}
