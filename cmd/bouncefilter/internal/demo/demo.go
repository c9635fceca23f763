// Package demo shows what the filter does, without an MTA, a configuration or root: [Play] is what the command try prints.
package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/config"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/keyring"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/logline"
	"github.com/bouncefilter/bouncefilter/cmd/bouncefilter/internal/probe"
	"github.com/bouncefilter/bouncefilter/filter"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/prvs"
	"github.com/bouncefilter/bouncefilter/store"
	"github.com/bouncefilter/bouncefilter/store/guard"
	"github.com/bouncefilter/bouncefilter/store/memory"
)

// Play runs a milter in memory, plays the mail server in front of it for a few messages, and writes what an SMTP client sees and what
// the milter logs. Nothing is sent or left behind.
func Play(ctx context.Context, w io.Writer, now func() time.Time) error {
	d, err := newDemonstration(ctx, now)
	if err != nil {
		return err
	}
	err = d.play(w)
	return errors.Join(err, d.close())
}

// demonstration is a milter that runs in memory, and the mail server's side of it.
type demonstration struct {
	server *filter.Server
	guard  *guard.Guard
	log    *logLines
	ln     net.Listener
	wait   sync.WaitGroup
}

// closeTimeout bounds how long the milter may take to end.
const closeTimeout = 2 * time.Second

// The participants.
const (
	domain          = "example.com"
	user            = "user@example.com"
	friend          = "friend@example.net"
	clientAddress   = "192.0.2.5"     // of the user, who has logged in
	strangerAddress = "198.51.100.77" // of all others
	letterID        = "letter.1@mail.example.com"
)

func newDemonstration(ctx context.Context, now func() time.Time) (*demonstration, error) {
	d := &demonstration{log: &logLines{}}
	ring, err := prvs.NewRing([]prvs.Key{{Number: 1, State: prvs.StateSign, Secret: keyring.NewSecret()}}, prvs.Options{})
	if err != nil {
		return nil, err
	}
	p, err := policy.New(policy.Settings{
		Domains: []policy.Domain{{Name: domain, Mode: policy.ModeEnforce}}, Keys: ring, Outbound: policy.DefaultOutbound(),
		Proofs: policy.DefaultProofs(), MailerDaemons: policy.DefaultMailerDaemons(), AddMessageID: true, ReadAll: true,
		HeaderName: policy.DefaultHeaderName, Hostname: "mx." + domain,
	})
	if err != nil {
		return nil, err
	}
	// Its lines are told from those of mail, should they get into a log.
	logger := logline.New(d.log, logline.Form{Format: config.FormatLogfmt}, slog.HandlerOptions{ReplaceAttr: withoutTime}).With("test", true)
	d.guard = guard.New(memory.NewWithClock(now), guard.Options{Logger: logger, Now: now})
	d.server, err = filter.NewServer(filter.Options{
		Policy: p, Store: d.guard, Hasher: store.NewHasher(keyring.NewSecret()), Logger: logger, Node: "demonstration", Clock: now,
	})
	if err != nil {
		return nil, err
	}
	if d.ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	d.wait.Go(func() { _ = d.server.Serve(d.ln, policy.RoleBoth) }) // nil when it is shut down
	if err := d.guard.Store().Heartbeat(ctx, store.Node{Name: "demonstration", At: now()}); err != nil {
		return nil, err
	}
	d.server.Prepare(ctx)
	return d, nil
}

func (d *demonstration) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := d.server.Shutdown(ctx)
	d.wait.Wait()
	return errors.Join(err, d.guard.Close())
}

// withoutTime leaves out what differs each time.
func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// logLines collects log lines until they are shown.
type logLines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take returns what was logged since the last time.
func (l *logLines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.b.String()
	l.b.Reset()
	return s
}

// scene is one message.
type scene struct {
	title  string
	client string
	login  string // the client has logged in
	from   string
	to     string
	text   string
}

