package view

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/storetest"
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
		if got := strings.Join(names(silent), " "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// What a silent node had to record is lost when the node is known no longer.
func TestASilentNodeThatIsGoneIsAGapInTheRecord(t *testing.T) {
	st := &storetest.Fake{}
	f := start(t, st)
	self, back := store.Node{Name: "test", Seen: testDay}, store.Node{Name: "b", Seen: testDay}
	silent := back
	silent.Seen = testDay.Add(-time.Minute)
	down := fmt.Errorf("down: %w", store.ErrUnavailable)
	none := store.Gap{}
	for _, step := range []struct {
		name   string
		nodes  []store.Node
		marked store.Gap
		silent int
		err    error
	}{
		{"it runs", []store.Node{self, back}, none, 0, nil},
		{"it was stopped", []store.Node{self}, none, 0, nil},
		{"it is silent", []store.Node{self, silent}, none, 1, nil},
		{"it is back", []store.Node{self, back}, none, 0, nil},
		{"it is silent again", []store.Node{self, silent}, none, 1, nil},
		{"the store does not answer", []store.Node{self}, none, 1, down},
		{"it was removed", []store.Node{self}, silent.Unrecorded(testDay), 0, nil},
		{"that is marked once", []store.Node{self}, none, 0, nil},
	} {
		st.Known, st.Err, st.Incomplete = step.nodes, step.err, none
		f.RefreshNodes(t.Context())
		if st.Incomplete != step.marked || len(f.SilentNodes()) != step.silent {
			t.Errorf("%s: marked %v, %d silent; want %v, %d", step.name, st.Incomplete, len(f.SilentNodes()), step.marked, step.silent)
		}
	}
}
