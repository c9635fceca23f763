package e2e

import (
	"strings"
	"testing"
)

// TestSubAddressForm runs a site as the manual's section about the sub-address form has it: Postfix needs no
// list of tagged recipients.
func TestSubAddressForm(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{sections: []string{subAddressForm, theMilter}, top: `tag_form = "sub-address"`})
	for _, sc := range []scenario{
		{
			name: "genuine bounce to a virtual mailbox",
			to:   []rcpt{{valid("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
			reason: "valid", action: "accept", header: "batv=pass reason=valid method=tag",
		}, {
			name: "genuine bounce to a user in /etc/passwd",
			to:   []rcpt{{valid("games@local.example"), ok}}, mailboxes: []string{"games@local.example"},
			reason: "valid", action: "accept", header: "batv=pass reason=valid",
		}, {
			name: "genuine bounce to a name in aliases(5)",
			to:   []rcpt{{valid("office@local.example"), ok}}, mailboxes: []string{"games@local.example"},
			reason: "valid", action: "accept", header: "batv=pass reason=valid",
		}, {
			name: "genuine bounce to a virtual alias",
			to:   []rcpt{{valid("info@alias.example"), ok}}, mailboxes: []string{"user@virt.example"},
			reason: "valid", action: "accept", header: "batv=pass reason=valid",
		}, {
			name: "genuine bounce to a relayed domain",
			to:   []rcpt{{valid("bob@relay.example"), ok}}, inner: "bob@relay.example",
			reason: "valid", action: "accept",
		}, {
			name: "genuine bounce in capital letters",
			to:   []rcpt{{changed(valid("user@virt.example"), upperCase), ok}}, mailboxes: []string{"user@virt.example"},
			reason: "valid", action: "accept", header: "batv=pass reason=valid",
		}, {
			name: "sender with an extension of its own",
			to:   []rcpt{{valid("user+shop@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
			reason: "valid", action: "accept", header: "batv=pass reason=valid",
		}, {
			name: "forged tag is refused at the end of the message",
			to:   []rcpt{{forged("user@virt.example"), ok}}, end: replyInvalid, reason: "bad-signature", action: "reject",
		}, {
			name: "missing tag is refused at the end of the message",
			to:   []rcpt{{plain("user@virt.example"), ok}}, end: replyNone, reason: "untagged", action: "reject",
		}, {
			name: "unknown user with a valid tag", to: []rcpt{{unrecorded("nobody.here@virt.example"), replyUnknown}},
		}, {
			name: "unknown local user with a valid tag", to: []rcpt{{unrecorded("nobody.here@local.example"), replyUnknown}},
		}, {
			name: "ordinary mail to a tagged address",
			from: "friend@remote.example", to: []rcpt{{valid("user@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
			reason: "untag", action: "accept",
		},
	} {
		t.Run(sc.name, sc.test(s))
	}
	// Postfix' own bounces pass through no milter. The extension leads them to the mailbox all the same.
	t.Run("Postfix' own bounce reaches the mailbox", func(t *testing.T) {
		for sender, address := range map[string]string{"user@virt.example": "user@virt.example", "games@local.example": "games@local.example"} {
			m := newMessage(sender, "reject@remote.example")
			c := s.submit(t)
			c.send(sender, []string{"reject@remote.example"}, m.text)
			c.quit()
			if _, text := s.mailbox(address).await(t, m.mark); !strings.Contains(text, "5.1.1") {
				t.Errorf("bounce does not give the reason:\n%s", text)
			}
		}
	})
}

// TestExtensions runs the standard form where users have extensions, which the tag must not get in the way of.
func TestExtensions(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{settings: []string{"recipient_delimiter = +"}})
	for _, sc := range []scenario{
		{
			name: "virtual mailbox",
			to:   []rcpt{{valid("user+shop@virt.example"), ok}}, mailboxes: []string{"user@virt.example"},
			reason: "valid", action: "accept", header: "batv=pass reason=valid",
		}, {
			name: "local user",
			to:   []rcpt{{valid("games+shop@local.example"), ok}}, mailboxes: []string{"games@local.example"},
			reason: "valid", action: "accept", header: "batv=pass reason=valid",
		}, {
			name: "local user without an extension",
			to:   []rcpt{{valid("games@local.example"), ok}}, mailboxes: []string{"games@local.example"},
			reason: "valid", action: "accept", header: "batv=pass reason=valid",
		}, {
			name: "unknown user", to: []rcpt{{unrecorded("nobody.here+shop@virt.example"), replyUnknown}},
		}, {
			name: "unknown local user", to: []rcpt{{unrecorded("nobody.here+shop@local.example"), replyUnknown}},
		},
	} {
		t.Run(sc.name, sc.test(s))
	}
}

// TestAcceptOnFailure holds the alternative for sites that send nothing through port 25: with the milter down, mail from
// outside passes and mail from here waits.
func TestAcceptOnFailure(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{sections: []string{taggedRecipients, theMilter, acceptOnFailure}})
	tag := s.tag(t, "user@virt.example")
	s.daemon.kill(t)

	t.Run("mail from outside is delivered", func(t *testing.T) {
		for _, from := range []string{"", "friend@remote.example"} {
			m := newMessage(from, tag)
			c := s.outside(t)
			c.send(from, []string{tag}, m.text)
			c.quit()
			s.mailbox("user@virt.example").await(t, m.mark)
		}
	})
	t.Run("submitted mail must be tried again", func(t *testing.T) {
		if r := s.trySubmit(t, "user@virt.example", "friend@remote.example", newMessage("user@virt.example", "friend@remote.example")); r[0] != '4' {
			t.Errorf("submitted mail was answered %q while it could not be signed", r)
		}
	})
	t.Run("mail from the sendmail command waits and is signed later", func(t *testing.T) {
		m := newMessage("user@virt.example", "friend@remote.example")
		if err := s.postfix.sendmail("user@virt.example", []string{"friend@remote.example"}, m.text); err != nil {
			t.Fatal(err)
		}
		eventually(t, "Postfix has tried to take the mail", func() bool { return strings.Contains(s.postfix.log(), "pickup") })
		if len(s.world.with(m.mark)) > 0 {
			t.Errorf("mail left while it could not be signed")
		}
		s.daemon.start(t)
		if d := s.world.await(t, m.mark); !isSigned(d.sender, "user@virt.example") {
			t.Errorf("sender is <%s>", d.sender)
		}
	})
}
