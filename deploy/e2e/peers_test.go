package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
)

// A peer is the software of a remote site. It gets a message with an envelope sender, as the remote site's server would
// hand it over, and answers it on its own, by SMTP to the port of our site that everybody uses.
type peer struct {
	name string
	// start prepares the peer, whose answers go to a port of our site. What it hands over ends up refused by the world.
	start func(t *testing.T, site, world int) (handOver func(t *testing.T, sender, text string))

	report record // what the log says of its answers
}

// peers are the servers that the world runs, and what they write.
var peers = []peer{
	{name: "Exim's bounce", start: startExim, report: record{"report": "dsn", "family": "exim", "reported_status": "5.0.0", "reported_recipient": "<reject@remote.example>"}},
	{name: "Sendmail's DSN", start: startSendmail, report: record{"report": "dsn", "family": "sendmail", "reported_status": "5.1.1", "reported_recipient": "<reject@remote.example>"}},
	{name: "Sieve's vacation answer in Dovecot", start: startDovecot(vacationScript), report: record{"report": "auto-reply"}},
	{name: "Sieve's rejection in Dovecot, a disposition notification", start: startDovecot(rejectScript), report: record{"report": "mdn"}},
}

// TestPeers lets the software of other sites answer mail of ours: to the tagged envelope sender, as it should; to the sender
// without its tag, as software does that looks at the header; and mail with a forged sender, which was never ours.
func TestPeers(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	toFriend := func(t *testing.T) delivery { return s.send(t, "user@virt.example", "friend@remote.example") }
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			relay := newRelay(t, s.postfix.smtp)
			handOver := p.start(t, relay.port, s.world.port)

			t.Run("to the tagged sender", func(t *testing.T) {
				d := toFriend(t)
				logged := s.daemon.process.out.len()
				handOver(t, d.sender, d.text)
				s.awaitAnswer(t, logged, relay, p.report, record{"reason": "valid", "action": "accept", "recipient": "<" + d.sender + ">"})
			})
			t.Run("to the sender without its tag", func(t *testing.T) {
				d := toFriend(t)
				logged := s.daemon.process.out.len()
				handOver(t, "user@virt.example", d.text)
				s.awaitAnswer(t, logged, relay, p.report, record{"reason": "valid-message", "action": "accept",
					"recipient": "<user@virt.example>", "original": "<" + messageID(d.text) + ">"})
			})
			t.Run("to a user who did not send the message", func(t *testing.T) {
				logged := s.daemon.process.out.len()
				handOver(t, "other@virt.example", toFriend(t).text)
				s.awaitRefusal(t, logged, relay, p.report)
			})
			t.Run("to the sender of a message that was never sent", func(t *testing.T) {
				logged := s.daemon.process.out.len()
				handOver(t, "user@virt.example", newMessage("user@virt.example", "friend@remote.example").text)
				s.awaitRefusal(t, logged, relay, p.report)
			})
		})
	}
}

// awaitAnswer waits for an answer that is accepted, with what the log says, and for its delivery.
func (s *site) awaitAnswer(t *testing.T, logged int, relay *relay, report, want record) {
	t.Helper()
	want["sender"] = "<>"
	for k, v := range report {
		want[k] = v
	}
	r := s.daemon.awaitRecord(t, logged, want)
	t.Logf("%v", r)
	eventually(t, "the answer is delivered", func() bool {
		for _, text := range s.mailbox("user@virt.example").mails("") {
			if strings.Contains(text, r["queue_id"]) {
				return true
			}
		}
		return false
	})
}

// awaitRefusal waits until an answer was refused at the end of the message.
func (s *site) awaitRefusal(t *testing.T, logged int, relay *relay, report record) {
	t.Helper()
	want := record{"sender": "<>", "reason": "untagged", "action": "reject"}
	for k, v := range report {
		want[k] = v
	}
	s.daemon.awaitRecord(t, logged, want)
	eventually(t, "the peer got the refusal", func() bool { return strings.Contains(relay.answers(), replyNone) })
}

// relay passes connections on to a port of the site, from the address of an outsider: servers connect from 127.0.0.1, and
// not all of them can be configured otherwise. It keeps the answers of the site on the last connection.
type relay struct {
	port   int
	target int
	last   *output
}

func newRelay(t *testing.T, target int) *relay {
	t.Helper()
	r := &relay{target: target, last: new(output)}
	r.port = listen(t, r.pass).Port
	return r
}

// answers is what the site answered.
func (r *relay) answers() string { return r.last.String() }

func (r *relay) pass(c net.Conn) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(outsider)}}
	site, err := d.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", r.target))
	if err != nil {
		return
	}
	defer site.Close()
	go func() {
		_, _ = io.Copy(site, c)
		_ = site.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, io.TeeReader(site, r.last))
}

// needPeer returns the path in a variable that deploy/test sets, or skips the test.
func needPeer(t *testing.T, variable, what string) string {
	t.Helper()
	path := os.Getenv(variable)
	switch {
	case path != "":
	case os.Getenv(requireServers) != "":
		t.Fatalf("%s is set, but not %s, the path of %s; run deploy/test, which fetches it", requireServers, variable, what)
	default:
		t.Skipf("%s does not name %s; deploy/test fetches it and runs this test", variable, what)
	}
	return path
}
