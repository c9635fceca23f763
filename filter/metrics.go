package filter

import (
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/filter/wire"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// collector hands the server's numbers to Prometheus. Of all metrics the mail path knows the histograms alone.
type collector struct {
	s *Server

	messages, would, reported, suspects, connections, open, acceptErrors, faults, panics, poorMTA, otherRoute, otherRoutes, guessed *prometheus.Desc

	storeUp, storeFailures, storeRefused, storeGap, storeSince, storeGapEnd, silentNodes, revocations *prometheus.Desc
	journalEntries, journalOctets, journalled, replayed, lost                                         *prometheus.Desc
	unbelieved, crowded, missing, figuresLost                                                         *prometheus.Desc
	domains, enforced, enforcedFrom                                                                   *prometheus.Desc
}

// Collector returns the server's metrics.
func (s *Server) Collector() prometheus.Collector {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("bouncefilter_"+name, help, labels, nil)
	}
	return &collector{
		s: s,
		messages: d("messages_total", "Verdicts about messages, or about recipients of bounces, by our domain, reason and action.",
			"domain", "reason", "action"),
		would: d("would_refuse_total", "Verdicts that would have refused, were there not the cause: mode, exemption, or a way in which we may be wrong.",
			"domain", "reason", "cause"),
		reported: d("reported_recipients_total", "Recipients of mail sent from here that accepted bounces report about, by our domain, by what became of them (failed, delayed, ...) and by class of the status (2, 4, 5 or none).",
			"domain", "action", "class"),
		suspects: d("suspicious_bounces_total", "Bounces that may be genuine of those that are refused, deferred or dropped (refused), or would be (would-refuse), by what speaks for them.",
			"sign", "outcome"),
		connections:  d("connections_total", "Connections of MTAs that were served."),
		open:         d("connections_open", "Connections of MTAs that are open now."),
		acceptErrors: d("accept_errors_total", "Failures to accept a connection."),
		faults:       d("frame_faults_total", "Malformed frames of the milter protocol.", "fault"),
		panics:       d("panics_total", "Faults of this program: the MTA was asked to try again, or a bounce was judged without its content."),
		poorMTA:      d("connections_without_chgfrom_total", "Connections of MTAs that do not let a milter change the envelope sender."),
		otherRoute:   d("other_route_bounces_total", "Untagged bounces of mail that seems to have left through another route, again and again."),
		otherRoutes:  d("other_routes", "Senders and sources of mail that seems to leave through another route; check names them."),
		guessed:      d("guessed_tags_total", "Wrong tags beyond bad_tags_per_day, which the answer did not tell from right ones."),
		storeUp:      d("store_available", "0 from the first call for a message that failed until the store answers again, else 1."),
		storeFailures: d("store_failures_total",
			"Calls of the store that failed or timed out."),
		storeRefused:   d("store_skipped_total", "Calls of the store that were not made because it did not answer shortly before."),
		storeGap:       d("store_gap", "1 while records are lost and the store does not know it yet."),
		storeSince:     d("store_complete_since_timestamp_seconds", "Since when the record of signed mail is complete, in seconds since 1970; 0 while the store vouches for nothing."),
		storeGapEnd:    d("store_last_gap_end_timestamp_seconds", "The end of the last time of which records may be missing, in seconds since 1970; 0 if there is none."),
		silentNodes:    d("silent_nodes", "Nodes of the store that are silent and were not stopped: no bounce is refused that they may have on record."),
		journalEntries: d("store_journal_entries", "Messages whose records wait on local disk until the store answers."),
		journalOctets:  d("store_journal_bytes", "Size of what waits on local disk until the store answers."),
		journalled:     d("store_journalled_records_total", "Records journalled on local disk because the store did not take them."),
		replayed:       d("store_replayed_records_total", "Records written to the store from local disk."),
		lost:           d("store_lost_records_total", "Records that neither the store nor the local disk took."),
		unbelieved:     d("store_unbelieved_total", "Values in the store that were not written under this site's hash secret, or were changed or moved, each time that they were read.", "kind"),
		crowded:        d("store_crowded_total", "Calls of the store that failed because it holds more than the daemons of a site write."),
		figuresLost:    d("figures_lost_total", "Counts of verdicts, and of what else reports show, that are lost because too many waited for the store."),
		missing:        d("store_missing_samples_total", "Samples of what this daemon wrote that the store did not have any more."),
		revocations:    d("revocations", "Revocations of tags, senders and keys that are in effect."),
		domains:        d("domains", "Domains of ours, by mode, and by whether their bounces are refused now.", "mode", "enforced"),
		enforced:       d("domain_enforced", "1 if bounces of the domain are refused now, 0 if they are monitored.", "domain", "mode"),
		enforcedFrom: d("domain_enforced_from_timestamp_seconds",
			"From when mode auto refuses bounces of the domain, in seconds since 1970; 0 if the mode is another one, or if nothing was signed yet.", "domain"),
	}
}

// unixSeconds returns a time in seconds since 1970, 0 for the zero time.
func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}

