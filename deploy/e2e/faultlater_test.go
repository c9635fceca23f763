package e2e

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"
)

// share is how many of some forged bounces were refused.
type share struct{ refused, all int }

func (s share) String() string { return fmt.Sprintf("%d/%d", s.refused, s.all) }

// anHourLater sends to the host that receives, with its clock an hour on, forged bounces and a bounce without a tag of each message that was
// sent. It returns how many of the forged ones are refused.
func (p *pair) anHourLater(t *testing.T) share {
	t.Helper()
	d := p.in.daemon
	d.process.end(t, syscall.SIGTERM)
	d.program = ahead(t, time.Hour)
	d.start(t)
	now := time.Now().Add(time.Hour)
	returned := map[string]string{}
	for _, arrived := range p.world.all() {
		returned[arrived.plainSender()] = arrived.text
	}
	var mu sync.Mutex
	s := share{}
	limit := make(chan struct{}, 8)
	var wait sync.WaitGroup
	send := func(to, text string, genuine bool) {
		wait.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			reply := p.in.insist(t, to, text)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case !genuine:
				s.all++
				if reply[0] == '5' {
					s.refused++
				}
			case reply[0] == '5':
				t.Errorf("an hour later a genuine bounce to <%s> was refused: %s", to, reply)
			}
		})
	}
	for _, l := range p.load.sent {
		send(l.from, newBounce(l.from, returned[l.from]).text, true)
	}
	for n, text := range forgedBounces("u1@virt.example", now) {
		send(fmt.Sprintf("u%d@virt.example", n+1), text, false)
	}
	wait.Wait()
	return s
}

// insist sends a bounce as a patient MTA does, and returns the reply that is not a deferral.
func (s *site) insist(t *testing.T, to, text string) string {
	reply := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(retryAfter) {
		if reply = s.knock(t, to, text); reply[0] != '4' {
			return reply
		}
	}
	t.Errorf("a bounce to <%s> is deferred for %v: %s", to, patience, reply)
	return reply
}

// forgedBounces returns bounces of mail that was never sent, as they are in the world: of 211 bounces in public collections 27 name no
// message; of the others 96 of a hundred tell when theirs was sent, most of them less than a minute ago.
func forgedBounces(to string, now time.Time) []string {
	var bounces []string
	add := func(n int, age time.Duration, header func(sent string) string) {
		for range n {
			bounces = append(bounces, forgedBounce(to, now, header(now.Add(-age).Format(time.RFC1123Z))))
		}
	}
	id := func() string { return "Message-ID: <" + newMessage("", "").mark + "@virt.example>\n" }
	full := func(sent string) string {
		return "Received: from [192.0.2.9] by relay.spam.example with SMTP; " + sent + "\nDate: " + sent + "\n" + id()
	}
	add(37, 20*time.Second, full)
	for _, age := range []time.Duration{5 * time.Minute, 45 * time.Minute, 2 * time.Hour, 9 * time.Hour, 17 * time.Hour, 24 * time.Hour, 72 * time.Hour, 96 * time.Hour} {
		add(1, age, full)
	}
	add(4, 20*time.Second, func(sent string) string { return "Date: " + sent + "\n" + id() })
	add(2, 0, func(string) string { return id() })
	add(9, 0, func(string) string { return "" })
	return bounces
}

// forgedBounce writes a bounce that returns a message of a spammer.
func forgedBounce(to string, now time.Time, header string) string {
	return "From: MAILER-DAEMON@remote.example\nTo: " + to + "\nSubject: failure notice\nDate: " + now.Format(time.RFC1123Z) + "\n\n" +
		failureNotice + "From: " + to + "\nTo: friend@remote.example\nSubject: cheap pills\n" + header + "\nBuy now.\n"
}
