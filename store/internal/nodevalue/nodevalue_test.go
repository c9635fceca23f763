package nodevalue

import (
	"reflect"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

// FuzzParse: a heartbeat that is parsed and written again is the same, has the name under which it is, and is no older than the retention.
func FuzzParse(f *testing.F) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	f.Add(`{"name":"mx1","at":"2026-11-30T12:00:00Z","seen":"2026-11-30T12:00:00Z","keys":[{"number":1,"signs":true,"key_id":"x"}],"instance":"i"}`)
	f.Add(`{"seen":"2026-11-01T12:00:00Z"}`)
	f.Add(`{"seen":"2026-11-30T12:00:00+23:59"}`)
	f.Add(`null`)
	f.Add(`{"name":"mx2","seen":"2026-11-30T12:00:00Z"}`)
	f.Fuzz(func(t *testing.T, stored string) {
		n, ok := Parse("mx1", stored, now)
		if !ok {
			return
		}
		if n.Name != "mx1" {
			t.Errorf("%q has the name %q", stored, n.Name)
		}
		if now.Sub(n.Seen) > store.NodeRetention {
			t.Errorf("%q is older than the retention", stored)
		}
		again, err := Format(n)
		if err != nil {
			t.Fatalf("%q: %v", stored, err)
		}
		if m, ok := Parse("mx1", string(again), now); !ok || !reflect.DeepEqual(m.Keys, n.Keys) || m.Name != n.Name || !m.Seen.Equal(n.Seen) || !m.At.Equal(n.At) || m.Instance != n.Instance {
			t.Errorf("%q: %+v became %+v", stored, n, m)
		}
	})
}
