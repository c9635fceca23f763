package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A load is what is sent to one milter in one run.
type load struct {
	network, address string
	sessions         int // how many SMTP sessions there are at any time
	perSession       int // messages in each of them
	total            int // messages in all
	messages         []message
	check            checker
	ids              *idSource
}

// A measure is what one run took.
type measure struct {
	elapsed    time.Duration
	latencies  []time.Duration // of each message from MAIL to the final answer, sorted
	roundTrips int             // answers waited for, that of the negotiation included
	stalls     int             // writes that Nagle's algorithm holds back on TCP
}

// An idSource makes IDs that differ from each other, and from those of earlier runs of this program.
type idSource struct{ last atomic.Uint64 }

func newIDSource() *idSource {
	s := new(idSource)
	s.last.Store(uint64(time.Now().UnixMicro()))
	return s
}

func (s *idSource) next() string { return fmt.Sprintf("%014X", s.last.Add(1)) }

// run sends the load and returns at the first wrong answer, with an error that names it.
func (l *load) run(ctx context.Context) (measure, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		claimed    atomic.Int64
		workers    sync.WaitGroup
		collecting sync.Mutex
		all        measure
	)
	start := time.Now()
	for n := range l.sessions {
		workers.Go(func() {
			w := worker{load: l, mta: newMTA(), client: clientNumber(n)}
			for ctx.Err() == nil {
				first := int(claimed.Add(int64(l.perSession))) - l.perSession
				if first >= l.total {
					break
				}
				if err := w.session(ctx, first, min(first+l.perSession, l.total)); err != nil {
					cancel(err)
				}
			}
			collecting.Lock()
			defer collecting.Unlock()
			all.latencies = append(all.latencies, w.latencies...)
			all.roundTrips += w.mta.roundTrips
			all.stalls += w.mta.stalls
		})
	}
	workers.Wait()
	all.elapsed = time.Since(start)
	slices.Sort(all.latencies)
	return all, context.Cause(ctx)
}

// clientNumber returns the SMTP client of a worker. Its address is a public one, of a network kept for documentation
// (RFC 5737): a loopback address would count as outbound.
func clientNumber(n int) client {
	return client{name: "client.example.net", address: fmt.Sprintf("203.0.113.%d", 1+n%254)}
}

// A worker plays one smtpd process after another.
type worker struct {
	load      *load
	mta       *mta
	client    client
	latencies []time.Duration
}

// session sends the messages from first up to end in one SMTP session.
func (w *worker) session(ctx context.Context, first, end int) error {
	m := w.mta
	if err := m.open(w.load.network, w.load.address, w.client); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	for i := first; i < end && ctx.Err() == nil; i++ {
		msg := &w.load.messages[i%len(w.load.messages)]
		if i > first {
			m.abort()
		}
		begun := time.Now()
		o, err := m.deliver(msg, w.load.ids.next())
		took := time.Since(begun)
		if err == nil {
			err = w.load.check(msg, &o)
		}
		if err != nil {
			_ = m.close() // the session has failed already
			return fmt.Errorf("message from <%s> to <%s>: %w: %v", msg.sender, msg.recipient, err, &o)
		}
		w.latencies = append(w.latencies, took)
	}
	if err := m.quit(); err != nil {
		return fmt.Errorf("end of session: %w", err)
	}
	return nil
}

// obtainTags has the milter sign for each of the signers.
func obtainTags(ctx context.Context, network, address string, signers []signer, ids *idSource) error {
	var collecting sync.Mutex
	tags := map[string]string{}
	l := load{
		network: network, address: address, ids: ids,
		sessions: 8, perSession: 100, total: len(signers),
		check: func(m *message, o *outcome) error {
			if err := checkSigned(m, o); err != nil {
				return err
			}
			collecting.Lock()
			defer collecting.Unlock()
			tags[m.sender] = bare(o.envelope()[0].value)
			return nil
		},
	}
	for _, s := range signers {
		l.messages = append(l.messages, newMail(s.address, outsider, s.login()))
	}
	if _, err := l.run(ctx); err != nil {
		return fmt.Errorf("obtaining tags: %w", err)
	}
	for i := range signers {
		signers[i].tagged = tags[signers[i].address]
	}
	return nil
}
