package e2e

import (
	"net/mail"
	"strings"
	"testing"
)

// neighbours are milters in the same line of Postfix' configuration as ours.
var neighbours = []struct {
	name    string
	section string // of the manual, which has it behind us
	address string // of the milter there
	start   func(t *testing.T, d *dkim) string
	header  string // that it adds to incoming mail
}{
	{"OpenDKIM", dkimWithOpenDKIM, "inet:127.0.0.1:8891", startOpenDKIM, "Authentication-Results"},
	{"rspamd", withRspamd, "inet:127.0.0.1:11332", startRspamd, "X-Spamd-Result"},
}

// TestNeighbours puts a milter that signs with DKIM and adds headers behind and before ours. Its signature and headers, and our
// change of the envelope and header, must all be there.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	keys := newDKIM(t)
	s := newSite(t, siteOptions{})
	for _, n := range neighbours {
		t.Run(n.name, func(t *testing.T) {
			milter := n.start(t, keys)
			s.postfix.play(t, n.section, n.address, milter)
			s.postfix.reload(t)
			t.Run("behind us", func(t *testing.T) { s.testNeighbour(t, keys, n.header, handedIn...) })

			s.postfix.set(t, "smtpd_milters = "+milter+" $bouncefilter")
			s.postfix.set(t, "non_smtpd_milters = "+milter+" $bouncefilter")
			s.postfix.reload(t)
			t.Run("before us", func(t *testing.T) { s.testNeighbour(t, keys, n.header, handedIn[:2]...) })
		})
	}
}

// TestNeighboursOfSendmail does the same with Sendmail, where a milter is a line of sendmail.mc.
func TestNeighboursOfSendmail(t *testing.T) {
	t.Parallel()
	keys := newDKIM(t)
	for _, n := range neighbours {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			host, port, _ := strings.Cut(strings.TrimPrefix(n.start(t, keys), "inet:"), ":")
			line := "INPUT_MAIL_FILTER(`neighbour', `S=inet:" + port + "@" + host + ", F=T')dnl\n"
			t.Run("behind us", func(t *testing.T) {
				newSite(t, siteOptions{sendmail: true, behind: line}).testNeighbour(t, keys, n.header, handedIn...)
			})
			t.Run("before us", func(t *testing.T) {
				newSite(t, siteOptions{sendmail: true, before: line}).testNeighbour(t, keys, n.header, handedIn[:2]...)
			})
		})
	}
}

// handedIn are the Message-ID fields of a message. A milter that signs before us has signed the last ones, which we replace.
var handedIn = []struct{ name, fields string }{
	{"with a Message-ID", "Message-ID: <%s@client.example>\n"},
	{"without Message-ID", ""},
	{"with an empty Message-ID", "Message-ID:\n"},
	{"with two Message-IDs", "Message-ID: <%s@client.example>\nMessage-ID: <b.%[1]s@client.example>\n"},
}

// testNeighbour sends messages with these Message-IDs on each way out, and lets their bounces come back.
func (s *site) testNeighbour(t *testing.T, keys *dkim, name string, ids ...struct{ name, fields string }) {
	const sender, receiver = "user@virt.example", "friend@remote.example"
	for _, way := range waysOut {
		for _, id := range ids {
			m := newMessage(sender, receiver, "X-Mark: ")
			m.text = strings.Replace(m.text, "Message-ID: <"+m.mark+"@client.example>\n", strings.NewReplacer("%s", m.mark, "%[1]s", m.mark).Replace(id.fields), 1)
			m.text = strings.Replace(m.text, "X-Mark: ", "X-Mark: "+m.mark, 1)
			t.Run(way.name+", "+id.name, func(t *testing.T) {
				way.send(t, s, sender, receiver, m)
				d := s.world.await(t, m.mark)
				if !isSigned(d.sender, sender) {
					t.Errorf("the world sees the sender <%s>", d.sender)
				}
				if err := keys.check(t, d.text); err != nil {
					t.Errorf("%v\n%s", err, d.text)
				}
				if msg, err := mail.ReadMessage(strings.NewReader(d.text)); err != nil || len(msg.Header["Dkim-Signature"]) != 1 || len(msg.Header["Message-Id"]) != 1 {
					t.Errorf("not one signature and one Message-ID (%v):\n%s", err, d.text)
				}
				b := newBounce(d.sender, d.text)
				port, _ := s.mta.ports()
				handIn(t, outsider, port, "", d.sender, b)
				h, text := s.mailbox(sender).await(t, b.mark)
				if !strings.Contains(h.Get("X-Bouncefilter"), "batv=pass reason=valid") || s.mta.showsRecipients() && h.Get("Delivered-To") != sender {
					t.Errorf("the bounce does not have our header and recipient:\n%s", text)
				}
				if h.Get(name) == "" {
					t.Errorf("the bounce has no %s:\n%s", name, text)
				}
			})
		}
	}
}