// play plays all scenes.
func (d *demonstration) play(w io.Writer) error {
	d.log.take()
	letter := scene{title: "A user of yours sends a message. Its envelope sender is signed.",
		client: clientAddress, login: "user", from: user, to: friend,
		text: "Message-ID: <" + letterID + ">\nFrom: " + user + "\nTo: " + friend + "\nSubject: Lunch?\n\nAt noon?\n"}
	signed, err := d.perform(w, letter)
	if err != nil {
		return err
	}
	if signed == "" {
		return errors.New("the message was not signed")
	}
	forged := signed[:len("prvs=1234")] + "000000" + signed[len("prvs=1234000000"):]
	for _, s := range []scene{
		{title: "It cannot be delivered. The bounce comes to the signed sender: it is accepted, and delivered to " + user + ".",
			to: signed, text: bounceOf(letterID)},
		{title: "A spammer has forged your user's address, and has guessed that there are tags.", to: forged, text: bounceOf("spam@example.org")},
		{title: "Another one has not. The bounce of the spam carries no tag, and names no message of yours.", to: user, text: bounceOf("spam@example.org")},
		{title: "A read receipt goes to the address in the header, so that it cannot carry a tag. It names a message that your user sent.",
			to: user, text: receiptOf(letterID)},
		{title: "A forged receipt does not.", to: user, text: receiptOf("spam@example.org")},
		{title: "Programs use the null sender as well. What is no bounce is delivered.", to: user, text: oneTimeCode},
	} {
		s.client = strangerAddress
		if _, err := d.perform(w, s); err != nil {
			return err
		}
	}
	return nil
}

// perform plays a scene and shows it. It returns the envelope sender that the milter gives the message, if it does.
func (d *demonstration) perform(w io.Writer, s scene) (sender string, err error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", s.title)
	sender, err = d.converse(&b, s)
	if err != nil {
		return "", fmt.Errorf("%s: %w", s.title, err)
	}
	for line := range strings.Lines(d.log.take()) {
		fmt.Fprintf(&b, "    log: %s", line)
	}
	b.WriteByte('\n')
	_, err = io.WriteString(w, b.String())
	return sender, err
}

// converse plays the mail server's side and writes what the SMTP client sees.
func (d *demonstration) converse(w io.Writer, s scene) (sender string, err error) {
	m, err := probe.DialMilter("tcp", d.ln.Addr().String(), probe.Client{
		Name: "client.example.net", Address: netip.MustParseAddr(s.client), Login: s.login,
	})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	outcome, err := m.Message(probe.Message{From: s.from, To: s.to, Text: s.text}, probe.EndOfMessage, func(command, reply string) {
		fmt.Fprintf(w, "    C: %s\n    S: %s\n", command, reply)
	})
	if err != nil {
		return "", err
	}
	for _, c := range outcome.Changes {
		switch c.Type {
		case milter.ActionChangeFrom:
			sender = strings.Trim(c.From, "<>")
			fmt.Fprintf(w, "    the envelope sender becomes <%s>\n", sender)
		case milter.ActionAddRcpt:
			fmt.Fprintf(w, "    the recipient becomes %s\n", c.Rcpt)
		case milter.ActionInsertHeader:
			fmt.Fprintf(w, "    a header is added: %s: %s\n", c.HeaderName, c.HeaderValue)
		}
	}
	return sender, nil
}

func bounceOf(messageID string) string {
	return `From: MAILER-DAEMON@mx.example.net
To: ` + user + `
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; ` + friend + `
Action: failed
Status: 5.1.1
--b
Content-Type: text/rfc822-headers

Message-ID: <` + messageID + `>
--b--
`
}

const oneTimeCode = "From: Shop <noreply@shop.example.net>\nTo: " + user + "\nSubject: Your code\n\nYour one-time code is 481 516.\n"

func receiptOf(messageID string) string {
	return `From: ` + friend + `
To: ` + user + `
Subject: Read: Lunch?
MIME-Version: 1.0
Content-Type: multipart/report; report-type=disposition-notification; boundary="b"

--b
Content-Type: message/disposition-notification

Final-Recipient: rfc822; ` + friend + `
Original-Message-ID: <` + messageID + `>
Disposition: manual-action/MDN-sent-manually; displayed
--b--
`
}
