package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Phases of a row.
const (
	before = iota
	during
	after
)

// load is the mail of a pair of hosts: messages go out through one of them, each from a sender of its own, so with a tag of its own.
// Each is answered at once with a bounce to its tag and with a read receipt that names it and goes to the address without a tag,
// alternately at both hosts; and forgeries come to both all the while. Senders whose mail is deferred try again.
type load struct {
	t     *testing.T
	p     *pair
	phase atomic.Int32

	compared bool          // mail that the store has nothing to do with goes out as well, to compare times
	stop     chan struct{} // ends the new mail
	done     chan struct{} // ends the answers
	mail     sync.WaitGroup
	tries    sync.WaitGroup

	count atomic.Int64 // of senders

	mu      sync.Mutex
	sent    []*letter
	pending []*trial
	busy    int      // trials that are being made
	settled []string // marks of bounces and receipts that were accepted, by node
	end     time.Time
	tally   tally
}

// letter is a message that was accepted on its way out, and has arrived in the world once it has a tag.
type letter struct{ mark, from, tag, text string }

// trial is a message that comes from the world, until it is accepted or refused.
type trial struct {
	kind     kind
	node     *site
	to       string
	m        message
	due      time.Time
	deferred bool
	last     string // reply
}

type kind int

const (
	bounce         kind = iota // to a genuine tag
	receipt                    // without a tag, about a message that was sent
	wrongSignature             // to a tag that was made up
	unknownMessage             // without a tag, about a message that was never sent
	audit                      // a second bounce to a genuine tag, when all is over
)

// outcome counts what became of trials. One that was deferred and then accepted is both.
type outcome struct{ accepted, deferred, refused int }

// tally is what a row counts.
type tally struct {
	genuine  [2]outcome // bounces and receipts
	forged   outcome    // wrong signatures
	unknown  [3]outcome // unknown messages, by phase
	times    [3][]time.Duration
	foreign  [3][]time.Duration // of messages that are not signed, so they make no record
	settling time.Duration      // from the end of the fault to the last genuine bounce that was accepted late
	refusals []string           // of genuine messages
	leaks    []string           // forged tags that were accepted elsewhere or at another time than where and while a key may be missing
}

const (
	pauseOut    = 150 * time.Millisecond
	pauseForged = 250 * time.Millisecond
	retryAfter  = 400 * time.Millisecond // much sooner than an MTA would
)

// startLoad starts the mail of a pair. It ends with the test.
func (p *pair) startLoad(t *testing.T, compared bool) *load {
	l := &load{t: t, p: p, compared: compared, stop: make(chan struct{}), done: make(chan struct{})}
	p.load = l
	l.mail.Go(l.send)
	l.mail.Go(l.forge)
	l.tries.Go(l.answer)
	for range 3 {
		l.tries.Go(l.try)
	}
	t.Cleanup(func() {
		closeOnce(l.stop)
		closeOnce(l.done)
		l.mail.Wait()
		l.tries.Wait()
	})
	return l
}

func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// pause waits, and says whether to go on.
func pause(stop chan struct{}, d time.Duration) bool {
	select {
	case <-stop:
		return false
	case <-time.After(d):
		return true
	}
}

// foreignSender is one that the site does not sign for.
const foreignSender = "somebody@elsewhere.example"

// send sends one message after the other.
func (l *load) send() {
	for pause(l.stop, pauseOut) {
		if m := l.newLetter(); l.sendOne(m, &l.tally.times) {
			l.accepted(m)
		}
		if l.compared {
			m := newMessage(foreignSender, "friend@remote.example")
			l.sendOne(&letter{mark: m.mark, from: foreignSender, text: m.text}, &l.tally.foreign)
		}
	}
}

// sendOne sends a message, and notes how long that took unless the phase has changed meanwhile. It says whether it was accepted.
func (l *load) sendOne(m *letter, times *[3][]time.Duration) bool {
	phase := l.phase.Load()
	c, err := tryDial(l.t, internal, l.p.out.postfix.smtp)
	if err != nil {
		return false
	}
	defer c.quit()
	begin := time.Now()
	reply := c.attempt(m.from, []string{"friend@remote.example"}, m.text)
	took := time.Since(begin)
	switch reply[0] {
	case '2':
		l.mu.Lock()
		defer l.mu.Unlock()
		if phase == l.phase.Load() {
			times[phase] = append(times[phase], took)
		}
		return true
	case '4': // another one is as good
	default:
		l.t.Errorf("outbound mail was answered %q", reply)
	}
	return false
}

// newLetter writes a message from a sender that has not written before.
func (l *load) newLetter() *letter {
	from := fmt.Sprintf("u%d@virt.example", l.count.Add(1))
	m := newMessage(from, "friend@remote.example")
	return &letter{mark: m.mark, from: from, text: m.text}
}

// accepted notes a letter that was accepted.
func (l *load) accepted(m *letter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, m)
}

// answer answers what arrives in the world, and while the fault lasts once more what arrived before.
func (l *load) answer() {
	var seen, again int
	var known []delivery
	for pause(l.done, 30*time.Millisecond) {
		all := l.p.world.all()
		for _, d := range all[seen:] {
			seen++
			if d.sender == foreignSender {
				continue
			}
			l.answerTo(d, seen)
			if l.phase.Load() == before {
				known = append(known, d)
			} else if again < len(known) {
				l.add(&trial{kind: receipt, node: l.p.nodes()[again%2], m: readReceipt(known[again].plainSender(), known[again].text), to: known[again].plainSender()})
				again++
			}
		}
	}
}

