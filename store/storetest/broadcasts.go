package storetest

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bouncefilter/bouncefilter/store"
)

func testBroadcasts(t *testing.T, newStore func(t *testing.T) store.Store) {
	day := today()
	s := newStore(t)
	publish := func(n store.Broadcast, onlyNew, want bool) {
		t.Helper()
		if done, err := s.Publish(t.Context(), n, onlyNew); err != nil || done != want {
			t.Errorf("Publish %s: %t, %v, want %t", n.Name, done, err, want)
		}
	}
	check := func(topic string, on store.Day, want string) {
		t.Helper()
		ns, err := s.Broadcasts(t.Context(), topic, on)
		if err != nil {
			t.Fatalf("Broadcasts: %v", err)
		}
		var got []string
		for _, n := range ns {
			if n.Topic != topic {
				t.Errorf("%s has the topic %q", n.Name, n.Topic)
			}
			got = append(got, n.Name+"="+string(n.Value))
		}
		slices.Sort(got)
		if list := strings.Join(got, " "); list != want {
			t.Errorf("broadcasts of %q on day %d: %q, want %q", topic, on-day, list, want)
		}
	}
	check("a", day, "")
	publish(store.Broadcast{Topic: "a", Name: "x", Value: []byte("1 \x00\xff2"), Expires: day + 1}, false, true)
	publish(store.Broadcast{Topic: "a", Name: "y", Value: nil, Expires: day}, true, true)
	publish(store.Broadcast{Topic: "ab", Name: "x", Value: []byte("other"), Expires: day + 100}, true, true)
	check("a", day, "x=1 \x00\xff2 y=")
	check("a", day+1, "x=1 \x00\xff2")
	check("a", day+2, "")
	publish(store.Broadcast{Topic: "a", Name: "x", Value: []byte("second"), Expires: day + 5}, true, false)
	check("a", day+1, "x=1 \x00\xff2")
	publish(store.Broadcast{Topic: "a", Name: "x", Value: []byte("second"), Expires: day + 5}, false, true)
	check("a", day+1, "x=second")
	publish(store.Broadcast{Topic: "a", Name: "z", Value: []byte("old"), Expires: day - 1}, false, true)
	publish(store.Broadcast{Topic: "a", Name: "z", Value: []byte("new"), Expires: day + 1}, true, true)
	for _, name := range []string{"x", "x", "nobody"} {
		if err := s.Withdraw(t.Context(), "a", name); err != nil {
			t.Errorf("Withdraw: %v", err)
		}
	}
	check("a", day+1, "z=new")
	check("ab", day+1, "x=other")

	t.Run("one of many is the first", func(t *testing.T) {
		var first atomic.Int32
		var callers sync.WaitGroup
		for range 16 {
			callers.Go(func() {
				done, err := s.Publish(t.Context(), store.Broadcast{Topic: "race", Name: "n", Expires: day + 1}, true)
				if err != nil {
					t.Errorf("Publish: %v", err)
				}
				if done {
					first.Add(1)
				}
			})
		}
		callers.Wait()
		if n := first.Load(); n != 1 {
			t.Errorf("%d callers published a new broadcast", n)
		}
	})
}
