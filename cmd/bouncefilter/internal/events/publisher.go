package events

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/filter/limit"
)

// Options is what a publisher runs with.
type Options struct {
	Sinks    Sinks
	Node     string // of the events
	StateDir string // the folder of the spools
	Log      *slog.Logger
	Now      func() time.Time
}

const (
	// grace is how long [Publisher.Close] lets sinks take what waits. What they do not take then waits for the next start.
	grace = 2 * time.Second
	// patience is how long it waits for a disk, and for sinks that do not obey at once.
	patience = 5 * time.Second
)

// Publisher brings events to sinks. Its methods may be called from any goroutine.
type Publisher struct {
	node   string
	log    *slog.Logger
	now    func() time.Time
	queues []*queue
	faults limit.Rate // of lines about events that cannot be made, or were left out

	ending chan struct{}
	cancel context.CancelFunc
	tasks  sync.WaitGroup // that bring events to sinks
	spools sync.WaitGroup // that bring them to spools
}

// Open opens the spools, and begins to deliver what waits there. It connects to no receiver. The publisher must be closed.
func Open(o Options) (*Publisher, error) {
	p := &Publisher{node: o.Node, log: o.Log, now: o.Now, ending: make(chan struct{})}
	sinks, err := o.Sinks.open(o.Now)
	if err != nil {
		return nil, err
	}
	var errs []error
	var queues []*queue
	for _, s := range sinks {
		sp, err := openSpool(filepath.Join(o.StateDir, "events-"+s.name+".spool"), o.Sinks.MaxBacklog)
		if err != nil {
			errs = append(errs, err, s.sink.close())
			continue
		}
		queues = append(queues, newQueue(s.name, s.sink, sp, o.Log, o.Now))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, closeFiles(queues))
	}
	p.start(queues)
	return p, nil
}

// start begins to bring events to their sinks.
func (p *Publisher) start(queues []*queue) {
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(context.Background())
	p.queues = queues
	for _, q := range queues {
		p.spools.Go(func() { q.spoolAll(ctx) })
		p.tasks.Go(func() { q.deliverAll(ctx, p.ending) })
	}
}

// Publish takes what a genuine bounce reports. It does not wait, neither for the disk nor for a receiver, and keeps nothing of the report.
func (p *Publisher) Publish(g filter.Genuine) {
	events, left := eventsOf(g, p.node)
	var err error
	for i := range events {
		line, lineErr := events[i].line()
		if lineErr != nil {
			err = lineErr
			continue
		}
		for _, q := range p.queues {
			q.add(line)
		}
	}
	if err == nil && left == 0 {
		return
	}
	if suppressed, ok := p.faults.Allow(p.now()); ok {
		p.log.Warn("not all recipients of a bounce became events", "queue_id", g.QueueID, "limit", maxRecipients, "left_out", left, "error", err,
			"suppressed", suppressed)
	}
}

// Close writes what is in memory to the spools, lets sinks take what waits for a short time, and ends. Publish must not be called any more.
func (p *Publisher) Close() error {
	end := time.AfterFunc(grace, p.cancel)
	defer end.Stop()
	for _, q := range p.queues {
		q.end()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.spools.Wait()
		close(p.ending)
		p.tasks.Wait()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		return errors.New("close the spools of events: the disk does not answer")
	}
	p.cancel()
	for _, q := range p.queues {
		q.drop(q.unspooled(), "the disk did not take them before the end", 0)
	}
	return closeFiles(p.queues)
}

func closeFiles(queues []*queue) error {
	var errs []error
	for _, q := range queues {
		errs = append(errs, q.sink.close(), q.spool.close())
	}
	return errors.Join(errs...)
}

// Collectors returns the metrics: all label sets are there from the start.
func (p *Publisher) Collectors() []prometheus.Collector {
	var all []prometheus.Collector
	for _, q := range p.queues {
		for result, n := range map[string]func() uint64{
			"delivered": q.counts.delivered.Load, "retried": q.counts.retried.Load,
			"refused": q.counts.refused.Load, "dropped": q.counts.dropped.Load,
		} {
			all = append(all, prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "bouncefilter_events_total",
				Help:        "Events about genuine bounces, by what became of them: delivered, refused, dropped; and tries that failed (retried).",
				ConstLabels: prometheus.Labels{"sink": q.name, "result": result}}, func() float64 { return float64(n()) }))
		}
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "bouncefilter_events_pending",
			Help: "Events about genuine bounces that wait for a sink.", ConstLabels: prometheus.Labels{"sink": q.name}},
			func() float64 { return float64(q.pending()) }))
	}
	return all
}
