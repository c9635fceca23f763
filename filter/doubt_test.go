package filter

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
)

func TestSilentNodes(t *testing.T) {
	seen := func(name string, ago time.Duration) store.Node {
		return store.Node{Name: name, Seen: testDay.Add(-ago)}
	}
	for _, tt := range []struct {
		name  string
		nodes []store.Node
		want  string
	}{
		{"no node", nil, ""},
		{"one alone, even if it was silent", []store.Node{seen("a", time.Hour)}, ""},
		{"all are there", []store.Node{seen("a", time.Second), seen("b", store.HeartbeatTimeout)}, ""},
		{"one is silent", []store.Node{seen("a", 0), seen("b", store.HeartbeatTimeout+time.Millisecond)}, "b"},
		{"two are silent", []store.Node{seen("a", 24*time.Hour), seen("b", 0), seen("c", time.Minute)}, "a c"},
		{"the clock of a node does not matter", []store.Node{{Name: "a", Seen: testDay, At: testDay.AddDate(0, 0, 1)}, {Name: "b", Seen: testDay, At: testDay.AddDate(0, 0, -1)}}, ""},
	} {
		silent, _ := silentNodes(tt.nodes)
		if got := strings.Join(silent, " "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A bounce that names a message which is not on record is refused, and only deferred while a node is silent or nobody knows.
func TestNothingIsRefusedForGoodWhileANodeIsSilent(t *testing.T) {
	ago := func(d time.Duration) time.Time { return testDay.Add(-d) }
	self := store.Node{Name: "test", Seen: testDay}
	st := &fakeStore{answer: store.Answer{Found: make([]bool, 99), Counts: make([]uint32, 99), Complete: store.Completeness{Since: testDay.AddDate(0, 0, -99)}}}
	f := startWith(t, st, nil, nil)
	f.server.witnessed.Store(true)
	f.server.nodes.advanced = time.Time{}
	st.alive.Store(true)
	for _, step := range []struct {
		name   string
		nodes  []store.Node
		later  time.Duration // of this host's clock, since the nodes were looked at
		action string
		log    string
	}{
		{"all are there", []store.Node{self, {Name: "b", Seen: ago(time.Second)}}, 0, "reject", ""},
		{"one is silent", []store.Node{self, {Name: "b", Seen: ago(time.Minute)}}, 0, "defer", "a node is silent"},
		{"it is back", []store.Node{self, {Name: "b", Seen: testDay.Add(time.Second)}}, 0, "reject", "all nodes are back"},
		{"nobody was heard of for a while", []store.Node{self}, store.HeartbeatTimeout + time.Second, "defer", ""},
	} {
		f.setClock(testDay)
		st.nodes = step.nodes
		from := len(f.log.String())
		f.server.watchNodes(t.Context())
		f.setClock(testDay.Add(step.later))
		f.outsideMTA().deliver("<>", "<user@example.com>", fmt.Sprintf(awayText, sentID))
		if log := f.log.String()[from:]; !strings.Contains(log, "reason=untagged action="+step.action) || !strings.Contains(log, step.log) {
			t.Errorf("%s: want %q and %s, got:\n%s", step.name, step.log, step.action, log)
		}
	}
}

// A node that was silent and is known no longer, whoever removed it, has taken to the grave what it had to record.
func TestASilentNodeThatIsGoneIsAGapInTheRecord(t *testing.T) {
	st := &fakeStore{}
	f := startWith(t, st, nil, nil)
	self, back := store.Node{Name: "test", Seen: testDay}, store.Node{Name: "b", Seen: testDay}
	silent := back
	silent.Seen = testDay.Add(-time.Minute)
	down := fmt.Errorf("down: %w", store.ErrUnavailable)
	tomorrow := (store.DayOf(testDay) + 1).Time()
	for _, step := range []struct {
		name   string
		nodes  []store.Node
		forgot time.Time
		silent int
		err    error
	}{
		{"it runs", []store.Node{self, back}, time.Time{}, 0, nil},
		{"it was stopped", []store.Node{self}, time.Time{}, 0, nil},
		{"it is silent", []store.Node{self, silent}, time.Time{}, 1, nil},
		{"it is back", []store.Node{self, back}, time.Time{}, 0, nil},
		{"it is silent again", []store.Node{self, silent}, time.Time{}, 1, nil},
		{"the store does not answer", []store.Node{self}, time.Time{}, 1, down},
		{"it was removed", []store.Node{self}, tomorrow, 0, nil},
		{"that is told once", []store.Node{self}, time.Time{}, 0, nil},
	} {
		st.nodes, st.err, st.forgot = step.nodes, step.err, time.Time{}
		f.server.watchNodes(t.Context())
		if !st.forgot.Equal(step.forgot) || f.server.silent() != step.silent {
			t.Errorf("%s: forgot until %v, %d silent; want %v, %d", step.name, st.forgot, f.server.silent(), step.forgot, step.silent)
		}
	}
}

// After the store has failed, the records that another node has kept may come later than the answers that this one gets.
func TestNothingIsRefusedForGoodBeforeTheOthersWereHeardAfterAnOutage(t *testing.T) {
	at := func(d time.Duration) time.Time { return testDay.Add(d) }
	complete := store.Answer{Found: make([]bool, 99), Counts: make([]uint32, 99), Complete: store.Completeness{Since: testDay.AddDate(0, 0, -99)}}
	st := &failingStore{fakeStore: fakeStore{answer: complete}}
	f := startWith(t, st, nil, nil)
	f.server.witnessed.Store(true)
	nodes := func(b, c time.Duration) []store.Node {
		return []store.Node{{Name: f.server.node, Seen: at(b + time.Second)}, {Name: "b", Seen: at(b)}, {Name: "c", Seen: at(c)}}
	}
	for _, step := range []struct {
		name   string
		fails  bool // a lookup, before the nodes are looked at
		look   bool // at the nodes
		nodes  []store.Node
		action string
	}{
		{"all were heard", false, true, nodes(0, 0), "reject"},
		{"the store has failed a moment ago", true, false, nil, "defer"},
		{"what the others have said may be from before", false, true, nodes(time.Second, 2*time.Second), "defer"},
		{"one of them has not said anything since", false, true, nodes(3*time.Second, 2*time.Second), "defer"},
		{"it has said that it stops", false, true, nodes(4*time.Second, 0)[:2], "reject"},
		{"the store has failed since they were looked at", true, true, nodes(5*time.Second, 5*time.Second), "defer"},
		{"it was heard before the other", false, true, nodes(5*time.Second, 6*time.Second), "defer"},
		{"all were heard again", false, true, nodes(6*time.Second, 6*time.Second), "reject"},
	} {
		if step.fails {
			st.fails.Store(true)
			f.outsideMTA().deliver("<>", "<user@example.com>", fmt.Sprintf(awayText, sentID))
			st.fails.Store(false)
			for end := time.Now().Add(10 * time.Second); !f.server.store.Available(); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the store is still unavailable")
				}
			}
		}
		if step.look {
			st.nodes = step.nodes
			f.server.watchNodes(t.Context())
		}
		from := len(f.log.String())
		st.alive.Store(step.action == "reject") // and so they say when they are heard once more
		f.outsideMTA().deliver("<>", "<user@example.com>", fmt.Sprintf(awayText, sentID))
		st.alive.Store(false)
		if log := f.log.String()[from:]; !strings.Contains(log, "reason=untagged action="+step.action) {
			t.Errorf("%s: want %s, got:\n%s", step.name, step.action, log)
		}
	}
}

// failingStore does not answer lookups while it fails.
type failingStore struct {
	fakeStore
	fails atomic.Bool
}

func (s *failingStore) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	if s.fails.Load() {
		return store.Answer{}, store.ErrUnavailable
	}
	return s.fakeStore.Lookup(ctx, today, qs)
}
