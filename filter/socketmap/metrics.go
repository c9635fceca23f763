package socketmap

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Result is how a lookup ended.
type Result uint8

// The results.
const (
	Found Result = iota
	NotFound
	UnknownMap // the server has no map with this name
	Failed     // the lookup function failed, or its answer was too long

	resultCount // not a result
)

var resultWords = [resultCount]string{Found: "found", NotFound: "not-found", UnknownMap: "unknown-map", Failed: "failed"}

// String returns the result's word in metrics.
func (r Result) String() string { return resultWords[r] }

// stats counts lookups and what went wrong with connections.
type stats struct {
	lookups   [resultCount]atomic.Uint64
	malformed atomic.Uint64
}

// count counts a lookup and returns how many lookups have had this result.
func (s *stats) count(r Result) uint64 { return s.lookups[r].Add(1) }

// collector reports the server's counters to Prometheus.
type collector struct {
	s                         *Server
	lookups, malformed, conns *prometheus.Desc
}

// Collector returns the server's metrics.
func (s *Server) Collector() prometheus.Collector {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("bouncefilter_socketmap_"+name, help, labels, nil)
	}
	return &collector{
		s:         s,
		lookups:   d("lookups_total", "Lookups of the socketmap service, by result.", "result"),
		malformed: d("malformed_total", "Connections to the socketmap service that were ended because of a malformed request."),
		conns:     d("connections_open", "Connections to the socketmap service that are open now."),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.lookups, c.malformed, c.conns} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	for r := range resultCount {
		counter(c.lookups, c.s.stats.lookups[r].Load(), r.String())
	}
	counter(c.malformed, c.s.stats.malformed.Load())
	ch <- prometheus.MustNewConstMetric(c.conns, prometheus.GaugeValue, float64(c.s.acceptor.Open()))
}
