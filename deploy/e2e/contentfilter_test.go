package e2e

import (
	"strings"
	"testing"
)

const contentFilter = "Content filter after the queue"

// TestContentFilter runs a site whose mail goes through a filter after Postfix' queue and comes back: it is signed once, and a
// bounce is judged once.
func TestContentFilter(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	filter, back := newSink(t, "filter.example"), freePort(t)
	s.postfix.play(t, contentFilter, "10025", itoa(filter.port), "10026", itoa(back))
	s.postfix.reload(t)

	// pass lets the filter give back a message that it has got, and returns it.
	pass := func(t *testing.T, m message) delivery {
		t.Helper()
		d := filter.await(t, m.mark)
		var to []string
		for _, r := range d.recipients {
			to = append(to, r.address)
		}
		c := dial(t, "127.0.0.1", back)
		defer c.quit()
		c.send(d.sender, to, "X-Filtered: yes\n"+d.text)
		return d
	}
	const sender, receiver = "user@virt.example", "friend@remote.example"
	for _, way := range waysOut {
		t.Run(way.name, func(t *testing.T) {
			signed := s.daemon.metric(t, "bouncefilter_messages_total", label("reason", "signed"))
			m := newMessage(sender, receiver)
			way.send(t, s, sender, receiver, m)
			seen := pass(t, m)
			d := s.world.await(t, m.mark)
			if !isSigned(d.sender, sender) || d.sender != seen.sender {
				t.Errorf("the filter sees the sender <%s>, the world <%s>", seen.sender, d.sender)
			}
			if got := s.daemon.metric(t, "bouncefilter_messages_total", label("reason", "signed")) - signed; got != 1 {
				t.Errorf("signed %v times", got)
			}
			accepted := s.daemon.metric(t, "bouncefilter_messages_total", label("reason", "valid"))
			all := s.daemon.metric(t, "bouncefilter_messages_total")
			b := newBounce(d.sender, d.text)
			handIn(t, outsider, s.postfix.smtp, "", d.sender, b)
			if seen := pass(t, b); len(seen.recipients) != 1 || seen.recipients[0].address != sender {
				t.Errorf("the filter sees the recipients %v", seen.recipients)
			}
			h, text := s.mailbox(sender).await(t, b.mark)
			if len(h["X-Bouncefilter"]) != 1 || h.Get("X-Filtered") == "" {
				t.Errorf("the bounce was not judged once and filtered:\n%s", text)
			}
			if got := s.daemon.metric(t, "bouncefilter_messages_total", label("reason", "valid")) - accepted; got != 1 {
				t.Errorf("the bounce was accepted %v times", got)
			}
			if got := s.daemon.metric(t, "bouncefilter_messages_total") - all; got != 1 {
				t.Errorf("the bounce was judged %v times", got)
			}
		})
	}
	t.Run("refused before the filter", (&scenario{
		to: []rcpt{{plain(sender), ok}}, end: replyNone, reason: "untagged", action: "reject",
	}).test(s))
	// The mail system's own bounce passes neither milter nor filter.
	t.Run("Postfix' bounce of mail that the filter refuses", func(t *testing.T) {
		m := newMessage(sender, "reject@remote.example")
		waysOut[0].send(t, s, sender, "reject@remote.example", m)
		if h, text := s.mailbox(sender).await(t, m.mark); h.Get("X-Bouncefilter") != "" || !strings.Contains(text, "5.1.1") {
			t.Errorf("this is not Postfix' own bounce:\n%s", text)
		}
	})
}
