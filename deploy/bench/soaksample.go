package main

import (
	"context"
	"slices"
	"time"
)

// A soakSample is the state of the daemon at a time, and what became of mail since the one before.
type soakSample struct {
	At          float64        `json:"seconds"`
	PerSecond   float64        `json:"messages_per_second"`
	Median      float64        `json:"p50_ms"`
	P99         float64        `json:"p99_ms"`
	Worst       float64        `json:"max_ms"`
	Deferred    int            `json:"deferred"`
	Unanswered  int            `json:"unanswered"`
	Reset       int            `json:"reset"`
	Refused     float64        `json:"forged_refused_share"`
	Waiting     int            `json:"letters_waiting"`
	Memory      float64        `json:"anonymous_mb"`
	Goroutines  float64        `json:"goroutines"` // 0 if the metrics were not answered
	Descriptors int            `json:"descriptors"`
	Dropped     float64        `json:"log_lines_dropped"`
	Journal     float64        `json:"journal_entries"`
	Lost        float64        `json:"lost_records"`
	Panics      float64        `json:"panics"`
	Faults      map[string]int `json:"faults"` // that were played, by name
}

// mostSamples bounds their number; samplePeriod is what an hour has.
const (
	mostSamples  = 400
	samplePeriod = 10 * time.Second
)

// sampleEvery returns the time between two samples of a soak.
func sampleEvery(length time.Duration) time.Duration {
	return max(min(samplePeriod, length/30), length/mostSamples, 200*time.Millisecond)
}

// sampler takes samples.
type sampler struct {
	site    *soakSite
	traffic *traffic
	faults  *faultCount
	begun   time.Time
	last    time.Time
}

func (s *sampler) take(ctx context.Context) (soakSample, error) {
	now := time.Now()
	c := s.traffic.tally.take()
	sample := soakSample{
		At: now.Sub(s.begun).Seconds(), PerSecond: float64(c.messages()) / now.Sub(s.last).Seconds(),
		Median: millis(c.all.quantile(0.5)), P99: millis(c.all.quantile(0.99)), Worst: millis(c.all.most),
		Deferred: c.of(fateDeferred), Unanswered: c.of(fateUnanswered), Reset: c.of(fateReset),
		Refused: c.refusedForgeries(), Waiting: s.traffic.queue(), Faults: s.faults.take(),
	}
	s.last = now
	anonymous, err := memoryOf(s.site.daemon.pid(), anonymous)
	if err != nil {
		return sample, err
	}
	sample.Memory = float64(anonymous) / 1024
	if sample.Descriptors, err = descriptors(s.site.daemon.pid()); err != nil {
		return sample, err
	}
	if m, err := scrape(ctx, s.site.http); err == nil { // otherwise the sample says so with 0 goroutines
		sample.Goroutines = m["go_goroutines"]
		sample.Dropped = m["bouncefilter_log_lines_dropped_total"]
		sample.Journal = m["bouncefilter_store_journal_entries"]
		sample.Lost = m["bouncefilter_store_lost_records_total"]
		sample.Panics = m["bouncefilter_panics_total"]
	}
	return sample, nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// A band says how much a figure may have grown.
type band struct {
	name   string
	unit   string
	of     func(soakSample) float64
	factor float64
	more   float64 // besides, for figures that are small
}

func bands() []band {
	return []band{
		{"memory", "MB", func(s soakSample) float64 { return s.Memory }, 1.25, 8},
		{"goroutines", "", func(s soakSample) float64 { return s.Goroutines }, 1.25, 20},
		{"descriptors", "", func(s soakSample) float64 { return float64(s.Descriptors) }, 1.25, 16},
		{"p50", "ms", func(s soakSample) float64 { return s.Median }, 1.5, 2},
	}
}

// leastForFlat is the shortest soak whose figures can be called flat: a shorter one is all beginning.
const leastForFlat = 2 * time.Minute

// A trend compares the median of the last quarter with that of the second one. The first quarter is that of warming up.
type trend struct {
	band
	early, late float64
	flat        bool
}

// trends returns those of all bands. A figure that half of the samples of a quarter lack is not flat.
func trends(samples []soakSample) []trend {
	n := len(samples)
	var all []trend
	for _, b := range bands() {
		early, known := middle(samples[n/4:n/2], b.of)
		late, knownLate := middle(samples[n-n/4:], b.of)
		all = append(all, trend{b, early, late, known && knownLate && late <= early*b.factor+b.more})
	}
	return all
}

// middle returns the median of what is known, which is all that is not 0.
func middle(samples []soakSample, of func(soakSample) float64) (m float64, known bool) {
	var values []float64
	for _, s := range samples {
		if v := of(s); v > 0 {
			values = append(values, v)
		}
	}
	if len(values) == 0 || len(values) < (len(samples)+1)/2 {
		return 0, false
	}
	slices.Sort(values)
	return median(values), true
}
