package e2e

import (
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// site is a mail system with bouncefilter:
//
//	local.example    users in /etc/passwd (games) and aliases (office)
//	virt.example     virtual mailboxes: user, other, "first last", and member, who writes to a list that must not see tags
//	alias.example    virtual aliases: info goes to user@virt.example
//	relay.example    relayed to the server inner: bob
//	monitor.example  a virtual mailbox, user, that is only monitored
//	auto.example     one whose domain has begun to sign today
//	early.example    one that has untagged bounces refused before their content is seen
//
// Everything else is the world.
type site struct {
	dir     string
	mta     mta
	postfix *postfix // nil with Sendmail
	daemon  *daemon
	redis   *redis // nil with the embedded store
	world   *sink
	inner   *sink

	mu   sync.Mutex
	tags map[string]string // by sender
}

// siteOptions says how a site differs from the others.
type siteOptions struct {
	redis      bool     // instead of the embedded store
	sendmail   bool     // instead of Postfix, over a unix socket
	before     string   // lines of sendmail.mc before ours
	behind     string   // and behind them
	unixSocket bool     // between Postfix and the milter, instead of TCP
	sections   []string // of the manual; taggedRecipients and theMilter unless said otherwise
	settings   []string // parameters of main.cf
	top        string   // options before the tables of bouncefilter's configuration
	config     string   // tables after them
}

// perDomain configures the domains that differ from the others.
const perDomain = `
[[domain]]
name = "monitor.example"
mode = "monitor"

[[domain]]
name = "auto.example"
mode = "auto"

[[domain]]
name = "early.example"
untagged = "reject"
`

// newSite starts a site. It ends with the test.
func newSite(t *testing.T, o siteOptions) *site {
	t.Helper()
	needServers(t)
	s := &site{dir: newFolder(t, "site"), tags: map[string]string{}}
	s.world, s.inner = newSink(t, "world.example"), newSink(t, "inner.example")
	store := "bolt:state.db"
	if o.redis {
		s.redis = newRedis(t, s.dir)
		store = s.redis.url()
	}
	s.daemon = newDaemon(t, filepath.Join(s.dir, "bouncefilter"), store, o.unixSocket || o.sendmail, o.top, o.config+perDomain)
	if o.sendmail {
		s.startSendmail(t, o)
		return s
	}
	s.postfix = newPostfix(t, filepath.Join(s.dir, "postfix"), s.world, s.inner)
	s.mta = s.postfix
	if o.sections == nil {
		o.sections = []string{taggedRecipients, theMilter}
	}
	for _, section := range o.sections {
		s.postfix.configure(t, section, s.daemon.milter)
	}
	for _, setting := range o.settings {
		s.postfix.set(t, setting)
	}
	s.daemon.start(t)
	s.postfix.start(t)
	return s
}

// startSendmail starts a site with Sendmail. The sendmail command hands over from the address 127.0.0.1.
func (s *site) startSendmail(t *testing.T, o siteOptions) {
	t.Helper()
	const networks = `["127.0.0.2/32"]`
	socket := filepath.Join(safeFolder(t), "milter.sock")
	s.daemon.write(t, strings.NewReplacer(networks, `["127.0.0.1/32", "127.0.0.2/32"]`,
		s.daemon.milter, "unix:"+socket).Replace(s.daemon.read(t)))
	sm := newSendmailSite(t, filepath.Join(s.dir, "sendmail"), s.world, s.inner)
	s.mta = sm
	s.daemon.start(t)
	sm.append(t, "sendmail.mc", o.before)
	sm.setUp(t, s.daemon, socket)
	if o.behind != "" {
		sm.append(t, "sendmail.mc", o.behind)
		sm.generate(t)
	}
	sm.start(t)
}

// outside and inside connect to the port for everybody; submit connects to the submission port and logs in.
func (s *site) outside(t *testing.T) *client { return s.dial(t, outsider) }
func (s *site) inside(t *testing.T) *client  { return s.dial(t, internal) }
func (s *site) submit(t *testing.T) *client {
	_, port := s.mta.ports()
	c := dial(t, outsider, port)
	c.words = s.mta.reply
	return c.login()
}

// dial connects to the port for everybody.
func (s *site) dial(t *testing.T, from string) *client {
	port, _ := s.mta.ports()
	c := dial(t, from, port)
	c.words = s.mta.reply
	return c
}

// attempt tries to send a message from outside in a session of its own, and returns the last reply.
func (s *site) attempt(t *testing.T, from, to string, m message) string {
	t.Helper()
	c := s.outside(t)
	defer c.quit()
	return c.attempt(from, []string{to}, m.text)
}

// trySubmit submits a message over a connection of its own, and returns the reply of the first command that was refused
// or that of the end of the message.
func (s *site) trySubmit(t *testing.T, from, to string, m message) string {
	_, port := s.mta.ports()
	c, err := tryDial(t, outsider, port)
	if err != nil {
		return "421 " + err.Error()
	}
	defer c.quit()
	if r := c.tryCommand(authPlain()); r[0] != '2' {
		return r
	}
	return c.attempt(from, []string{to}, m.text)
}

// mailbox returns the mailbox of an address of the site.
func (s *site) mailbox(address string) mailbox { return s.mta.mailbox(address) }

// tag returns the signed form of an address as the world knows it: a correspondent has got a message from it.
func (s *site) tag(t *testing.T, address string) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if signed, ok := s.tags[address]; ok {
		return signed
	}
	m := newMessage(address, "friend@remote.example")
	c := s.submit(t)
	c.send(address, []string{"friend@remote.example"}, m.text)
	c.quit()
	signed := s.world.await(t, m.mark).sender
	if !isSigned(signed, address) {
		t.Fatalf("mail of <%s> arrived from <%s>", address, signed)
	}
	s.tags[address] = signed
	return signed
}

