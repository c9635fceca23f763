package redis

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// A time that another process has taken than the one it names hides what that process has lost, but for what was there before.
func TestWhatAKeptTimeHides(t *testing.T) {
	const kept = "1795953600000" // 2026-11-29T12:00:00Z
	verify := func(_, field, stored string) (string, bool) { return stored, field == fieldKept+"a" && stored == kept }
	at := time.UnixMilli(1795953600000).Add(-startMargin)
	for _, tt := range []struct {
		name          string
		before, after process
		former        string
		err           error
		hidden        bool
		from          time.Time
	}{
		{name: "the process that is named", before: process{run: "a"}, after: process{run: "a"}, former: kept},
		{name: "another one", before: process{run: "b"}, after: process{run: "b"}, former: kept, hidden: true, from: at},
		{name: "another one, from the middle on", before: process{run: "a"}, after: process{run: "b"}, former: kept, hidden: true},
		{name: "another one, where no time was", before: process{run: "b"}, after: process{run: "b"}, err: redis.Nil, hidden: true},
		{name: "another one, where something else was", before: process{run: "b"}, after: process{run: "b"}, former: "1795953600001", hidden: true},
		{name: "another one that has evicted keys", before: process{run: "b"}, after: process{run: "b", evicted: true}, former: kept, hidden: true},
		{name: "one that is not known", former: kept, hidden: true},
	} {
		w := keptWrite{state: "s", run: "a", before: redis.NewIntCmd(t.Context()), after: redis.NewIntCmd(t.Context()), former: redis.NewStringCmd(t.Context())}
		w.former.SetVal(tt.former)
		w.former.SetErr(tt.err)
		by := &responders{all: []responder{{w.before, &tt.before}, {w.after, &tt.after}}}
		g, hidden := w.hides(by, verify)
		if hidden != tt.hidden || !g.From.Equal(tt.from) || hidden && time.Until(g.Until) < connLifetime {
			t.Errorf("%s: %v, %t; want from %v, %t", tt.name, g, hidden, tt.from, tt.hidden)
		}
	}
}