func (l *load) answerTo(d delivery, n int) {
	nodes := l.p.nodes()
	l.add(&trial{kind: bounce, node: nodes[n%2], to: d.sender, m: newBounce(d.sender, "")})
	l.add(&trial{kind: receipt, node: nodes[(n+1)%2], to: d.plainSender(), m: readReceipt(d.plainSender(), d.text)})
}

// plainSender is the sender without its tag.
func (d delivery) plainSender() string {
	if m := tagSyntax.FindStringSubmatch(d.sender); m != nil {
		return m[1] + m[2] + m[3]
	}
	return d.sender
}

// forge sends forgeries.
func (l *load) forge() {
	for n := 0; pause(l.stop, pauseForged); n++ {
		d, found := l.lastSigned()
		if !found {
			continue
		}
		node, to := l.p.nodes()[n/2%2], d.plainSender()
		if n%2 == 0 {
			l.add(&trial{kind: wrongSignature, node: node, to: forge(d.sender), m: newBounce(to, "")})
		} else {
			l.add(&trial{kind: unknownMessage, node: node, to: to, m: readReceipt(to, newMessage(to, "friend@remote.example").text)})
		}
	}
}

// lastSigned returns the last message that arrived in the world and was signed.
func (l *load) lastSigned() (delivery, bool) {
	for _, d := range slices.Backward(l.p.world.all()) {
		if isSigned(d.sender, d.plainSender()) {
			return d, true
		}
	}
	return delivery{}, false
}

func (l *load) add(tr *trial) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, tr)
}

// next takes a trial that is due.
func (l *load) next() *trial {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for i, tr := range l.pending {
		if tr.due.Before(now) {
			l.pending = append(l.pending[:i], l.pending[i+1:]...)
			l.busy++
			return tr
		}
	}
	return nil
}

// idle says whether nothing is on its way.
func (l *load) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending) == 0 && l.busy == 0
}

// try makes trials.
func (l *load) try() {
	for {
		tr := l.next()
		if tr == nil {
			if !pause(l.done, 10*time.Millisecond) {
				return
			}
			continue
		}
		phase := l.phase.Load()
		reply := tr.node.knock(l.t, tr.to, tr.m.text)
		if tr.kind == unknownMessage {
			phase = l.phase.Load() // it waits for a heartbeat of the other host, and the fault may come meanwhile
		}
		l.judge(tr, phase, reply)
		l.mu.Lock()
		l.busy--
		l.mu.Unlock()
	}
}

// knock tries to send a bounce or receipt from outside, and returns the last reply; without a connection, that of a server that is not there.
func (s *site) knock(t *testing.T, to, text string) string {
	c, err := tryDial(t, outsider, s.postfix.smtp)
	if err != nil {
		return "421 no connection"
	}
	defer c.quit()
	return c.attempt("", []string{to}, text)
}

// judge counts what became of a trial.
func (l *load) judge(tr *trial, phase int32, reply string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var o *outcome
	switch tr.kind {
	case audit:
		o = new(outcome)
	case bounce, receipt:
		o = &l.tally.genuine[tr.kind]
	case wrongSignature:
		o = &l.tally.forged
	case unknownMessage:
		o = &l.tally.unknown[phase]
	}
	switch reply[0] {
	case '2':
		o.accepted++
		if tr.kind == wrongSignature && (tr.node != l.p.in || phase != during) {
			l.tally.leaks = append(l.tally.leaks, fmt.Sprintf("%s: <%s> in phase %d", filepath.Base(tr.node.dir), tr.to, phase))
		}
		switch tr.kind {
		case bounce, receipt, audit:
			l.settled = append(l.settled, tr.node.daemon.dir+" "+tr.m.mark)
			if late := time.Since(l.end); tr.deferred && !l.end.IsZero() {
				l.tally.settling = max(l.tally.settling, late)
			}
		}
	case '5':
		o.refused++
		switch tr.kind {
		case bounce, receipt, audit:
			l.tally.refusals = append(l.tally.refusals, fmt.Sprintf("%s: <%s> in phase %d: %s", filepath.Base(tr.node.dir), tr.to, phase, reply))
		}
	default:
		if !tr.deferred {
			o.deferred++
		}
		if tr.kind == unknownMessage && strings.HasPrefix(reply, "450") {
			return // once will do
		}
		tr.last = reply
		tr.deferred, tr.due = true, time.Now().Add(retryAfter)
		l.pending = append(l.pending, tr)
	}
}

// rest waits until nothing is on its way.
func (l *load) rest(t *testing.T, what string) {
	t.Helper()
	defer func() {
		if l.mu.Lock(); t.Failed() {
			for _, tr := range l.pending[:min(len(l.pending), 10)] {
				t.Logf("%s: <%s> gets %q", filepath.Base(tr.node.dir), tr.to, tr.last)
			}
		}
		l.mu.Unlock()
	}()
	eventually(t, what, l.idle)
}

// begin and over mark the begin and the end of the fault.
func (l *load) begin() { l.phase.Store(during) }
func (l *load) over() {
	l.mu.Lock()
	l.end = time.Now()
	l.mu.Unlock()
	l.phase.Store(after)
}

// await waits until so many more messages have gone out.
func (l *load) await(t *testing.T, more int) {
	t.Helper()
	l.mu.Lock()
	target := len(l.sent) + more
	l.mu.Unlock()
	eventually(t, fmt.Sprintf("%d more messages go out", more), func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.sent) >= target
	})
}