var tagSyntax = regexp.MustCompile(`^(?:prvs=[0-9]{4}[0-9a-f]{6}=(.+)|(.+)\+prvs=[0-9]{4}[0-9a-f]{6}(@.+))$`)

// isSigned says whether an address is the signed form of another one.
func isSigned(signed, address string) bool {
	m := tagSyntax.FindStringSubmatch(signed)
	return m != nil && m[1]+m[2]+m[3] == address
}

// forge returns the address with another hash: what an attacker writes who knows the format and not the key.
func forge(signed string) string {
	i := strings.Index(strings.ToLower(signed), "prvs=") + len("prvs=0000")
	digit := byte('0')
	if signed[i] == digit {
		digit = '1'
	}
	return signed[:i] + string(digit) + signed[i+1:]
}

// message is a message that can be found again wherever it goes.
type message struct {
	mark string // in its Message-ID and nowhere else
	text string
}

var messageCount atomic.Int64

// newMessage writes a message, with further header lines if need be.
func newMessage(from, to string, headers ...string) message {
	m := message{mark: fmt.Sprintf("e2e.%d.%d", os.Getpid(), messageCount.Add(1))}
	lines := append([]string{"From: " + from, "To: " + to, "Subject: end-to-end test",
		"Message-ID: <" + m.mark + "@client.example>", "Date: Mon, 23 Nov 2026 12:00:00 +0000"}, headers...)
	m.text = strings.Join(lines, "\n") + "\n\nHello.\n"
	return m
}

// failureNotice is what qmail-send writes before the copy of a message that it bounces.
const failureNotice = `Hi. This is the qmail-send program at remote.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<friend@remote.example>:
The user's mailbox is over its quota. (#5.2.2)

--- Below this line is a copy of the message.

`

// newBounce writes a bounce about a message, in the style of qmail-send: without MIME, with a copy of the original.
func newBounce(to string, original string) message {
	m := newMessage("MAILER-DAEMON@remote.example", to)
	m.text = strings.TrimSuffix(m.text, "Hello.\n") + failureNotice + original
	return m
}

// oneTimeCode is mail of a program that uses the null sender.
func oneTimeCode(to, _ string) message {
	m := newMessage("noreply@shop.example", to)
	m.text = strings.TrimSuffix(m.text, "Hello.\n") + "Your code is 481 516. It is valid for ten minutes.\n"
	return m
}

// messageID returns the Message-ID of a message without its brackets.
func messageID(text string) string {
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		return ""
	}
	return strings.Trim(m.Header.Get("Message-ID"), "<>")
}
