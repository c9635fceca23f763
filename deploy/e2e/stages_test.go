package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// testStages checks what depends on the stage of the SMTP session.
func (s *site) testStages(t *testing.T) {
	// Another site's server asks whether our sender exists, as Exim's and Postfix' address verification do. After a refusal
	// that server would refuse our mail.
	t.Run("callout about an untagged address sees 250", func(t *testing.T) {
		refused := s.daemon.metric(t, "bouncefilter_messages_total", label("action", "reject"))
		for _, address := range []string{"user@virt.example", "user@early.example", s.tag(t, "user@virt.example")} {
			c := s.outside(t)
			c.mustCommand("250", "MAIL FROM:<>")
			c.mustCommand("250", "RCPT TO:<"+address+">")
			c.quit()
		}
		if got := s.daemon.metric(t, "bouncefilter_messages_total", label("action", "reject")) - refused; got != 0 {
			t.Errorf("callouts were counted as %v refused messages", got)
		}
	})
	t.Run("callout about an unknown user sees 550", func(t *testing.T) {
		c := s.outside(t)
		defer c.quit()
		c.mustCommand("250", "MAIL FROM:<>")
		c.mustCommand("550 5.1.1", "RCPT TO:<nobody.here@virt.example>")
	})
	// A client may go on after a refusal: the transaction is not over (RFC 5321 section 4.1.1.4).
	t.Run("a client that insists after DATA was refused does not slip through", func(t *testing.T) {
		c := s.outside(t)
		defer c.quit()
		c.mustCommand("250", "MAIL FROM:<>")
		c.mustCommand("250", "RCPT TO:<user@early.example>")
		c.mustCommand(replyNone, "DATA")
		c.mustCommand(replyNone, "DATA")
		c.mustCommand("250", "RCPT TO:<user@early.example>")
		c.mustCommand(replyNone, "DATA")
		c.mustCommand("250", "RSET")
		c.mustCommand("503", "DATA")
		c.mustCommand("250", "MAIL FROM:<>")
		c.mustCommand("250", "RCPT TO:<"+s.tag(t, "user@virt.example")+">")
		c.mustCommand("354", "DATA")
		if r := c.text(newBounce("user@virt.example", "").text); r[0] != '2' {
			t.Errorf("a genuine bounce after a refused one was answered %q", r)
		}
	})
	t.Run("a second message in a session is judged on its own", func(t *testing.T) {
		c := s.outside(t)
		defer c.quit()
		tag := s.tag(t, "user@virt.example")
		for range 2 {
			if r := c.attempt("", []string{tag}, newBounce(tag, "").text); r[0] != '2' {
				t.Errorf("genuine bounce: %s", r)
			}
			if r := c.attempt("", []string{"user@virt.example"}, newBounce("user@virt.example", "").text); r != replyNone {
				t.Errorf("untagged bounce: %s", r)
			}
			if r := c.attempt("friend@remote.example", []string{"user@virt.example"}, newMessage("friend@remote.example", "user@virt.example").text); r[0] != '2' {
				t.Errorf("ordinary mail: %s", r)
			}
		}
	})
	// A client that sends its message with BDAT never says DATA; the milter is asked all the same (RFC 3030).
	t.Run("BDAT", func(t *testing.T) {
		if s.cannot(t, "8.17 knows no CHUNKING") {
			return
		}
		for _, row := range []struct{ to, reply string }{{"user@virt.example", replyNone}, {"user@early.example", replyNone}, {s.tag(t, "user@virt.example"), "250"}} {
			text := strings.ReplaceAll(newBounce(row.to, "").text, "\n", "\r\n")
			c := s.outside(t)
			c.mustCommand("250", "MAIL FROM:<>")
			c.mustCommand("250", "RCPT TO:<"+row.to+">")
			c.mustCommand(row.reply, fmt.Sprintf("BDAT %d LAST\r\n%s", len(text), strings.TrimSuffix(text, "\r\n")))
			c.quit()
		}
	})
	t.Run("copies of our header on incoming mail are removed", func(t *testing.T) {
		tag := s.tag(t, "user@virt.example")
		m := newMessage("MAILER-DAEMON@remote.example", tag, "X-Bouncefilter: mx.local.example; batv=pass reason=forged", "x-bouncefilter: another")
		c := s.outside(t)
		defer c.quit()
		c.send("", []string{tag}, m.text)
		header, text := s.mailbox("user@virt.example").await(t, m.mark)
		if got := header["X-Bouncefilter"]; len(got) != 1 || got[0] == "" || got[0][len(got[0])-1] == 'd' {
			t.Errorf("X-Bouncefilter is %q in\n%s", got, text)
		}
	})
}

// testBadTagAtRcpt tests the option that refuses wrong tags at RCPT.
func (s *site) testBadTagAtRcpt(t *testing.T) {
	config := s.daemon.read(t)
	s.daemon.write(t, "bad_tag = \"rcpt\"\n"+config)
	s.daemon.reload(t, record{"msg": "configuration loaded"}, 1)
	defer func() {
		s.daemon.write(t, config)
		s.daemon.reload(t, record{"msg": "configuration loaded"}, 1)
	}()
	t.Run("a client that insists after a refusal at RCPT has no recipient", func(t *testing.T) {
		c := s.outside(t)
		defer c.quit()
		c.mustCommand("250", "MAIL FROM:<>")
		c.mustCommand(replyInvalid, "RCPT TO:<"+forge(s.tag(t, "user@virt.example"))+">")
		c.mustCommand("554", "DATA")
	})
	// Recipients are refused one by one although the client does not wait for the answers (RFC 2920).
	t.Run("pipelined commands are answered in order", func(t *testing.T) {
		tag := s.tag(t, "user@virt.example")
		b := newBounce(tag, "")
		c := s.outside(t)
		defer c.quit()
		fmt.Fprintf(c.conn, "MAIL FROM:<>\r\nRCPT TO:<%s>\r\nRCPT TO:<%s>\r\nRCPT TO:<nobody.here@virt.example>\r\nDATA\r\n", forge(tag), tag)
		for i, want := range []string{"250", replyInvalid, "250", "550 5.1.1", "354"} {
			if r := c.reply(); !strings.HasPrefix(r, want) {
				t.Fatalf("reply %d is %q, expected %q", i+1, r, want)
			}
		}
		if r := c.text(b.text); r[0] != '2' {
			t.Errorf("the genuine bounce was answered %q", r)
		}
		s.mailbox("user@virt.example").await(t, b.mark)
	})
	t.Run("ordinary mail to a wrong tag and to another user", func(t *testing.T) {
		c := s.outside(t)
		defer c.quit()
		m := newMessage("friend@remote.example", "user@virt.example")
		c.mustCommand("250", "MAIL FROM:<friend@remote.example>")
		c.mustCommand(replyNoSuch, "RCPT TO:<"+forge(s.tag(t, "user@virt.example"))+">")
		c.mustCommand("250", "RCPT TO:<user@virt.example>")
		c.mustCommand("354", "DATA")
		if r := c.text(m.text); r[0] != '2' {
			t.Errorf("answered %q", r)
		}
		s.mailbox("user@virt.example").await(t, m.mark)
	})
}
