package redis

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

func TestParseState(t *testing.T) {
	at := func(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
	verify := func(_, stored string) (string, bool) { return stored, stored == "" || stored[0] != '?' }
	for _, tt := range []struct {
		name   string
		fields map[string]string
		since  time.Time
		gaps   string
		layers int
		set    []string
		remove []string
		err    bool
	}{
		{name: "none", gaps: "[]"},
		{name: "begun", fields: map[string]string{"start": "1000", "run": "x", "p:3:9": ""}, since: at(1000), gaps: "[]", layers: 1},
		{name: "a loss", fields: map[string]string{"start": "1000", "gap:3000:5000": ""}, since: at(1000),
			gaps: "[1970-01-01T00:00:03Z to 1970-01-01T00:00:05Z]"},
		{name: "the latest loss without a beginning counts", fields: map[string]string{"start": "1000", "gap:0:3000": "", "gap:0:2000": ""}, since: at(3000),
			gaps: "[until 1970-01-01T00:00:03Z]", remove: []string{"gap:0:2000"}},
		{name: "losses that overlap", fields: map[string]string{"start": "1000", "gap:2000:4000": "", "gap:3000:5000": ""}, since: at(1000),
			gaps: "[1970-01-01T00:00:02Z to 1970-01-01T00:00:05Z]", set: []string{"gap:2000:5000"}, remove: []string{"gap:2000:4000", "gap:3000:5000"}},
		{name: "a loss from before it began", fields: map[string]string{"start": "5000", "gap:0:3000": ""}, since: at(5000), gaps: "[until 1970-01-01T00:00:03Z]"},
		{name: "a loss without a start", fields: map[string]string{"gap:0:3000": ""}, gaps: "[until 1970-01-01T00:00:03Z]"},
		{name: "a start that was not signed", fields: map[string]string{"start": "?1000", "gap:0:3000": ""}, gaps: "[until 1970-01-01T00:00:03Z]"},
		{name: "a time that was not signed", fields: map[string]string{"start": "1000", "run": "?x", "kept:x": "?soon"}, since: at(1000), gaps: "[]"},
		{name: "what a process has kept", fields: map[string]string{"start": "1000", "run": "x", "kept:x": "3000"}, since: at(1000), gaps: "[]"},
		{name: "a field of a later version", fields: map[string]string{"start": "1000", "other": "?"}, since: at(1000), gaps: "[]"},
		{name: "a layer of a later version", fields: map[string]string{"start": "1000", "p:3:99": "", "p:3:9": ""}, gaps: "[]", layers: 1},
		{name: "a layer in another form", fields: map[string]string{"start": "1000", "p:3": ""}, gaps: "[]"},
		{name: "a start that is none", fields: map[string]string{"start": "soon"}, err: true},
		{name: "a loss at no time", fields: map[string]string{"gap:0:soon": ""}, err: true},
		{name: "a loss since no time", fields: map[string]string{"gap:soon:1000": ""}, err: true},
		{name: "kept until no time", fields: map[string]string{"kept:x": "soon"}, err: true},
	} {
		m, err := parseState(tt.fields, verify)
		if (err != nil) != tt.err {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if tt.err {
			continue
		}
		set, remove := m.tidyGaps()
		slices.Sort(remove)
		if c := m.complete; !c.Since.Equal(tt.since) || fmt.Sprint(c.Gaps) != tt.gaps || len(m.layers) != tt.layers || !slices.Equal(set, tt.set) || !slices.Equal(remove, tt.remove) {
			t.Errorf("%s: %+v; set %q, remove %q", tt.name, m, set, remove)
		}
	}
}

// How much a server has lost that has taken another one's place.
func TestLostSince(t *testing.T) {
	const a, b = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	kept := map[string]time.Time{a: at, b: at.Add(-time.Hour)}
	for _, tt := range []struct {
		name  string
		p     process
		run   string // in the state
		last  string // that has answered this Store
		since time.Time
		lost  bool
	}{
		{name: "the same process", p: process{run: a}, run: a, last: a},
		{name: "the first that this Store knows", p: process{run: a}, run: a},
		{name: "a restart, or a replica", p: process{run: b + "-" + a}, run: a, last: a, since: at.Add(-startMargin), lost: true},
		{name: "another node has noted the successor", p: process{run: "c"}, run: "c", last: a, since: at.Add(-startMargin), lost: true},
		{name: "two successors", p: process{run: "c"}, run: a, last: b, since: at.Add(-time.Hour - startMargin), lost: true},
		{name: "no time of the former", p: process{run: a}, run: "d", last: a, lost: true},
		{name: "no process is noted", p: process{run: a}, run: "", lost: true},
		{name: "it has evicted keys before", p: process{run: b + "-7", evicted: true}, run: a, last: a, lost: true},
		{name: "it evicts keys", p: process{run: a + "-7", evicted: true}, run: a, last: a, lost: true},
		{name: "it may evict keys", p: process{run: a, fault: "it may evict"}, run: a, last: a, lost: true},
		{name: "its data took the place of its own", p: process{run: a + "-" + b}, run: a, last: a, since: at.Add(-startMargin), lost: true},
		{name: "its data took the place of its own, and no time of it is there", p: process{run: "d-" + b}, run: "d", last: "d", lost: true},
		{name: "it does not say any more whom it has followed", p: process{run: a}, run: a + "-" + b, last: a + "-" + b},
	} {
		var sh shard
		if tt.last != "" {
			sh.run.Store(&tt.last)
		}
		if since, lost := sh.lostSince(tt.p, shardState{run: tt.run, kept: kept}); !since.Equal(tt.since) || lost != tt.lost {
			t.Errorf("%s: since %v, lost %t; want %v, %t", tt.name, since, lost, tt.since, tt.lost)
		}
	}
}

func TestLayersGrowAndAreReadInTheirPeriods(t *testing.T) {
	var sh shard
	if got := sh.writeTo(10, 9); got != (layer{10, 9}) {
		t.Errorf("the first layer: %v", got)
	}
	sh.learn([]layer{{10, 9}, {10, 11}, {12, 9}})
	sh.learn([]layer{{10, 11}})
	for _, tt := range []struct {
		p    period
		want layer
	}{{9, layer{9, 9}}, {10, layer{10, 11}}, {11, layer{11, 11}}, {12, layer{12, 9}}, {13, layer{13, 9}}} {
		if got := sh.writeTo(tt.p, 9); got != tt.want {
			t.Errorf("period %d: %v, want %v", tt.p, got, tt.want)
		}
	}
	for _, tt := range []struct {
		expires, today int
		want           []layer
	}{
		{0, 80, []layer{{10, 9}, {10, 11}, {12, 9}}},
		{0, 88, []layer{{12, 9}}},
		{0, 200, nil},
		{87, 80, []layer{{10, 9}, {10, 11}}},
		{88, 80, nil},
	} {
		if got := readFrom(sh.known(), store.Day(tt.expires), store.Day(tt.today)); !slices.Equal(got, tt.want) {
			t.Errorf("expires %d, today %d: %v, want %v", tt.expires, tt.today, got, tt.want)
		}
	}
	sh.drop(12)
	if got := sh.known(); !slices.Equal(got, []layer{{12, 9}}) {
		t.Errorf("after the others are over: %v", got)
	}
}
