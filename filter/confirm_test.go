package filter

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
)

func TestAllHeard(t *testing.T) {
	at := func(a, b time.Duration) map[string]time.Time {
		return map[string]time.Time{"a": testDay.Add(a), "b": testDay.Add(b)}
	}
	for _, tt := range []struct {
		name        string
		before, now map[string]time.Time
		want        bool
	}{
		{"one has said something that was long under way", at(0, 9), at(5, 10), false},
		{"nobody else", nil, map[string]time.Time{}, true},
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
		if got := allHeard(tt.before, latest, tt.now); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

// askedStore counts how often it is asked for its nodes.
type askedStore struct {
	fakeStore
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

func TestHearingOthers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		seen  func(since time.Duration) time.Duration // the announcement of the other node, when so much time has passed; negative: the store does not answer
		alone bool
		want  bool
		took  time.Duration // at most
		asked int32         // at most
	}{
		{"a host alone hears nobody", func(d time.Duration) time.Duration { return 0 }, true, true, 0, 0},
		{"the other says so in time", func(d time.Duration) time.Duration { return d.Truncate(store.HeartbeatInterval) }, false, true, store.HeartbeatInterval + 2*hearPause, 12},
		{"the other is silent", func(d time.Duration) time.Duration { return 0 }, false, false, hearPatience + hearPause, 30},
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
				s := &Server{store: guard.New(st, guard.Options{}), node: "here"}
				defer s.store.Close()
				s.hearing.waiting = make(chan struct{}, maxHearing)
				s.nodes.others = !tt.alone
				var heard, deferred atomic.Int32
				var waiters sync.WaitGroup
				for range maxHearing + 5 {
					waiters.Go(func() {
						if s.heardOthers() {
							heard.Add(1)
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
					want = maxHearing + 5
				case tt.want:
					want = maxHearing
				}
				if heard.Load() != want {
					t.Errorf("%d were told yes, want %d", heard.Load(), want)
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

// A node is cut off, and nobody knows yet. It has signed the mail that the receipt answers, and writes it down while the receipt waits.
func TestRecordThatComesWhileABounceWaits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		heard  bool
		comes  bool
		action string
	}{
		{"it comes before the node is heard", true, true, "reason=valid-message action=accept"},
		{"nothing comes, and the node is heard", true, false, "reason=untagged action=reject"},
		{"the node is not heard", false, false, "reason=untagged action=defer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			st := &lateStore{comes: tt.comes}
			st.answer.Complete.Since = testDay.AddDate(0, 0, -99)
			st.nodes = []store.Node{{Name: "test", Seen: testDay}, {Name: "there", Seen: testDay}}
			f := startWith(t, st, nil, nil)
			f.server.witnessed.Store(true)
			f.server.watchNodes(t.Context())
			st.alive.Store(tt.heard)
			f.outsideMTA().deliver("<>", "<user@example.com>", fmt.Sprintf(awayText, sentID))
			if log := f.log.String(); !strings.Contains(log, tt.action) {
				t.Errorf("want %s, got:\n%s", tt.action, log)
			}
		})
	}
}

// lateStore finds everything from the second lookup on.
type lateStore struct {
	fakeStore
	comes   bool
	lookups atomic.Int32
}

func (s *lateStore) Lookup(_ context.Context, _ store.Day, qs []store.Query) (store.Answer, error) {
	a := s.answer
	a.Found, a.Counts = make([]bool, len(qs)), make([]uint32, len(qs))
	if s.lookups.Add(1) > 1 && s.comes {
		for i := range a.Found {
			a.Found[i] = i == 1 // the message; the first query is for mail that was left unsigned
		}
	}
	return a, nil
}
