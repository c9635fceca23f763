package report

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/figures"
)

// sighting is a figure of bounces that came to a domain so many days ago, of mail that was sent so many days ago through 192.0.2.0/24.
func sighting(domain string, came, sent int, count int64) figures.Figure {
	return fig(came, count, figures.Key{Topic: figures.Sightings, Domain: domain, Name: "192.0.2.0/24", Day: day(sent).Format(time.DateOnly)})
}

// ofNode is a figure of another node.
func ofNode(node string, f figures.Figure) figures.Figure {
	f.Node = node
	return f
}

func TestWhichSightingsMakeARoute(t *testing.T) {
	const domain = "example.com"
	one := func(came, sent int, count int64) figures.Figure { return sighting(domain, came, sent, count) }
	others := func(count int64) figures.Figure {
		f := one(1, 1, count)
		f.Name = figures.Other
		return f
	}
	through := func(source string, f figures.Figure) figures.Figure {
		f.Name = source
		return f
	}
	domains := func(n, days int) (fs []figures.Figure) {
		for i := range n {
			name := domain
			if i > 0 {
				name = fmt.Sprintf("%d.example", i)
			}
			for d := range days {
				fs = append(fs, sighting(name, d, d, 3))
			}
		}
		return fs
	}
	for _, tt := range []struct {
		name string
		fs   []figures.Figure
		want bool
	}{
		{"nothing", nil, false},
		{"three of two days", []figures.Figure{one(1, 1, 2), one(0, 0, 1)}, true},
		{"two of two days", []figures.Figure{one(1, 1, 1), one(0, 0, 1)}, false},
		{"many of one day", []figures.Figure{one(1, 1, 199)}, false},
		{"a run of spam whose bounces come for days", []figures.Figure{one(4, 4, 50), one(3, 4, 50), one(2, 4, 49), one(1, 4, 50)}, false},
		{"a longer run", []figures.Figure{one(4, 4, 90), one(3, 4, 50), one(2, 4, 50), one(1, 4, 10)}, false},
		{"two nodes", []figures.Figure{one(1, 1, 1), ofNode("mx2", one(1, 2, 1)), ofNode("mx2", one(0, 1, 1))}, true},
		{"two sources", []figures.Figure{one(1, 1, 2), through("198.51.100.0/24", one(0, 0, 2))}, false},
		{"what is not counted on its own", []figures.Figure{through(figures.Other, one(1, 1, 9)), through(figures.Other, one(0, 0, 9))}, false},
		{"another domain", []figures.Figure{sighting("example.org", 1, 1, 2), sighting("example.org", 0, 0, 2)}, false},
		{"one in 500", []figures.Figure{one(1, 1, 2), one(0, 0, 1), others(1996)}, true},
		{"less than one in 500", []figures.Figure{one(1, 1, 2), one(0, 0, 1), others(1997)}, false},
		{"a day with less than a run", []figures.Figure{one(1, 1, 199), one(0, 0, 1)}, true},
		{"a run, and its rest", []figures.Figure{one(1, 1, 200), one(0, 0, 1)}, false},
		{"four days, some with runs", []figures.Figure{one(4, 4, 1), one(3, 3, 200), one(2, 2, 1), one(1, 1, 1)}, false},
		{"five days, some with runs", []figures.Figure{one(4, 4, 1), one(3, 3, 200), one(2, 2, 1), one(1, 1, 1), one(0, 0, 1)}, true},
		{"nine domains", domains(9, 2), true},
		{"ten domains", domains(10, 4), false},
		{"ten domains for long", domains(10, 5), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			of := waysOf(tt.fs)[domain]
			if got := slices.ContainsFunc(of, func(w *way) bool { return w.source == "192.0.2.0/24" }); got != tt.want || len(of) > 1 {
				t.Errorf("got %v", got)
			}
		})
	}
}

// What adds up to a route is among the other routes, with its bounces of the time of the report. One that a daemon has reported keeps its count.
func TestRoutesOfSightings(t *testing.T) {
	reported := fig(1, 2, figures.Key{Topic: figures.Routes, Domain: "example.com", Name: "198.51.100.0/24"})
	both := func(came, sent int) figures.Figure {
		f := sighting("example.com", came, sent, 5)
		f.Name = reported.Name
		return f
	}
	once := sighting("example.com", 1, 1, 9)
	once.Name = "203.0.113.0/24"
	in := site("monitor", 30, reported, both(1, 1), both(0, 0), once, sighting("example.com", 7, 7, 4), sighting("example.com", 1, 1, 3))
	r := Build(in)
	if want := []Route{{"example.com", "192.0.2.0/24", 3}, {"example.com", "198.51.100.0/24", 2}}; !slices.Equal(r.Routes, want) {
		t.Errorf("got %+v", r.Routes)
	}
	var named int
	for _, c := range r.Verdict.Concerns {
		if c.Name == "other-route" {
			named++
		}
	}
	if named != 2 {
		t.Errorf("got %+v", r.Verdict.Concerns)
	}
}
