package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// A result is one run of one target.
type result struct {
	Target       string  `json:"target"`
	Scenario     string  `json:"scenario"`
	Sessions     int     `json:"conns"`
	Round        int     `json:"round"`
	Messages     int     `json:"messages"`
	Seconds      float64 `json:"seconds"`
	PerSecond    float64 `json:"messages_per_second"`
	CPUMicros    float64 `json:"cpu_us_per_message"`
	MedianMicros float64 `json:"p50_us"`
	P99Micros    float64 `json:"p99_us"`
	WorstMicros  float64 `json:"max_us"`
	RoundTrips   float64 `json:"round_trips_per_message"`
	Stalls       int     `json:"stalls"` // on TCP, writes that waited for a delayed ACK
}

// A comparison has all targets process the same messages, in turns.
type comparison struct {
	opts     options
	targets  []*target
	ids      *idSource
	progress io.Writer
}

// run returns the results of all runs, in the order they were made, up to the first wrong answer.
func (c *comparison) run(ctx context.Context) ([]result, error) {
	for _, t := range c.targets {
		if err := c.prepare(ctx, t); err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
	}
	var results []result
	for round := range c.opts.rounds {
		for _, s := range c.opts.scenarios {
			for _, sessions := range c.opts.sessions {
				for i := range c.targets {
					t := c.targets[(i+round)%len(c.targets)]
					r, err := c.once(ctx, t, s, sessions, round+1)
					if err != nil {
						return results, c.explain(t, s, err)
					}
					fmt.Fprintf(c.progress, "round %d of %d: (%s) %3d conns, %-5s %8.0f msgs/s\n",
						r.Round, c.opts.rounds, s.letter, sessions, t.name, r.PerSecond)
					results = append(results, r)
				}
			}
		}
	}
	return results, nil
}

// explain says which run failed and what the milter logged.
func (c *comparison) explain(t *target, s scenario, err error) error {
	err = fmt.Errorf("%s, scenario %s: %w", t.name, s.letter, err)
	if t.process == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w\nits log: %s", err, t.process.logTail())
}

// prepare obtains from the target the tags that bounces go to.
func (c *comparison) prepare(ctx context.Context, t *target) error {
	t.signers = newSigners(c.opts.senders, "bounced")
	if t.inert {
		for i := range t.signers {
			t.signers[i].tagged = t.signers[i].invented()
		}
		return nil
	}
	return obtainTags(ctx, t.network, t.address, t.signers, c.ids)
}

// once makes one run.
func (c *comparison) once(ctx context.Context, t *target, s scenario, sessions, round int) (result, error) {
	signers := t.signers
	if s.fresh {
		signers = newSigners(c.opts.senders, fmt.Sprintf("run%08x", rand.Uint32()))
	}
	l := load{
		network: t.network, address: t.address, ids: c.ids,
		sessions: sessions, perSession: c.opts.perSession, total: c.opts.messages,
		messages: s.messages(signers), check: s.check,
	}
	if t.inert {
		l.check = checkUntouched
	}
	before, err := cpuTime(t.pid)
	if err != nil {
		return result{}, err
	}
	m, err := l.run(ctx)
	if err != nil {
		return result{}, err
	}
	after, err := cpuTime(t.pid)
	if err != nil {
		return result{}, err
	}
	n := float64(len(m.latencies))
	return result{
		Target: t.name, Scenario: s.letter, Sessions: sessions, Round: round,
		Messages:     len(m.latencies),
		Seconds:      m.elapsed.Seconds(),
		PerSecond:    n / m.elapsed.Seconds(),
		CPUMicros:    micros(after-before) / n,
		MedianMicros: micros(quantile(m.latencies, 0.5)),
		P99Micros:    micros(quantile(m.latencies, 0.99)),
		WorstMicros:  micros(quantile(m.latencies, 1)),
		RoundTrips:   float64(m.roundTrips) / n,
		Stalls:       m.stalls,
	}, nil
}

// quantile returns the smallest of the sorted durations that the share q of them does not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(q*float64(len(sorted))+0.5)-1)]
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
