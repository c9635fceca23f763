package redis

import (
	"slices"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

func TestParseState(t *testing.T) {
	at := func(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
	verify := func(_, stored string) (string, bool) { return stored, stored == "" || stored[0] != '?' }
	for _, tt := range []struct {
		name     string
		fields   map[string]string
		since    time.Time
		layers   int
		outdated []string
		err      bool
	}{
		{"none", nil, time.Time{}, 0, nil, false},
		{"begun", map[string]string{"start": "1000", "run": "x", "p:3:9": ""}, at(1000), 1, nil, false},
		{"the latest loss counts", map[string]string{"start": "1000", "incomplete:3000": "", "incomplete:2000": ""}, at(3000), 0, []string{"incomplete:2000"}, false},
		{"a loss from before it began", map[string]string{"start": "5000", "incomplete:3000": ""}, at(5000), 0, nil, false},
		{"a loss without a start", map[string]string{"incomplete:3000": ""}, time.Time{}, 0, nil, false},
		{"a start that was not signed", map[string]string{"start": "?1000", "incomplete:3000": ""}, time.Time{}, 0, nil, false},
		{"a field of a later version", map[string]string{"start": "1000", "other": "?"}, at(1000), 0, nil, false},
		{"a layer of a later version", map[string]string{"start": "1000", "p:3:99": "", "p:3:9": ""}, time.Time{}, 1, nil, false},
		{"a layer in another form", map[string]string{"start": "1000", "p:3": ""}, time.Time{}, 0, nil, false},
		{"a start that is none", map[string]string{"start": "soon"}, time.Time{}, 0, nil, true},
		{"a loss at no time", map[string]string{"incomplete:soon": ""}, time.Time{}, 0, nil, true},
	} {
		m, err := parseState(tt.fields, verify)
		if (err != nil) != tt.err {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if err == nil && (!m.since.Equal(tt.since) || len(m.layers) != tt.layers || !slices.Equal(m.outdated, tt.outdated)) {
			t.Errorf("%s: %+v", tt.name, m)
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
