package store_test

import (
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/store"
)

func TestDayOf(t *testing.T) {
	for _, test := range []struct {
		at   string
		want store.Day
		name string
	}{
		{"1969-12-31T23:59:59Z", -1, "1969-12-31"},
		{"1970-01-01T00:00:00Z", 0, "1970-01-01"},
		{"2026-11-23T12:00:00Z", 20780, "2026-11-23"},
		{"2026-11-23T23:59:59.999999999Z", 20780, "2026-11-23"},
		{"2026-11-24T00:30:00+01:00", 20780, "2026-11-23"},
		{"2026-11-24T00:00:00Z", 20781, "2026-11-24"},
	} {
		at, err := time.Parse(time.RFC3339Nano, test.at)
		if err != nil {
			t.Fatal(err)
		}
		d := store.DayOf(at)
		if d != test.want || d.String() != test.name {
			t.Errorf("%s: day %d, %s; want %d, %s", test.at, d, d, test.want, test.name)
		}
		if start := d.Time(); start.After(at) || at.Sub(start) >= 24*time.Hour || store.DayOf(start) != d {
			t.Errorf("%s: the day begins at %v", test.at, start)
		}
	}
}
