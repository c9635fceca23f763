package filter

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/bounce"
	"github.com/bouncefilter/bouncefilter/filter/limit"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/filter/wire"
)

// As many bounces are read as there are places; the next one waits, and not for ever.
func TestBouncesWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReaders()
		places := cap(r.places)
		for range places {
			if !r.begin() {
				t.Fatalf("there is no place for one of %d", places)
			}
		}
		began := time.Now()
		if r.begin() {
			t.Fatalf("one more than %d", places)
		}
		if waited := time.Since(began); waited != maxReadingWait {
			t.Errorf("waited %v, want %v", waited, maxReadingWait)
		}
		time.AfterFunc(maxReadingWait-time.Second, r.end)
		if !r.begin() {
			t.Error("a place that became free is not taken")
		}
		for range places {
			r.end()
		}
		if n := len(r.places); n != 0 {
			t.Errorf("%d places are taken by nobody", n)
		}
	})
}

// A bounce that does not get its turn is deferred: nothing is lost, and nothing is delivered that its content would have had refused.
func TestBounceThatDoesNotGetItsTurn(t *testing.T) {
	f := start(t, nil)
	f.server.view.RefreshRecord(t.Context())
	f.server.readers.wait = time.Nanosecond
	for range cap(f.server.readers.places) {
		f.server.readers.begin()
	}
	m := f.outsideMTA()
	if stage, r := m.deliver("<>", "<user@example.com>", namelessBounce); stage != "end" || r.text != busy {
		t.Errorf("%s: %c %s", stage, r.code, r.text)
	}
	wantLog(t, f, "reason=busy action=defer", `msg="limit reached" limit=readers`)
	f.server.readers.end()
	if _, r := m.deliver("<>", "<user@example.com>", namelessBounce); r.text == busy || r.code != 'y' {
		t.Errorf("with a place: %c %s", r.code, r.text)
	}
	if n := len(f.server.readers.places); n != cap(f.server.readers.places)-1 {
		t.Errorf("%d places are taken", n)
	}
}

// A bounce that waits for its turn does not let the filter seem stuck: a restart would only make it longer. One that is read for long does.
func TestWaitingForATurnIsNotUnhealthy(t *testing.T) {
	f := start(t, nil)
	for range cap(f.server.readers.places) {
		f.server.readers.begin()
	}
	s := &session{server: f.server, conn: &wire.Conn{}}
	f.server.health.opened(s)
	s.begin()
	s.msg.content = newContent(&f.server.contents, "", 1000)
	read := make(chan bool)
	go func() { read <- s.readContent() }()
	wait(t, "the wait counts as work", func() bool { return s.event.Load() == 0 })
	f.setClock(f.server.now().Add(time.Hour))
	if h := f.server.Health(); h.Longest != 0 {
		t.Errorf("it is worked on for %v", h.Longest)
	}
	f.server.readers.end()
	if !<-read {
		t.Error("it did not get its turn")
	}
	f.setClock(f.server.now().Add(time.Minute))
	if h := f.server.Health(); h.Longest != time.Minute {
		t.Errorf("after its turn it is worked on for %v", h.Longest)
	}
	f.server.health.closed(s)
}

// exhausting is a bounce that takes more work to read than its size allows.
func exhausting(t *testing.T) string {
	t.Helper()
	text := "From: mailer-daemon@example.net\nSubject: Undelivered Mail Returned to Sender\nContent-Type: message/feedback-report\n\n" +
		strings.Repeat("a:\n\n", 100_000)
	if !bounce.Parse([]byte(text), bounce.DefaultLimits()).Unread {
		t.Fatal("the message is read, so that this tests nothing")
	}
	return text
}

// A bounce that cannot be read within its budget is not refused for that, whoever its sender is.
func TestBounceThatExceedsItsBudget(t *testing.T) {
	for _, from := range []string{"<>", "<mailer-daemon@example.net>"} {
		for _, to := range []string{"<user@example.com>", forged} {
			f := start(t, func(s *policy.Settings) { s.MailerDaemons.Refuse = true })
			f.server.view.RefreshRecord(t.Context())
			f.record("user@example.com", testDay.AddDate(0, 0, 7))
			text := exhausting(t)
			if stage, r := f.outsideMTA().deliver(from, to, text); r.code != 'a' {
				t.Errorf("from %s to %s at %s: %c %s", from, to, stage, r.code, r.text)
			}
			wantLog(t, f, "reason=grace", "cause=unread-content", `msg="limit reached" limit=work`)
			if n := f.server.watch.Count(limit.Work); n != 1 {
				t.Errorf("the limit was reached %d times", n)
			}
			x := f.explain(strings.Trim(from, "<>"), strings.Trim(to, "<>"), text)
			if x.Verdict.Cause != policy.UnreadContent || !strings.Contains(strings.Join(x.Steps, "\n"), "more work than its size allows") {
				t.Errorf("inspect says of %s to %s: %q", from, to, x.Steps)
			}
		}
	}
}

// The content of a bounce takes memory from its beginning to its end, whatever that is.
func TestContentIsGivenBack(t *testing.T) {
	long := namelessBounce + strings.Repeat("The message was this long.\n", 4000)
	for name, end := range map[string]func(m *mta){
		"the end of the message": func(m *mta) { m.event('E', "", 0, 0, "i", "4ZQUEUEID") },
		"another message":        func(m *mta) { m.abort() },
		"the end of the connection": func(m *mta) {
			m.c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, nil)
			m := f.outsideMTA()
			m.mail("<>")
			m.rcpt("<user@example.com>")
			m.data()
			m.header("From", "MAILER-DAEMON@example.net")
			for range 4 {
				m.event('B', strings.ReplaceAll(long, "\n", "\r\n")[:60_000], 0, milter.OptNoBodyReply, "i", "4ZQUEUEID")
			}
			want := 4 * 60_000
			wait(t, "the content is not held", func() bool { return f.server.contents.Used() >= want })
			end(m)
			wait(t, "the content is not given back", func() bool { return f.server.contents.Used() == 0 })
		})
	}
}

// wait waits until something is so, and says what is wrong if it does not come to be.
func wait(t *testing.T, wrong string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(wrong)
		}
	}
}
