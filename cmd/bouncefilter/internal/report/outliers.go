package report

import (
	"math"
	"slices"
)

// Of an outlier.
const (
	minPeriods     = 5   // fewer periods have no outlier
	minOutlier     = 10  // messages; fewer are no outlier
	outlierSpreads = 5.0 // it is so many spreads above the median
)

// markOutliers marks the periods in which far more was or would be refused than in most others: more than five spreads above the median.
// The spread is the median of the distances to the median (MAD), times 1.4826, with which it is the standard deviation of a normal
// distribution. Neither follows the outliers. It is at least the square root of the median, which chance alone brings about. Periods
// in which nothing at all was counted tell nothing: bouncefilter was not there, or no mail was.
func markOutliers(periods []Period) {
	var ps []*Period
	var counts []float64
	for i := range periods {
		if p := &periods[i]; p.Counts != (Counts{}) {
			ps, counts = append(ps, p), append(counts, float64(p.Turned()))
		}
	}
	if len(ps) < minPeriods {
		return
	}
	m := median(counts)
	distances := make([]float64, len(ps))
	for i, c := range counts {
		distances[i] = math.Abs(c - m)
	}
	spread := max(1.4826*median(distances), math.Sqrt(m), 1)
	for i, c := range counts {
		ps[i].Outlier = c >= minOutlier && c > m+outlierSpreads*spread
	}
}

// median returns the median of a list that is not empty.
func median(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}
