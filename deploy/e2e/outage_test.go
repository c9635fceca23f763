package e2e

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestOutage kills the milter and stops Redis, again and again, while mail goes out on all three ways. Every message
// that Postfix has accepted must arrive, and every one signed.
func TestOutage(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{redis: true, settings: []string{"maximal_queue_lifetime = 5m"}})
	tag := s.tag(t, "user@virt.example")

	stream := s.newStream(t)
	await := func(what string, more int64) {
		t.Helper()
		target := stream.accepted.Load() + more
		eventually(t, what, func() bool { return stream.accepted.Load() >= target })
	}
	await("mail goes out", 20)
	for range 3 {
		s.daemon.kill(t)
		refused := stream.refused.Load()
		eventually(t, "mail is deferred while the milter is down", func() bool { return stream.refused.Load() > refused+3 })
		s.daemon.start(t)
		await("mail goes out after the milter is back", 20)
	}

	s.redis.stop(t)
	await("mail goes out while Redis is down", 20)
	t.Run("without Redis a genuine bounce is accepted", (&scenario{
		to: []rcpt{{plain(tag), ok}}, mailboxes: []string{"user@virt.example"}, header: "batv=pass reason=valid method=signature",
	}).test(s))
	t.Run("without Redis a forged one is refused", func(t *testing.T) {
		c := s.outside(t)
		defer c.quit()
		if r := c.attempt("", []string{forge(tag)}, newBounce(tag, "").text); r != replyInvalid {
			t.Errorf("answered %q", r)
		}
	})
	t.Run("without Redis the daemon says that it is not ready", func(t *testing.T) {
		if status, body := s.daemon.get("/readyz"); status != 503 || strings.TrimSpace(body) == "" {
			t.Errorf("/readyz: status %d, %q", status, body)
		}
		if status, _ := s.daemon.get("/healthz"); status != 200 {
			t.Errorf("/healthz: status %d", status)
		}
	})
	s.daemon.kill(t)
	s.daemon.startUntil(t, "/healthz")
	t.Run("without Redis the daemon keeps what is to be recorded, even if it is killed", func(t *testing.T) {
		if waiting := s.daemon.metric(t, "bouncefilter_store_journal_entries"); waiting < 20 {
			t.Errorf("%v messages wait after the start", waiting)
		}
	})
	await("mail goes out while Redis is still down", 20)
	s.redis.start(t)
	eventually(t, "the daemon finds Redis again", func() bool { status, _ := s.daemon.get("/readyz"); return status == 200 })
	await("mail goes out after Redis is back", 20)
	t.Run("nothing that was to be recorded is lost", func(t *testing.T) {
		for name, want := range map[string]bool{"journal_entries": false, "lost_records_total": false, "gap": false, "replayed_records_total": true} {
			if n := s.daemon.metric(t, "bouncefilter_store_"+name); n > 0 != want {
				t.Errorf("bouncefilter_store_%s %v", name, n)
			}
		}
	})
	t.Run("after the outage a genuine bounce is accepted", (&scenario{
		to: []rcpt{{plain(tag), ok}}, mailboxes: []string{"user@virt.example"}, header: "batv=pass reason=valid",
	}).test(s))

	sent := stream.finish()
	t.Run("nothing is lost and nothing leaves unsigned", func(t *testing.T) {
		s.postfix.drain(t)
		missing := func() (ids []string) {
			arrived := map[string]bool{}
			for _, d := range s.world.all() {
				arrived[messageID(d.text)] = true
			}
			for _, m := range sent {
				if id := m.mark + "@client.example"; !arrived[id] {
					ids = append(ids, id)
				}
			}
			return ids
		}
		eventually(t, "every accepted message has arrived", func() bool { return len(missing()) == 0 })
		for _, d := range s.world.all() {
			if !isSigned(d.sender, "user@virt.example") {
				t.Errorf("message left with the sender <%s>:\n%s", d.sender, d.text)
			}
		}
		t.Logf("%d messages were accepted and arrived signed; %d attempts were deferred", len(sent), stream.refused.Load())
	})
}

