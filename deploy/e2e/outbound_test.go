package e2e

import (
	"strings"
	"testing"
)

// doNotTag is a mailing list that knows its members by their envelope sender, and a sender whose mail stays unsigned.
const doNotTag = `
[do_not_tag]
recipients = ["list@lists.example"]
senders = ["quiet@virt.example"]
`

// waysOut are the ways in which mail leaves a site.
var waysOut = []struct {
	name string
	send func(t *testing.T, s *site, from, to string, m message)
}{
	{"submission with AUTH", func(t *testing.T, s *site, from, to string, m message) {
		c := s.submit(t)
		defer c.quit()
		c.send(from, []string{to}, m.text)
	}},
	{"port 25 from the internal network", func(t *testing.T, s *site, from, to string, m message) {
		c := s.inside(t)
		defer c.quit()
		c.send(from, []string{to}, m.text)
	}},
	{"the sendmail command", func(t *testing.T, s *site, from, to string, m message) {
		if err := s.mta.sendmail(from, []string{to}, m.text); err != nil {
			t.Fatal(err)
		}
	}},
}

// outbound is one kind of message that goes out, and what the world sees of its sender.
var outbound = []struct {
	name     string
	from, to string
	signed   bool
	sender   string // what the world sees if it is not signed; the same as from if empty
	reason   string
	action   string

	notSendmail string // why it cannot be sent with Sendmail
}{
	{name: "virtual mailbox", from: "user@virt.example", to: "friend@remote.example", signed: true, reason: "signed", action: "sign"},
	{name: "local user", from: "games@local.example", to: "friend@remote.example", signed: true, reason: "signed", action: "sign"},
	{name: "virtual alias", from: "info@alias.example", to: "friend@remote.example", signed: true, reason: "signed", action: "sign"},
	{name: "user of a relayed domain", from: "bob@relay.example", to: "friend@remote.example", signed: true, reason: "signed", action: "sign"},
	{name: "mixed case", from: "User@Virt.Example", to: "friend@remote.example", signed: true, reason: "signed", action: "sign"},
	{name: "sub-address", from: "user+list=1@virt.example", to: "friend@remote.example", signed: true, reason: "signed", action: "sign"},
	{name: "foreign sender", from: "somebody@elsewhere.example", to: "friend@remote.example", reason: "foreign-domain", action: "none"},
	{name: "tagged already", from: "prvs=0787788259=user@virt.example", to: "friend@remote.example", reason: "already-tagged", action: "none"},
	{name: "recipient that must not see a tag", from: "member@virt.example", to: "list@lists.example", reason: "do-not-tag", action: "none"},
	{name: "sender that is not signed", from: "quiet@virt.example", to: "friend@remote.example", reason: "excluded-sender", action: "none"},
	{name: "local part without room for a tag", from: strings.Repeat("x", 50) + "@virt.example", to: "friend@remote.example", reason: "too-long", action: "none",
		notSendmail: "Sendmail refuses senders in its domains that do not exist"},
	{name: "recipient with a foreign tag", from: "user@virt.example", to: "prvs=1787000000=friend@remote.example", signed: true, reason: "signed", action: "sign"},
}

// testOutbound sends each kind of message on each way out and looks at what arrives at the world.
func (s *site) testOutbound(t *testing.T) {
	for _, way := range waysOut {
		t.Run(way.name, func(t *testing.T) {
			for _, row := range outbound {
				t.Run(row.name, func(t *testing.T) {
					if s.cannot(t, row.notSendmail) {
						return
					}
					m := newMessage(row.from, row.to)
					logged := s.daemon.process.out.len()
					counted := s.daemon.metric(t, "bouncefilter_messages_total", label("reason", row.reason), label("action", row.action))
					way.send(t, s, row.from, row.to, m)
					d := s.world.await(t, m.mark)
					if row.signed && !isSigned(d.sender, row.from) || !row.signed && d.sender != row.from {
						t.Errorf("the world sees the sender <%s> (signed: %v expected)", d.sender, row.signed)
					}
					// Tags of other domains are for their owners to check.
					if len(d.recipients) != 1 || d.recipients[0].address != row.to {
						t.Errorf("the world sees the recipients %v, expected %s", d.recipients, row.to)
					}
					if strings.Contains(d.text, "X-Bouncefilter") {
						t.Errorf("outbound mail carries our header:\n%s", d.text)
					}
					r := s.daemon.awaitRecord(t, logged, record{"msg": "outbound", "reason": row.reason, "action": row.action, "sender": "<" + row.from + ">"})
					if r["queue_id"] == "" || row.signed && (r["tag_key"] != "0" || r["tag_expires"] == "") {
						t.Errorf("log line %v lacks queue ID or tag", r)
					}
					if got := s.daemon.metric(t, "bouncefilter_messages_total", label("reason", row.reason), label("action", row.action)) - counted; got != 1 {
						t.Errorf("reason %q was counted %v times, expected once", row.reason, got)
					}
				})
			}
		})
	}
	t.Run("the sendmail command gives a sender without a domain that of the site", func(t *testing.T) {
		m := newMessage("games", "friend@remote.example")
		if err := s.mta.sendmail("games", []string{"friend@remote.example"}, m.text); err != nil {
			t.Fatal(err)
		}
		if d := s.world.await(t, m.mark); !isSigned(d.sender, "games@local.example") {
			t.Errorf("the world sees the sender <%s>", d.sender)
		}
	})
	t.Run("null sender stays null", func(t *testing.T) {
		m := newMessage("MAILER-DAEMON@local.example", "friend@remote.example")
		c := s.inside(t)
		c.send("", []string{"friend@remote.example"}, m.text)
		c.quit()
		if d := s.world.await(t, m.mark); d.sender != "" {
			t.Errorf("the world sees the sender <%s>", d.sender)
		}
	})
	t.Run("untagged bounce from a list that was not shown a tag is delivered", (&scenario{
		to: []rcpt{{plain("member@virt.example"), ok}}, mailboxes: []string{"member@virt.example"},
		reason: "exempt", action: "accept", header: "batv=none reason=exempt",
	}).test(s))
}

// test makes a subtest of one scenario.
func (sc *scenario) test(s *site) func(*testing.T) { return func(t *testing.T) { sc.run(t, s) } }