// flag returns 1 for true.
func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.messages, c.would, c.reported, c.suspects, c.connections, c.open, c.acceptErrors, c.faults,
		c.panics, c.poorMTA, c.otherRoute, c.otherRoutes, c.guessed, c.storeUp, c.storeFailures, c.storeRefused, c.storeGap, c.storeSince, c.storeGapEnd, c.silentNodes, c.journalEntries,
		c.journalOctets, c.journalled, c.replayed, c.lost, c.unbelieved, c.crowded, c.missing, c.figuresLost, c.revocations, c.domains, c.enforced, c.enforcedFrom} {
		ch <- d
	}
	c.s.durations.decision.Describe(ch)
	c.s.durations.reading.Describe(ch)
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, n float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n) }
	st := c.s.stats
	label := c.s.domainLabel()
	for k, n := range withZeros(labelled(st.verdicts.all(), func(k *verdictKey) { k.domain = label(k.domain) }), c.s.zeroVerdicts()) {
		counter(c.messages, n, k.domain, k.reason.String(), k.action.String())
	}
	for k, n := range withZeros(labelled(st.would.all(), func(k *wouldKey) { k.domain = label(k.domain) }), c.s.zeroWould()) {
		counter(c.would, n, k.domain, k.reason.String(), k.cause.String())
	}
	for k, n := range withZeros(labelled(st.reported.all(), func(k *reportKey) { k.domain = label(k.domain) }), c.s.zeroReported()) {
		counter(c.reported, n, k.domain, k.action, k.class)
	}
	for k, n := range withZeros(st.suspects.all(), zeroSuspects) {
		counter(c.suspects, n, string(k.sign), string(k.outcome))
	}
	for f, n := range withZeros(st.faults.all(), slices.Values(wire.Faults())) {
		counter(c.faults, n, string(f))
	}
	gauge(c.open, float64(c.s.acceptor.Open()))
	counter(c.connections, st.connections.Load())
	counter(c.acceptErrors, st.acceptErrors.Load())
	counter(c.panics, st.panics.Load())
	counter(c.poorMTA, st.poorMTA.Load())
	counter(c.otherRoute, st.otherRoute.Load())
	gauge(c.otherRoutes, float64(len(c.s.OtherRoutes())))
	counter(c.guessed, c.s.guesses.Beyond())
	gauge(c.storeUp, flag(c.s.store.Available()))
	gauge(c.storeGap, flag(c.s.store.Gap()))
	doubts := c.s.view.Doubts()
	for kind, n := range map[string]uint64{"broadcast": doubts.Broadcasts, "heartbeat": doubts.Heartbeats, "first-signed": doubts.FirstSigned,
		"start": doubts.Starts, "counter": doubts.Counters} {
		counter(c.unbelieved, n, kind)
	}
	counter(c.crowded, doubts.Crowded)
	counter(c.missing, doubts.Missing)
	counter(c.figuresLost, c.s.figures.Lost())
	complete := c.s.view.Completeness()
	gauge(c.storeSince, unixSeconds(complete.Since))
	gauge(c.storeGapEnd, unixSeconds(complete.LastGapEnd()))
	gauge(c.silentNodes, float64(len(c.s.view.SilentNodes())))
	gauge(c.revocations, float64(c.s.view.Revocations().Len()))
	counter(c.storeFailures, c.s.store.Failures())
	counter(c.storeRefused, c.s.store.Refused())
	j := c.s.store.Journal()
	gauge(c.journalEntries, float64(j.Entries))
	gauge(c.journalOctets, float64(j.Octets))
	counter(c.journalled, j.Journalled)
	counter(c.replayed, j.Replayed)
	counter(c.lost, j.Lost)
	c.s.durations.decision.Collect(ch)
	c.s.durations.reading.Collect(ch)
	c.collectDomains(ch)
}

// collectDomains collects which domains are enforced, and from when.
func (c *collector) collectDomains(ch chan<- prometheus.Metric) {
	type sort struct {
		mode     policy.Mode
		enforced bool
	}
	count := map[sort]int{}
	for _, m := range policy.Modes() {
		count[sort{m, false}], count[sort{m, true}] = 0, 0
	}
	p := c.s.state.Load().policy
	today := prvs.DayOf(c.s.now())
	for name, d := range p.Domains() {
		day, signing := c.s.view.FirstSigned(name)
		first := prvs.Day(day)
		enforced := p.Enforces(d, first, signing, today)
		count[sort{d.Mode, enforced}]++
		if p.CountDomains() > maxDomainLabels {
			continue
		}
		var from time.Time
		if d.Mode == policy.ModeAuto && signing {
			from = p.EnforcesFrom(first).Time()
		}
		ch <- prometheus.MustNewConstMetric(c.enforced, prometheus.GaugeValue, flag(enforced), name, d.Mode.String())
		ch <- prometheus.MustNewConstMetric(c.enforcedFrom, prometheus.GaugeValue, unixSeconds(from), name)
	}
	for k, n := range count {
		ch <- prometheus.MustNewConstMetric(c.domains, prometheus.GaugeValue, float64(n), k.mode.String(), strconv.FormatBool(k.enforced))
	}
}
