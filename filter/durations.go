package filter

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// DurationBuckets returns the upper bounds, in seconds, of the buckets of all histograms: from the few microseconds of mail that needs
// no decision, over the milliseconds of a disk or a network, to the seconds that a bounce waits at the barrier.
func DurationBuckets() []float64 {
	return []float64{10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 1, 2.5, 10, 30}
}

// durations are the histograms of what messages wait for.
type durations struct {
	decision  *prometheus.HistogramVec
	decisions [len(messages)]prometheus.Observer // of decision, by kind
	reading   prometheus.Histogram
}

func newDurations() *durations {
	d := &durations{
		decision: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "bouncefilter_decision_duration_seconds",
			Help:    "How long a message was worked on, all its events together, by what it is (inbound, outbound, bounce); waiting for the MTA is excluded.",
			Buckets: DurationBuckets()}, []string{"message"}),
		reading: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "bouncefilter_bounce_reading_duration_seconds",
			Help: "How long the content of a bounce was read, without waiting for its turn.", Buckets: DurationBuckets()}),
	}
	for kind, word := range messages {
		d.decisions[kind] = d.decision.WithLabelValues(word)
	}
	return d
}

// decisionMade notes how long the message was worked on, once: when the MTA has the reply that ends it, or when it was given up before.
func (s *session) decisionMade() {
	msg := s.msg
	if msg == nil || msg.state == nil || msg.timed {
		return
	}
	msg.timed = true
	s.server.durations.decisions[msg.kind].Observe(msg.spent.Seconds())
}

// readingDone notes how long a bounce was read.
func (s *session) readingDone(began time.Time) {
	s.server.durations.reading.Observe(s.server.now().Sub(began).Seconds())
}
