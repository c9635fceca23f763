package daemon

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/site"
	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store/guard"
)

// metrics are those of the daemon; the filter brings its own.
type metrics struct {
	lastReload     prometheus.Gauge
	lastReloadAt   prometheus.Gauge
	keysUnreadable prometheus.Gauge
	storeCall      *prometheus.HistogramVec
	storeCalls     map[guard.Operation]prometheus.Observer // of storeCall; never changed
}

func newMetrics(now time.Time) *metrics {
	m := &metrics{
		lastReload: prometheus.NewGauge(prometheus.GaugeOpts{Name: "bouncefilter_config_last_reload_successful",
			Help: "1 if the last attempt to load the configuration succeeded."}),
		lastReloadAt: prometheus.NewGauge(prometheus.GaugeOpts{Name: "bouncefilter_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration in effect was loaded."}),
		keysUnreadable: prometheus.NewGauge(prometheus.GaugeOpts{Name: "bouncefilter_keys_unreadable",
			Help: "Keys in use whose secrets cannot be read."}),
		storeCall: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "bouncefilter_store_call_duration_seconds",
			Help:    "How long calls of the store took, whether or not they succeeded.",
			Buckets: filter.DurationBuckets()}, []string{"operation"}),
		storeCalls: map[guard.Operation]prometheus.Observer{},
	}
	for _, op := range guard.Operations() {
		m.storeCalls[op] = m.storeCall.WithLabelValues(string(op))
	}
	m.reloaded(true, now)
	return m
}

func (m *metrics) reloaded(ok bool, now time.Time) {
	if !ok {
		m.lastReload.Set(0)
		return
	}
	m.lastReload.Set(1)
	m.lastReloadAt.Set(float64(now.Unix()))
}

// show shows the site in effect.
func (m *metrics) show(s *site.Site) { m.keysUnreadable.Set(float64(len(s.Keys.Unreadable))) }

// called notes how long a call of the store took.
func (m *metrics) called(op guard.Operation, took time.Duration) {
	m.storeCalls[op].Observe(took.Seconds())
}

// register registers what the daemon counts itself.
func (m *metrics) register(r *prometheus.Registry) {
	r.MustRegister(m.lastReload, m.lastReloadAt, m.keysUnreadable, m.storeCall)
}

// registry returns the registry of all metrics of the process.
func (d *Daemon) registry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "bouncefilter_build_info", Help: "Always 1; the label says which version runs.",
		ConstLabels: prometheus.Labels{"version": d.o.Version}})
	build.Set(1)
	d.metrics.register(registry)
	registry.MustRegister(d.server.Collector(), d.watch.Collector(), build, newKeyCollector(func() *keyring.Keyring { return d.sites.Current().Keys }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "bouncefilter_ready", Help: "1 if /readyz answers that the daemon is ready."},
			func() float64 { return flag(d.ready(context.Background()) == nil) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "bouncefilter_healthy", Help: "1 if /healthz answers that mail passes and MTAs can connect."},
			func() float64 { return flag(d.unhealthy() == "") }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "bouncefilter_log_lines_dropped_total",
			Help: "Lines of the log that were dropped because the standard error was blocked, slow or failing."},
			func() float64 { return float64(d.o.Lines.Dropped()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "bouncefilter_log_write_errors_total",
			Help: "Failures to write to the standard error. What was not written is tried again."},
			func() float64 { return float64(d.o.Lines.Failures()) }))
	if d.events != nil {
		registry.MustRegister(d.events.Collectors()...)
	}
	if d.socketmap != nil {
		registry.MustRegister(d.socketmap.Collector())
	}
	return registry
}

// flag returns 1 for true.
func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// maxKeyLabels is up to how many keys each of them has a metric of its own. A site may have ten for each domain.
const maxKeyLabels = 1000

// keyCollector says when the keys in use were made.
type keyCollector struct {
	keys    func() *keyring.Keyring // in effect
	created *prometheus.Desc
}

func newKeyCollector(keys func() *keyring.Keyring) *keyCollector {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("bouncefilter_"+name, help, labels, nil)
	}
	return &keyCollector{keys, d("key_created_timestamp_seconds",
		"When a key in use was made, in seconds since 1970; 0 if that is not known. domain is empty for a key of all domains.", "domain", "number", "state")}
}

// Describe implements prometheus.Collector.
func (c *keyCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.created }

// Collect implements prometheus.Collector. Of more than maxKeyLabels keys it reports those of all domains alone.
func (c *keyCollector) Collect(ch chan<- prometheus.Metric) {
	keys := c.keys().Keys
	for i := range keys {
		key := &keys[i]
		if key.State == prvs.StateRetired || len(keys) > maxKeyLabels && key.Domain != "" {
			continue
		}
		created := 0.0
		if !key.Created.IsZero() {
			created = float64(key.Created.Unix())
		}
		ch <- prometheus.MustNewConstMetric(c.created, prometheus.GaugeValue, created, key.Domain, strconv.Itoa(int(key.Number)), key.State.String())
	}
}
