package filter

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/storetest"
)

// A node is cut off, which no other node knows yet. It has signed the mail that the receipt answers, and records it while the receipt waits.
func TestRecordThatComesWhileABounceWaits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		beats  bool
		comes  bool
		action string
	}{
		{"it comes before a heartbeat of the node", true, true, "reason=valid-message action=accept"},
		{"nothing comes, and then a heartbeat of the node", true, false, "reason=untagged action=reject"},
		{"the node sends no heartbeat", false, false, "reason=untagged action=defer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			st := &lateStore{comes: tt.comes}
			st.Answer.Complete.Since = testDay.AddDate(0, 0, -99)
			st.Known = []store.Node{{Name: "test", Seen: testDay}, {Name: "there", Seen: testDay}}
			f := startWith(t, st, nil, nil)
			f.server.view.RefreshRecord(t.Context())
			f.server.view.RefreshNodes(t.Context())
			st.Beating.Store(tt.beats)
			f.outsideMTA().deliver("<>", "<user@example.com>", fmt.Sprintf(awayText, sentID))
			if log := f.log.String(); !strings.Contains(log, tt.action) {
				t.Errorf("want %s, got:\n%s", tt.action, log)
			}
		})
	}
}

// lateStore finds everything from the second lookup on.
type lateStore struct {
	storetest.Fake
	comes   bool
	lookups atomic.Int32
}

func (s *lateStore) Lookup(_ context.Context, _ store.Day, qs []store.Query) (store.Answer, error) {
	a := s.Answer
	a.Found, a.Counts = make([]bool, len(qs)), make([]uint32, len(qs))
	if s.lookups.Add(1) > 1 && s.comes {
		for i := range a.Found {
			a.Found[i] = i == 1 // the message; the first query is for mail that was left unsigned
		}
	}
	return a, nil
}
