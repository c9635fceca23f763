package e2e

import (
	"strings"
	"testing"
)

// failures are ways in which signed mail fails, each with the bounce that comes of it.
var failures = []struct {
	name   string
	to     string
	status string // in the bounce that Postfix makes
}{
	{"the remote server refuses the recipient", "reject@remote.example", "5.1.1"},
	{"the remote server refuses the content", "late@remote.example", "5.6.0"},
	{"the message stays in the queue for too long", "defer@remote.example", "4.3.0"},
}

// testFailedDelivery sends mail that cannot be delivered. Its bounce must reach the sender's mailbox, whichever server makes it.
// In a site that has Postfix' own bounces pass through milters as well, they must pass.
func (s *site) testFailedDelivery(t *testing.T) {
	senders := map[string]string{ // and their mailboxes
		"user@virt.example":    "user@virt.example",
		"games@local.example":  "games@local.example",
		"office@local.example": "games@local.example",
		"info@alias.example":   "user@virt.example",
		"bob@relay.example":    "",
	}
	for _, failure := range failures {
		t.Run(failure.name, func(t *testing.T) {
			sent := map[string]message{}
			for sender := range senders {
				sent[sender] = newMessage(sender, failure.to)
				c := s.submit(t)
				c.send(sender, []string{failure.to}, sent[sender].text)
				c.quit()
			}
			s.mta.drain(t)
			for sender, address := range senders {
				m := sent[sender]
				if address == "" {
					d := s.inner.await(t, m.mark)
					if d.sender != "" || len(d.recipients) != 1 || d.recipients[0].address != sender {
						t.Errorf("bounce to <%s> reached the inner server from <%s> for %v", sender, d.sender, d.recipients)
					}
					continue
				}
				header, text := s.mailbox(address).await(t, m.mark)
				if header.Get("Return-Path") != s.mta.nullSender() || strings.Contains(header.Get("Delivered-To"), "prvs=") {
					t.Errorf("bounce to <%s> has Return-Path %q and Delivered-To %q", sender, header.Get("Return-Path"), header.Get("Delivered-To"))
				}
				if !strings.Contains(text, failure.status) || !strings.Contains(text, failure.to) {
					t.Errorf("bounce to <%s> does not name %s and %s:\n%s", sender, failure.status, failure.to, text)
				}
			}
		})
	}
	// The remote server accepts the message and finds out later that it cannot deliver it. It answers the envelope
	// sender that it saw, from outside.
	t.Run("the remote server bounces after accepting", func(t *testing.T) {
		m := newMessage("user@virt.example", "friend@remote.example")
		c := s.submit(t)
		c.send("user@virt.example", []string{"friend@remote.example"}, m.text)
		c.quit()
		d := s.world.await(t, m.mark)
		bounce := newBounce(d.sender, d.text)
		logged := s.daemon.process.out.len()
		c = s.outside(t)
		c.send("", []string{d.sender}, bounce.text)
		c.quit()
		s.mailbox("user@virt.example").await(t, bounce.mark)
		s.daemon.awaitRecord(t, logged, record{"reason": "valid", "action": "accept", "recipient": "<" + d.sender + ">"})
	})
}
