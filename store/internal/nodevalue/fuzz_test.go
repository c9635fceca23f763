package nodevalue_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/internal/nodevalue"
)

// What is read as a heartbeat of a node is written and read the same way again, is no older than heartbeats are kept, and is of the node
// under whose name it is stored.
func FuzzNode(f *testing.F) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for _, n := range []store.Node{{}, {Name: "mx", Seen: now}, {Name: "mx", Seen: now.Add(-store.NodeRetention)}} {
		text, err := nodevalue.Format(n)
		if err != nil {
			f.Fatal(err)
		}
		f.Add("mx", string(text))
	}
	for _, text := range []string{`{"name":"other","seen":"2026-11-30T12:00:00Z"}`, `{"seen":"9999-12-31T23:59:59-23:59"}`, "null", "[]", `{"Seen":1}`, "{", `{"keys":[{}]}`} {
		f.Add("mx", text)
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		n, ok := nodevalue.Parse(name, text, now)
		if !ok {
			return
		}
		if n.Name != name {
			t.Errorf("%q of %q is of %q", text, name, n.Name)
		}
		if now.Sub(n.Seen) > store.NodeRetention {
			t.Errorf("%q is read as %+v, which is too old", text, n)
		}
		written, err := nodevalue.Format(n)
		if err != nil {
			t.Fatalf("%q is read as %+v, which cannot be written: %v", text, n, err)
		}
		again, ok := nodevalue.Parse(name, string(written), now)
		if !ok || !again.Seen.Equal(n.Seen) {
			t.Errorf("%q is read as %+v, and that as %+v, %v", text, n, again, ok)
		}
		again.Seen = n.Seen
		if !reflect.DeepEqual(again, n) {
			t.Errorf("%q is read as %+v, and that as %+v", text, n, again)
		}
	})
}
