package main

import (
	"fmt"
	"io"
	"slices"
)

// A row sums up the runs of one target with one scenario and number of sessions. All figures are medians.
type row struct {
	Target     string  `json:"target"`
	Scenario   string  `json:"scenario"`
	Sessions   int     `json:"conns"`
	PerSecond  float64 `json:"messages_per_second"`
	Least      float64 `json:"messages_per_second_min"`
	Most       float64 `json:"messages_per_second_max"`
	CPUMicros  float64 `json:"cpu_us_per_message"`
	Median     float64 `json:"p50_us"`
	P99        float64 `json:"p99_us"`
	RoundTrips float64 `json:"round_trips_per_message"`
	SpeedRatio float64 `json:"speed_ratio"` // against the null milter; 0 where that was not measured
	CPURatio   float64 `json:"cpu_ratio"`   // likewise
}

// summarise makes the rows out of all runs: scenarios and sessions as they were first run, targets side by side in the
// order given.
func summarise(results []result, targets []string) []row {
	type group struct {
		scenario string
		sessions int
	}
	var groups []group
	for _, r := range results {
		if g := (group{r.Scenario, r.Sessions}); !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	var rows []row
	for _, g := range groups {
		first := len(rows)
		for _, name := range targets {
			var runs []result
			for _, r := range results {
				if r.Target == name && r.Scenario == g.scenario && r.Sessions == g.sessions {
					runs = append(runs, r)
				}
			}
			if len(runs) > 0 {
				rows = append(rows, newRow(runs))
			}
		}
		compareWithNull(rows[first:])
	}
	return rows
}

// compareWithNull fills in the ratios of rows that differ in their target alone.
func compareWithNull(rows []row) {
	i := slices.IndexFunc(rows, func(r row) bool { return r.Target == targetNull })
	if i < 0 {
		return
	}
	null := rows[i]
	for i := range rows {
		rows[i].SpeedRatio = ratio(rows[i].PerSecond, null.PerSecond)
		rows[i].CPURatio = ratio(rows[i].CPUMicros, null.CPUMicros)
	}
}

func newRow(runs []result) row {
	of := func(f func(result) float64) []float64 {
		var v []float64
		for _, r := range runs {
			v = append(v, f(r))
		}
		slices.Sort(v)
		return v
	}
	speed := of(func(r result) float64 { return r.PerSecond })
	return row{
		Target: runs[0].Target, Scenario: runs[0].Scenario, Sessions: runs[0].Sessions,
		PerSecond:  median(speed),
		Least:      speed[0],
		Most:       speed[len(speed)-1],
		CPUMicros:  median(of(func(r result) float64 { return r.CPUMicros })),
		Median:     median(of(func(r result) float64 { return r.MedianMicros })),
		P99:        median(of(func(r result) float64 { return r.P99Micros })),
		RoundTrips: median(of(func(r result) float64 { return r.RoundTrips })),
	}
}

// median returns the middle of sorted values, or the mean of the two in the middle. There must be one at least.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// writeTable writes the rows as a Markdown table.
func writeTable(w io.Writer, rows []row) {
	fmt.Fprintln(w, "| scenario | conns | target | msgs/s (min..max) | CPU µs/msg | p50 µs | p99 µs | round trips "+
		"| × msgs/s of null | × CPU of null |")
	fmt.Fprintln(w, "|---|--:|---|--:|--:|--:|--:|--:|--:|--:|")
	for _, r := range rows {
		fmt.Fprintf(w, "| %s | %d | %s | %.0f (%.0f..%.0f) | %.1f | %.0f | %.0f | %.2f | %s | %s |\n",
			r.Scenario, r.Sessions, r.Target, r.PerSecond, r.Least, r.Most, r.CPUMicros, r.Median, r.P99, r.RoundTrips,
			times(r.SpeedRatio), times(r.CPURatio))
	}
}

// times formats a ratio, or a dash where there is none.
func times(ratio float64) string {
	if ratio == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", ratio)
}

// writeStalls says how often a milter made the MTA write twice without an answer in between, which costs 40 ms on TCP.
func writeStalls(w io.Writer, results []result, targets []string) {
	fmt.Fprintln(w)
	for _, name := range targets {
		messages, stalls := 0, 0
		for _, r := range results {
			if r.Target == name {
				messages, stalls = messages+r.Messages, stalls+r.Stalls
			}
		}
		fmt.Fprintf(w, "%s: %d stalls of 40 ms in %d messages.\n", name, stalls, messages)
	}
}
