package filter

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

// A bounce that names a message which is not on record is refused, and only deferred while a node is silent or that cannot be known.
func TestNothingIsRefusedForGoodWhileANodeIsSilent(t *testing.T) {
	ago := func(d time.Duration) time.Time { return testDay.Add(-d) }
	self := store.Node{Name: "test", Seen: testDay}
	st := &storetest.Fake{Answer: storetest.NothingFound(testDay.AddDate(0, 0, -99))}
	f := startWith(t, st, nil, nil)
	f.server.view.RefreshRecord(t.Context())
	st.Beating.Store(true)
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
		{"no heartbeat came for a while", []store.Node{self}, store.HeartbeatTimeout + time.Second, "defer", ""},
	} {
		f.setClock(testDay)
		st.Known = step.nodes
		from := len(f.log.String())
		f.server.view.RefreshNodes(t.Context())
		f.mu.Lock()
		f.clock = testDay.Add(step.later)
		f.mu.Unlock()
		f.outsideMTA().deliver("<>", "<user@example.com>", fmt.Sprintf(awayText, sentID))
		if log := f.log.String()[from:]; !strings.Contains(log, "reason=untagged action="+step.action) || !strings.Contains(log, step.log) {
			t.Errorf("%s: want %q and %s, got:\n%s", step.name, step.log, step.action, log)
		}
	}
}

// After the store has failed, the records in the journal of another node may come later than the answers that this one gets.
func TestNothingIsRefusedForGoodBeforeHeartbeatsOfTheOthersAfterAnOutage(t *testing.T) {
	at := func(d time.Duration) time.Time { return testDay.Add(d) }
	complete := storetest.NothingFound(testDay.AddDate(0, 0, -99))
	st := &failingStore{Fake: storetest.Fake{Answer: complete}}
	f := startWith(t, st, nil, nil)
	f.server.view.RefreshRecord(t.Context())
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
		{"heartbeats of all", false, true, nodes(0, 0), "reject"},
		{"the store has failed a moment ago", true, false, nil, "defer"},
		{"what the others have said may be from before", false, true, nodes(time.Second, 2*time.Second), "defer"},
		{"one of them has not said anything since", false, true, nodes(3*time.Second, 2*time.Second), "defer"},
		{"it has said that it stops", false, true, nodes(4*time.Second, 0)[:2], "reject"},
		{"the store has failed since they were looked at", true, true, nodes(5*time.Second, 5*time.Second), "defer"},
		{"its heartbeat came before that of the other", false, true, nodes(5*time.Second, 6*time.Second), "defer"},
		{"heartbeats of all again", false, true, nodes(6*time.Second, 6*time.Second), "reject"},
	} {
		if step.fails {
			st.fails.Store(true)
			f.outsideMTA().deliver("<>", "<user@example.com>", fmt.Sprintf(awayText, sentID))
			st.fails.Store(false)
			wait(t, "the store is still unavailable", f.server.store.Available)
		}
		if step.look {
			st.Known = step.nodes
			f.server.view.RefreshNodes(t.Context())
		}
		from := len(f.log.String())
		st.Beating.Store(step.action == "reject") // and more heartbeats come at the barrier
		f.outsideMTA().deliver("<>", "<user@example.com>", fmt.Sprintf(awayText, sentID))
		st.Beating.Store(false)
		if log := f.log.String()[from:]; !strings.Contains(log, "reason=untagged action="+step.action) {
			t.Errorf("%s: want %s, got:\n%s", step.name, step.action, log)
		}
	}
}

// failingStore does not answer lookups while it fails.
type failingStore struct {
	storetest.Fake
	fails atomic.Bool
}

func (s *failingStore) Lookup(ctx context.Context, today store.Day, qs []store.Query) (store.Answer, error) {
	if s.fails.Load() {
		return store.Answer{}, store.ErrUnavailable
	}
	return s.Fake.Lookup(ctx, today, qs)
}
