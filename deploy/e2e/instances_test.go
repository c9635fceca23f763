package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const nullClient = "Null client"

// siteRecipients are the addresses of a site that a Postfix in front of it knows, as relay_recipient_maps.
const siteRecipients = "inline:{ {user@virt.example=x}, {games@local.example=x}, {office@local.example=x}, {info@alias.example=x}, {bob@relay.example=x} }"

// standInFront makes an instance that delivers nothing itself: it hands mail for the domains of a site to a port there, and
// comes from an address of its own. It keeps mail for long.
func (p *postfix) standInFront(t *testing.T, port int, from string) {
	t.Helper()
	execute(t, "postconf", "-c", p.conf, "-e",
		"mydestination =", "virtual_mailbox_domains =", "virtual_mailbox_maps =", "virtual_alias_domains =", "virtual_alias_maps =",
		"relay_domains = local.example, virt.example, alias.example, relay.example", "relay_recipient_maps = "+siteRecipients,
		"transport_maps =", "relay_transport = smtp:[127.0.0.1]:"+itoa(port), "smtp_bind_address = "+from,
		"maximal_queue_lifetime = 1h", "bounce_queue_lifetime = 1h")
}

// TestInstances runs two instances of Postfix: one that takes mail in and asks bouncefilter, and one that delivers.
func TestInstances(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{sections: []string{taggedRecipients}})
	in := newPostfix(t, filepath.Join(s.dir, "in"), s.world, s.inner)
	in.configure(t, taggedRecipients, s.daemon.milter)
	in.configure(t, theMilter, s.daemon.milter)
	in.standInFront(t, s.postfix.smtp, internal) // which the other one relays for
	in.set(t, "relayhost = [127.0.0.1]:"+itoa(s.postfix.smtp))
	in.start(t)

	// submit sends a message through the first instance.
	submit := func(t *testing.T, from, to string) message {
		m := newMessage(from, to)
		c := dial(t, outsider, in.submission).login()
		defer c.quit()
		c.send(from, []string{to}, m.text)
		return m
	}
	for _, address := range []struct{ sender, mailbox string }{
		{"user@virt.example", "user@virt.example"}, {"games@local.example", "games@local.example"},
		{"office@local.example", "games@local.example"}, {"info@alias.example", "user@virt.example"},
	} {
		t.Run(address.sender, func(t *testing.T) {
			d := s.world.await(t, submit(t, address.sender, "friend@remote.example").mark)
			if !isSigned(d.sender, address.sender) {
				t.Fatalf("the world sees <%s>", d.sender)
			}
			b := newBounce(d.sender, d.text)
			handIn(t, outsider, in.smtp, "", d.sender, b)
			if h, text := s.mailbox(address.mailbox).await(t, b.mark); !strings.Contains(h.Get("X-Bouncefilter"), "batv=pass reason=valid") {
				t.Errorf("the bounce was not judged:\n%s", text)
			}
			// The second instance makes a bounce itself. Its sender's address has a tag, and it passes no milter.
			s.mailbox(address.mailbox).await(t, submit(t, address.sender, "reject@remote.example").mark)
		})
	}
	t.Run("relayed domain", func(t *testing.T) {
		d := s.world.await(t, submit(t, "bob@relay.example", "friend@remote.example").mark)
		b := newBounce(d.sender, d.text)
		handIn(t, outsider, in.smtp, "", d.sender, b)
		if d := s.inner.await(t, b.mark); d.recipients[0].address != "bob@relay.example" {
			t.Errorf("the inner server gets it to %v", d.recipients)
		}
	})
	t.Run("backscatter", func(t *testing.T) {
		c := dial(t, outsider, in.smtp)
		defer c.quit()
		if r := c.attempt("", []string{"user@virt.example"}, newBounce("user@virt.example", "").text); r != replyNone {
			t.Errorf("answered %q", r)
		}
	})
	t.Run("unknown user with a valid tag", func(t *testing.T) {
		c := dial(t, outsider, in.smtp)
		defer c.quit()
		c.mustCommand("250", "MAIL FROM:<>")
		c.mustCommand(replyUnknown, "RCPT TO:<"+unrecorded("nobody.here@virt.example")(t, s)+">")
	})
}

// TestNullClient runs a host that hands all its mail to the site, and keeps no mailboxes.
func TestNullClient(t *testing.T) {
	t.Parallel()
	config := strings.ReplaceAll(strings.TrimSpace(roleBlocks(t, nullClient, "toml")), "192.0.2.7", internal)
	if !strings.Contains(daemonConfig, config) {
		t.Fatalf("the configuration of these tests is not the manual's:\n%s", config)
	}
	s := newSite(t, siteOptions{})
	host := newPostfix(t, filepath.Join(s.dir, "client"), s.world, s.inner)
	host.play(t, nullClient, "mail.example.com", "127.0.0.1", ":25", ":"+itoa(s.postfix.smtp), "loopback-only", "127.0.0.1")
	execute(t, "postconf", "-c", host.conf, "-e", "smtp_bind_address = "+internal, "virtual_mailbox_domains =", "virtual_alias_domains =",
		"virtual_alias_maps =", "relay_domains =", "transport_maps =")
	host.start(t)

	send := func(t *testing.T, to string) message {
		m := newMessage("user@virt.example", to)
		if err := host.sendmail("user@virt.example", []string{to}, m.text); err != nil {
			t.Fatal(err)
		}
		return m
	}
	t.Run("is signed by the relay", func(t *testing.T) {
		d := s.world.await(t, send(t, "friend@remote.example").mark)
		if !isSigned(d.sender, "user@virt.example") {
			t.Fatalf("the world sees <%s>", d.sender)
		}
		b := newBounce(d.sender, d.text)
		handIn(t, outsider, s.postfix.smtp, "", d.sender, b)
		s.mailbox("user@virt.example").await(t, b.mark)
	})
	t.Run("DSN parameters", func(t *testing.T) {
		m := newMessage("user@virt.example", "friend@remote.example")
		cmd := exec.Command("sendmail", "-C", host.conf, "-i", "-f", "user@virt.example", "-R", "hdrs", "-V", "QQ314159", "-N", "failure,delay", "friend@remote.example")
		cmd.Stdin = strings.NewReader(m.text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("sendmail: %v\n%s", err, out)
		}
		d := s.world.await(t, m.mark)
		hasParameters(t, d.parameters, []string{"RET=HDRS", "ENVID=QQ314159"})
		hasParameters(t, d.recipients[0].parameters, []string{"NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;friend@remote.example"})
	})
	t.Run("bounce that the relay makes", func(t *testing.T) {
		s.mailbox("user@virt.example").await(t, send(t, "reject@remote.example").mark)
	})
	// It has not seen the tag.
	t.Run("bounce that the client makes", func(t *testing.T) {
		logged := s.daemon.process.out.len()
		s.mailbox("user@virt.example").await(t, send(t, "nobody.here@virt.example").mark)
		s.daemon.awaitRecord(t, logged, record{"msg": "bounce", "reason": "exempt", "action": "accept", "would_be": "untagged", "client": internal})
	})
}
