package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

const mailingLists = "Mailing lists"

// TestMailingLists sends as list managers do: under an address for each member (VERP), which the list manager makes or Postfix
// makes after signing (XVERP), and as a member of another site's list, which must not see tags. Bounces come back to the
// addresses that the list manager knows.
func TestMailingLists(t *testing.T) {
	t.Parallel()
	for name, top := range map[string]string{"standard form": "", "sub-address form": `tag_form = "sub-address"`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, siteOptions{top: top, config: strings.ReplaceAll(roleBlocks(t, mailingLists, "toml"), "lists.example.net", "lists.example"), settings: []string{
				// Who may use XVERP; by default clients in mynetworks.
				"smtpd_authorized_verp_clients = 127.0.0.0/8",
				"virtual_alias_maps = inline:{ {list-bounces@alias.example=games@local.example} }",
			}})
			s.postfix.play(t, mailingLists)
			s.postfix.reload(t)
			s.testVERP(t)
			s.testXVERP(t)
			s.testListMember(t)
		})
	}
}

// returned sends a bounce to the sender under which the world got a message, and checks that the list manager gets it at the
// address that it knows.
func (s *site) returned(t *testing.T, d delivery, verp, mailbox string) {
	t.Helper()
	logged := s.daemon.process.out.len()
	b := newBounce(d.sender, d.text)
	handIn(t, outsider, s.postfix.smtp, "", d.sender, b)
	s.daemon.awaitRecord(t, logged, record{"msg": "bounce", "recipient": "<" + d.sender + ">", "reason": "valid", "action": "accept"})
	if h, text := s.mailbox(mailbox).await(t, b.mark); h.Get("X-Original-To") != verp {
		t.Errorf("X-Original-To is not <%s>:\n%s", verp, text)
	}
}

func (s *site) testVERP(t *testing.T) {
	for _, row := range []struct{ sender, mailbox string }{
		{"user+friend=remote.example@virt.example", "user@virt.example"},
		{"list-bounces+friend=remote.example@alias.example", "games@local.example"},
		{"list-bounces+confirm+0123456789abcdef@alias.example", "games@local.example"},
		{"list-bounces+first+friend=remote.example@alias.example", "games@local.example"},
	} {
		t.Run("VERP "+row.sender, func(t *testing.T) {
			d := s.send(t, row.sender, "friend@remote.example")
			if !isSigned(d.sender, row.sender) {
				t.Errorf("the world sees <%s>", d.sender)
			}
			s.returned(t, d, row.sender, row.mailbox)
		})
	}
}

// expanded says whether a sender is the signed form of base, expanded for a member after signing.
func expanded(sender, base, member string) bool {
	verp := "+" + strings.Replace(member, "@", "=", 1)
	return strings.Contains(sender, verp) && isSigned(strings.Replace(sender, verp, "", 1), base)
}

func (s *site) testXVERP(t *testing.T) {
	const owner = "list-bounces@alias.example"
	members := []string{"one@remote.example", "two@remote.example"}
	for _, way := range []struct {
		name string
		send func(t *testing.T, m message)
	}{
		{"in SMTP", func(t *testing.T, m message) {
			c := s.inside(t)
			defer c.quit()
			c.mustCommand("250", "MAIL FROM:<"+owner+"> XVERP")
			for _, to := range members {
				c.mustCommand("250", "RCPT TO:<"+to+">")
			}
			c.mustCommand("354", "DATA")
			if r := c.text(m.text); r[0] != '2' {
				t.Fatal(r)
			}
		}},
		{"with the sendmail command", func(t *testing.T, m message) {
			cmd := exec.Command("sendmail", append([]string{"-C", s.postfix.conf, "-i", "-XV", "-f", owner}, members...)...)
			cmd.Stdin = strings.NewReader(m.text)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("sendmail -XV: %v\n%s", err, out)
			}
		}},
	} {
		t.Run("XVERP "+way.name, func(t *testing.T) {
			m := newMessage(owner, "list@alias.example")
			way.send(t, m)
			eventually(t, "both members have the message", func() bool { return len(s.world.with(m.mark)) == 2 })
			for _, d := range s.world.with(m.mark) {
				member := d.recipients[0].address
				if len(d.recipients) != 1 || !expanded(d.sender, owner, member) {
					t.Fatalf("%v got it from <%s>", d.recipients, d.sender)
				}
				verp := "list-bounces+" + strings.Replace(member, "@", "=", 1) + "@alias.example"
				s.returned(t, d, verp, "games@local.example")
				s.returned(t, delivery{sender: upperCase(d.sender), text: d.text}, upperCase(verp), "games@local.example")
			}
		})
	}
}

func (s *site) testListMember(t *testing.T) {
	t.Run("mail to a list that knows its members by the envelope sender", func(t *testing.T) {
		if d := s.send(t, "member@virt.example", "anything@lists.example"); d.sender != "member@virt.example" {
			t.Errorf("the list sees <%s>", d.sender)
		}
		if d := s.send(t, "member@virt.example", "friend@remote.example"); !isSigned(d.sender, "member@virt.example") {
			t.Errorf("the world sees <%s>", d.sender)
		}
	})
	t.Run("bounce from the list", (&scenario{
		to: []rcpt{{plain("member@virt.example"), ok}}, mailboxes: []string{"member@virt.example"},
		reason: "exempt", action: "accept", header: "batv=none reason=exempt",
	}).test(s))
	t.Run("bounce to an address of no member", (&scenario{
		to: []rcpt{{plain("user@virt.example"), ok}}, end: replyNone, reason: "untagged", action: "reject",
	}).test(s))
}