// TestLostRecord takes the record away in ways in which Redis loses it. Genuine bounces are delivered all the same.
func TestLostRecord(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{redis: true})
	for _, row := range []struct {
		name, sender string
		lose         func(t *testing.T)
	}{
		{"flushed", "user@virt.example", func(t *testing.T) { s.redis.cli(t, "flushall") }},
		{"killed before it saved", "other@virt.example", func(t *testing.T) {
			s.redis.process.end(t, syscall.SIGKILL)
			s.redis.start(t)
			eventually(t, "the daemon finds Redis again", func() bool { status, _ := s.daemon.get("/readyz"); return status == 200 })
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := scenario{
				to: []rcpt{{valid(row.sender), ok}}, mailboxes: []string{row.sender},
				reason: "valid", action: "accept", header: "batv=pass reason=valid method=tag",
			}
			before.run(t, s)
			row.lose(t)
			(&scenario{
				to: []rcpt{{valid(row.sender), ok}}, mailboxes: []string{row.sender},
				reason: "grace", action: "accept", wouldRefuse: "not-issued", header: "batv=neutral reason=grace would-be=not-issued",
			}).run(t, s)
		})
	}
}

// stream is mail that goes out on all ways until finish. A message that is not accepted is tried again, as an MTA would.
type stream struct {
	stop              chan struct{}
	workers           sync.WaitGroup
	accepted, refused atomic.Int64
	mu                sync.Mutex
	sent              []message
}

// newStream starts a stream with one worker for each way out.
func (s *site) newStream(t *testing.T) *stream {
	st := &stream{stop: make(chan struct{})}
	const from, to = "user@virt.example", "friend@remote.example"
	ways := []func(m message) string{
		func(m message) string { return s.trySubmit(t, from, to, m) },
		func(m message) string {
			c, err := tryDial(t, internal, s.postfix.smtp)
			if err != nil {
				return "421 " + err.Error()
			}
			defer c.quit()
			return c.attempt(from, []string{to}, m.text)
		},
		func(m message) string {
			if err := s.postfix.sendmail(from, []string{to}, m.text); err != nil {
				return "451 " + err.Error()
			}
			return "250 handed in"
		},
	}
	for _, way := range ways {
		st.workers.Go(func() {
			for m := newMessage(from, to); ; {
				select {
				case <-st.stop:
					return
				default:
				}
				switch r := way(m); r[0] {
				case '2':
					st.mu.Lock()
					st.sent = append(st.sent, m)
					st.mu.Unlock()
					st.accepted.Add(1)
					m = newMessage(from, to)
				case '4':
					st.refused.Add(1)
					// The connection may have broken after the message was accepted; a second copy gets another ID, so
					// that the first is not counted as the one that had to arrive.
					m = newMessage(from, to)
				default:
					t.Errorf("outbound mail was answered %q", r)
					return
				}
				time.Sleep(20 * time.Millisecond) // leave some of the machine to the servers
			}
		})
	}
	t.Cleanup(func() { st.finish() })
	return st
}

// finish ends the stream and returns the messages that were accepted.
func (st *stream) finish() []message {
	select {
	case <-st.stop:
	default:
		close(st.stop)
	}
	st.workers.Wait()
	return st.sent
}

// TestTerminate ends the daemon in the middle of messages. They come to the end that they would have come to.
func TestTerminate(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	tag := s.tag(t, "user@virt.example")

	genuine, forged, out := s.outside(t), s.outside(t), s.submit(t)
	bounce, backscatter, letter := newBounce(tag, ""), newBounce("user@virt.example", ""), newMessage("user@virt.example", "friend@remote.example")
	for _, begin := range []struct {
		c        *client
		from, to string
	}{{genuine, "", tag}, {forged, "", "user@virt.example"}, {out, "user@virt.example", "friend@remote.example"}} {
		begin.c.mustCommand("250", fmt.Sprintf("MAIL FROM:<%s>", begin.from))
		begin.c.mustCommand("250", fmt.Sprintf("RCPT TO:<%s>", begin.to))
		begin.c.mustCommand("354", "DATA")
	}
	s.daemon.process.signal(syscall.SIGTERM)
	s.daemon.awaitRecord(t, 0, record{"msg": "stopping"})

	if r := forged.text(backscatter.text); r != replyNone {
		t.Errorf("bounce without a tag: %s", r)
	}
	if r := genuine.text(bounce.text); r[0] != '2' {
		t.Errorf("genuine bounce: %s", r)
	}
	if r := out.text(letter.text); r[0] != '2' {
		t.Errorf("outbound mail: %s", r)
	}
	s.mailbox("user@virt.example").await(t, bounce.mark)
	if d := s.world.await(t, letter.mark); !isSigned(d.sender, "user@virt.example") {
		t.Errorf("outbound mail left with the sender <%s>", d.sender)
	}
	if status := s.daemon.process.wait(t); status != 0 {
		t.Errorf("exit status is %d", status)
	}
	records := s.daemon.records(0)
	if last := records[len(records)-1]; !last.has(record{"msg": "summary", "signed": "2", "refused": "1", "refused_untagged": "1"}) {
		t.Errorf("the last log line is %v, expected a summary with what was in flight", last)
	}
}
