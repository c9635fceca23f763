package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	soakSessions  = 32               // of the MTA at a time
	mostASession  = 20               // messages in one session
	retryAfter    = 2 * time.Second  // much sooner than an MTA would
	drainTime     = 90 * time.Second // for what is not settled when the soak is over, without faults
	mostWaiting   = 500_000          // letters that wait; no new ones are issued meanwhile
	resetsOneIn   = 400              // messages, in the middle of which the connection is reset
	pacerInterval = time.Millisecond
)

// A traffic sends letters to the milter. With a rate it issues them at that pace, whatever the milter does (open loop);
// without, as fast as the milter takes them (closed loop).
type traffic struct {
	network, address string
	room             *mailRoom // used by the dispatcher alone, but for compose
	tally            *tally
	rate             float64 // letters a second; 0 for as many as the milter takes
	resets           bool
	seed             uint64

	work chan *letter
	back chan *letter // tries that have settled nothing, and outbound mail that was accepted

	mu      sync.Mutex
	waiting int // letters
}

// queue returns how many letters wait.
func (t *traffic) queue() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.waiting
}

func (t *traffic) note(waiting int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting = waiting
}

// run sends until issuing ends, and then until all letters are settled or drain ends.
func (t *traffic) run(issuing, drain context.Context) {
	t.work, t.back = make(chan *letter), make(chan *letter)
	var workers sync.WaitGroup
	for n := range soakSessions {
		workers.Go(func() {
			w := soakWorker{traffic: t, mta: newMTA(), client: clientNumber(n), random: rand.New(rand.NewPCG(t.seed, uint64(n)))}
			w.run(drain)
		})
	}
	t.dispatch(issuing, drain)
	close(t.work)
	workers.Wait()
}

// dispatch hands letters to the workers, and takes back those that are to be tried again.
func (t *traffic) dispatch(issuing, drain context.Context) {
	var (
		begun   = time.Now()
		issued  int
		ready   []*letter // due
		delayed []*letter // in the order in which they fall due
		tick    = time.NewTicker(pacerInterval)
	)
	defer tick.Stop()
	for {
		now := time.Now()
		for len(delayed) > 0 && !delayed[0].due.After(now) {
			ready, delayed = append(ready, delayed[0]), delayed[1:]
		}
		owed := int(t.rate*now.Sub(begun).Seconds()) - issued
		if t.rate == 0 && len(ready) == 0 {
			owed = 1
		}
		for ; owed > 0 && issuing.Err() == nil; owed-- {
			issued++
			if len(ready)+len(delayed) < mostWaiting {
				l := t.room.letter(now)
				t.tally.issue(l.kind)
				ready = append(ready, l)
			}
		}
		t.note(len(ready) + len(delayed))
		if issuing.Err() != nil && t.tally.open() == 0 {
			return
		}
		var work chan *letter
		var first *letter
		if len(ready) > 0 {
			work, first = t.work, ready[0]
		}
		select {
		case work <- first:
			ready[0] = nil
			ready = ready[1:]
		case l := <-t.back:
			switch {
			case l.kind == kindOutbound && l.about.tagged != "":
				t.room.remember(l.about)
			case l.due.After(now):
				delayed = append(delayed, l)
			default:
				ready = append(ready, l)
			}
		case <-tick.C:
		case <-drain.Done():
			return
		}
	}
}

// A soakWorker plays one smtpd process after another.
type soakWorker struct {
	traffic *traffic
	mta     *mta
	client  client
	random  *rand.Rand
	left    int // messages in this session
}

func (w *soakWorker) run(drain context.Context) {
	for l := range w.traffic.work {
		j, took := w.try(l)
		signed := l.kind == kindOutbound && j.fate == fateAccepted && j.err == nil
		settled := w.traffic.tally.try(l, j, took)
		if settled && !signed {
			continue
		}
		if !settled {
			l.tries++
			l.due = time.Now()
			if j.fate != fateReset {
				l.due = l.due.Add(retryAfter)
			}
		}
		select {
		case w.traffic.back <- l:
		case <-drain.Done():
		}
	}
	if w.left > 0 {
		_ = w.mta.quit() // all mail is settled
	}
}

// try sends a letter once. The time counts from when it was due.
func (w *soakWorker) try(l *letter) (judgement, time.Duration) {
	o, m, err := w.deliver(l)
	took := time.Since(l.due)
	if err != nil {
		w.left = 0
		if errors.Is(err, errReset) {
			return judgement{fate: fateReset}, took
		}
		return judgement{fate: fateUnanswered, word: trouble(err), err: err}, took
	}
	j := judgeAnswer(l.kind, &m, &o)
	if j.fate == fateAccepted && l.kind == kindOutbound && j.err == nil {
		l.about.tagged = bare(o.envelope()[0].value)
	}
	return j, took
}

// deliver sends a letter in the present session or in a new one. After an error there is no session.
func (w *soakWorker) deliver(l *letter) (o outcome, m message, err error) {
	if w.left == 0 {
		if err := w.mta.open(w.traffic.network, w.traffic.address, w.client); err != nil {
			return o, m, err
		}
		w.left = 1 + w.random.IntN(mostASession)
	} else {
		w.mta.abort()
	}
	w.mta.reset = 0
	if w.traffic.resets && w.random.IntN(resetsOneIn) == 0 {
		events := []command{cmdMail, cmdRcpt, cmdData, cmdHeader, cmdEndHeader, cmdBody, cmdEndBody}
		w.mta.reset = events[w.random.IntN(len(events))]
	}
	m = w.traffic.room.compose(l)
	if o, err = w.mta.deliver(&m, w.traffic.room.ids.next()); err != nil {
		if !errors.Is(err, errReset) {
			_ = w.mta.close() // the session has failed already
		}
		return o, m, err
	}
	if w.left--; w.left == 0 {
		_ = w.mta.quit() // the message is settled
	}
	return o, m, nil
}

// trouble says in few words, of which there are not many, why there was no answer.
func trouble(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset by the milter"
	}
	return err.Error()
}
