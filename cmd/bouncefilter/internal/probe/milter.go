// Package probe asks running servers: a milter, in the role of the mail server in front of it, and a mail server, in the role of
// an SMTP client.
//
// [DialMilter] and [Milter.Message] hand a message to a milter, which may change it; it is not delivered. [DialSMTP] begins an
// SMTP session that stops before a message is handed over.
package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/d--j/go-milter"
)

// patience bounds each step of a conversation. A milter or an MTA that takes longer is of no use; postscreen makes clients wait
// for 6 s before it greets them.
const patience = 15 * time.Second

// Client is the SMTP client that a message comes from, as the milter sees it.
type Client struct {
	Name    string
	Address netip.Addr
	Login   string // {auth_authen}; "" for a client that has not logged in
}

// Message is a message with its envelope, its lines ended by LF.
type Message struct {
	From, To string // addresses without angle brackets; "" for the null sender
	Text     string // header, blank line, body
	Params   string // of MAIL; "" for none
}

// Stage is how far a message is handed over.
type Stage uint8

// The stages, in their order. What was refused at one does not come to the next.
const (
	Rcpt Stage = iota
	Data
	EndOfMessage
)

// Outcome is what became of a message.
type Outcome struct {
	Refused bool
	Reply   string // to the command that was refused, or what an MTA would say to the last one that was not
	Changes []milter.ModifyAction
}

// Milter is a connection to a milter.
type Milter struct{ session *milter.ClientSession }

// queueID is the one that the milter sees, and logs.
const queueID = "4BXyzT3Wq1zKk"

// DialMilter connects to a milter and names a client to it. The network is "tcp" or "unix".
func DialMilter(network, address string, c Client) (*Milter, error) {
	macros := milter.NewMacroBag()
	macros.Set(milter.MacroQueueId, queueID)
	macros.Set(milter.MacroAuthAuthen, c.Login)
	session, err := milter.NewClient(network, address, milter.WithReadTimeout(patience), milter.WithWriteTimeout(patience)).Session(macros)
	if err != nil {
		return nil, err
	}
	family := milter.FamilyInet
	if c.Address.Is6() {
		family = milter.FamilyInet6
	}
	if _, err := session.Conn(c.Name, family, 40123, c.Address.String()); err != nil {
		_ = session.Close() // of no use any more
		return nil, err
	}
	if _, err := session.Helo(c.Name); err != nil {
		_ = session.Close() // likewise
		return nil, err
	}
	return &Milter{session}, nil
}

// Close ends the connection.
func (m *Milter) Close() error { return m.session.Close() }

// Message hands over a message, one on each connection, no further than until. show, if it is not nil, is called with each SMTP
// command and the reply that the client would see.
func (m *Milter) Message(msg Message, until Stage, show func(command, reply string)) (Outcome, error) {
	var o Outcome
	for _, step := range []struct {
		stage          Stage
		command, reply string
		ask            func() (*milter.Action, error)
	}{
		{Rcpt, "MAIL FROM:<" + msg.From + ">", "250 2.1.0 Ok", func() (*milter.Action, error) { return m.session.Mail(msg.From, msg.Params) }},
		{Rcpt, "RCPT TO:<" + msg.To + ">", "250 2.1.5 Ok", func() (*milter.Action, error) { return m.session.Rcpt(msg.To, "") }},
		{Data, "DATA", "354 End data with <CR><LF>.<CR><LF>", m.session.DataStart},
		{EndOfMessage, "(the message) .", "250 2.0.0 Ok: queued", func() (*milter.Action, error) { return m.content(msg.Text, &o) }},
	} {
		if step.stage > until {
			break
		}
		action, err := step.ask()
		if err != nil {
			return o, fmt.Errorf("%s: %w", step.command, err)
		}
		o.Reply = step.reply
		if action != nil && action.StopProcessing() {
			o.Reply, o.Refused = strings.TrimSpace(action.SMTPReply), true
		}
		if show != nil {
			show(step.command, o.Reply)
		}
		if o.Refused {
			break
		}
	}
	return o, nil
}

func (m *Milter) content(text string, o *Outcome) (*milter.Action, error) {
	head, body, _ := strings.Cut(text, "\n\n")
	for line := range strings.SplitSeq(head, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		if _, err := m.session.HeaderField(name, value, nil); err != nil {
			return nil, err
		}
	}
	if _, err := m.session.HeaderEnd(); err != nil {
		return nil, err
	}
	changes, action, err := m.session.BodyReadFrom(strings.NewReader(strings.ReplaceAll(body, "\n", "\r\n")))
	o.Changes = changes
	return action, err
}

// Deliver hands a whole message to a milter, on a connection of its own.
func Deliver(network, address string, c Client, msg Message) (Outcome, error) {
	m, err := DialMilter(network, address, c)
	if err != nil {
		return Outcome{}, err
	}
	outcome, err := m.Message(msg, EndOfMessage, nil)
	return outcome, errors.Join(err, m.Close())
}
