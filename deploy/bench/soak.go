package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// soakOptions are what the command line asks for about the soak.
type soakOptions struct {
	duration time.Duration // 0 for none
	seed     uint64
	store    string
	share    float64 // of the measured maximum
	faults   []string
}

func (o *soakOptions) define(f *flag.FlagSet) {
	f.DurationVar(&o.duration, "soak", 0, "soak bouncefilter for that `time` instead: mail at a steady pace, with faults all the time")
	f.Uint64Var(&o.seed, "seed", 1, "`number` from which the soak's mail and faults are made")
	f.StringVar(&o.store, "store", targetRedis, "`name` of the store to soak: redis or bolt")
	f.Float64Var(&o.share, "share", 0.5, "`part` of the measured maximum that the soak sends")
	f.Func("faults", "`names` of the soak's faults, or none (default all that go with the store: "+strings.Join(faultNames(targetRedis), ",")+")",
		func(s string) (err error) {
			o.faults = []string{}
			if s != "none" {
				o.faults, err = parseList(s, func(name string) (string, error) { return name, nil })
			}
			return err
		})
}

// validate also fills in the faults that go with the store.
func (o *soakOptions) validate() error {
	const least = 5 * time.Second
	switch {
	case o.duration < least:
		return fmt.Errorf("-soak: must be %v or more", least)
	case o.share <= 0 || o.share > 1:
		return errors.New("-share: must be more than 0 and not more than 1")
	case o.store != targetRedis && o.store != targetBolt:
		return fmt.Errorf("-store: %q is none of redis, bolt", o.store)
	}
	known := faultNames(o.store)
	if o.faults == nil {
		o.faults = known
	}
	for _, name := range o.faults {
		if !slices.Contains(known, name) {
			return fmt.Errorf("-faults: %q is none of %s", name, strings.Join(known, ", "))
		}
	}
	if o.plays(faultFreeze) && os.Geteuid() != 0 {
		return errors.New("-faults: only root can freeze a disk; leave out freeze")
	}
	return nil
}

func (o *soakOptions) plays(name string) bool { return slices.Contains(o.faults, name) }

// maximumTime is how long the maximum is measured, in a soak that is long enough.
const maximumTime = 20 * time.Second

// soak measures the maximum, sends a share of it with faults all the time, and reports. Its error says that the soak has failed.
func soak(ctx context.Context, opts options, stdout, stderr io.Writer) (err error) {
	o := opts.soak
	l, err := newLab(opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	site, err := newSoakSite(ctx, l, o)
	if err != nil {
		return err
	}
	r := &soakRun{
		o: o, site: site, out: stdout, faults: newFaultCount(),
		traffic: &traffic{network: "tcp", address: site.address, tally: newTally(), seed: o.seed,
			room: newMailRoom(newIDSource(), newRandom(o.seed))},
	}
	fmt.Fprintf(stderr, "bench: measuring the maximum\n")
	if err := r.measure(ctx); err != nil {
		return err
	}
	r.writeConditions()
	failed := r.run(ctx)
	if opts.json != "" {
		failed = errors.Join(failed, writeJSON(opts.json, r.samples))
	}
	return r.report(failed)
}

// A soakRun is one soak.
type soakRun struct {
	o       soakOptions
	site    *soakSite
	traffic *traffic
	faults  *faultCount
	out     io.Writer
	maximum float64 // messages a second
	samples []soakSample
}

// measure finds out how many messages a second the milter takes of this mix, without faults.
func (r *soakRun) measure(ctx context.Context) error {
	length := min(maximumTime, r.o.duration/4)
	warm := length / 4
	issuing, stop := context.WithTimeout(ctx, warm+length)
	defer stop()
	drain, end := context.WithTimeout(ctx, warm+length+drainTime)
	defer end()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		r.traffic.run(issuing, drain)
	}()
	wait(ctx, warm)
	r.traffic.tally.take()
	begun := time.Now()
	<-issuing.Done()
	counted, took := r.traffic.tally.take(), time.Since(begun)
	<-sent
	t := r.traffic.tally
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if t.wrong > 0 || t.open() > 0 {
		return fmt.Errorf("without faults: %d wrong verdicts, %d messages lost\n%s", t.wrong, t.open(), strings.Join(t.errors, "\n"))
	}
	r.maximum = float64(counted.messages()) / took.Seconds()
	r.traffic.rate = r.maximum * r.o.share
	r.traffic.resets = r.o.plays(faultReset)
	t.clear()
	return nil
}

// run sends at the pace, plays faults and takes samples. Its error says what has ended the soak early, or went wrong with the faults
// themselves.
func (r *soakRun) run(ctx context.Context) error {
	// Whatever ends the run, the faults are undone and nobody is left at work.
	faulty, over := context.WithTimeout(ctx, r.o.duration)
	defer over()
	drain, end := context.WithTimeout(ctx, r.o.duration+drainTime)
	defer end()
	played, sent := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(played)
		playFaults(faulty, r.site, r.o, r.faults)
	}()
	go func() {
		defer close(sent)
		r.traffic.run(faulty, drain)
	}()
	err := r.watch(faulty)
	if err != nil {
		over()
		end()
	}
	<-played
	<-sent
	return errors.Join(err, ctx.Err(), r.faults.err())
}

// watch takes samples until the time is over.
func (r *soakRun) watch(ctx context.Context) error {
	now := time.Now()
	s := sampler{site: r.site, traffic: r.traffic, faults: r.faults, begun: now, last: now}
	tick := time.NewTicker(sampleEvery(r.o.duration))
	defer tick.Stop()
	r.writeHead()
	defer func() {
		if rest := len(r.samples) % samplesARow; rest > 0 {
			r.writeRow(r.samples[len(r.samples)-rest:])
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.site.daemon.exited:
			return fmt.Errorf("the daemon has ended; its log: %s", r.site.daemon.logTail())
		case <-tick.C:
		}
		sample, err := s.take(ctx)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil // it was asked for its metrics when the time was over
		}
		r.samples = append(r.samples, sample)
		if len(r.samples)%samplesARow == 0 {
			r.writeRow(r.samples[len(r.samples)-samplesARow:])
		}
	}
}
