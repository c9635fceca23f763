package main

import (
	"strings"
	"testing"
	"time"
)

func TestTableShowsMediansAndRatiosAgainstTheNullMilter(t *testing.T) {
	var results []result
	for i, speed := range []float64{100, 300, 200} {
		null := result{Target: "null", Scenario: "a", Sessions: 16, Round: i + 1, PerSecond: speed,
			CPUMicros: 100, MedianMicros: 400, P99Micros: 900, RoundTrips: 21}
		bolt := result{Target: "bolt", Scenario: "a", Sessions: 16, Round: i + 1, PerSecond: 4 * speed,
			CPUMicros: 25, MedianMicros: 80, P99Micros: 200, RoundTrips: 3}
		results = append(results, bolt, null)
	}
	results = append(results, result{Target: "bolt", Scenario: "b", Sessions: 1, PerSecond: 5, RoundTrips: 2.5})
	var b strings.Builder
	writeTable(&b, summarise(results, []string{"bolt", "null"}))
	want := `
| a | 16 | bolt | 800 (400..1200) | 25.0 | 80 | 200 | 3.00 | 4.00 | 0.25 |
| a | 16 | null | 200 (100..300) | 100.0 | 400 | 900 | 21.00 | 1.00 | 1.00 |
| b | 1 | bolt | 5 (5..5) | 0.0 | 0 | 0 | 2.50 | – | – |
`
	if !strings.HasSuffix(b.String(), want) {
		t.Errorf("table\n%s\nwant it to end with%s", b.String(), want)
	}
}

func TestMedianOfAnEvenNumberIsTheMeanOfTheMiddle(t *testing.T) {
	for _, tt := range []struct {
		sorted []float64
		want   float64
	}{{[]float64{7}, 7}, {[]float64{1, 2, 9}, 2}, {[]float64{1, 2, 4, 9}, 3}} {
		if got := median(tt.sorted); got != tt.want {
			t.Errorf("median of %v is %v, want %v", tt.sorted, got, tt.want)
		}
	}
}

func TestQuantilesOfOneToAHundred(t *testing.T) {
	var d []time.Duration
	for i := range 100 {
		d = append(d, time.Duration(i+1))
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := quantile(d, q); got != want {
			t.Errorf("quantile %v is %d, want %d", q, got, want)
		}
	}
	if got := quantile(nil, 0.5); got != 0 {
		t.Errorf("quantile of nothing is %v, want 0", got)
	}
}
