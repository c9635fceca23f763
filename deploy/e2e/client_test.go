package e2e

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// Where clients connect from; see the package comment.
const (
	internal = "127.0.0.2"
	outsider = "127.0.0.9"
)

// client is an SMTP client that says exactly what a test wants to say, and keeps a transcript for when it fails.
type client struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader

	words func(reply string) string // see mta.reply; nil for replies as they are
}

// dial connects from a loopback address to a port of the site, reads the greeting and says EHLO.
func dial(t *testing.T, from string, port int) *client {
	t.Helper()
	c, err := tryDial(t, from, port)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tryDial is dial for a server that may not be able to greet.
func tryDial(t *testing.T, from string, port int) (*client, error) {
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { conn.Close() })
	c := &client{t: t, conn: conn, in: bufio.NewReader(conn)}
	for _, step := range []string{"", "EHLO client.example"} {
		if r := c.tryCommand(step); r[0] != '2' {
			conn.Close()
			return nil, fmt.Errorf("%q was answered %q", step, r)
		}
	}
	return c, nil
}

// login authenticates with the site's only account.
func (c *client) login() *client {
	c.t.Helper()
	c.mustCommand("235", authPlain())
	return c
}

// authPlain is the command that logs in (RFC 4616).
func authPlain() string {
	return "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+account+"\x00"+password))
}

// reply reads one SMTP reply in the words of the tables.
func (c *client) reply() string {
	r := c.readReply()
	if c.words != nil {
		r = c.words(r)
	}
	return r
}

// readReply reads one SMTP reply, lines joined with newlines. A closed connection reads as 421, as RFC 5321 section 3.8
// requires of clients.
func (c *client) readReply() string {
	var lines []string
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			return fmt.Sprintf("421 4.4.2 connection lost: %v", err)
		}
		line = strings.TrimRight(line, "\r\n")
		lines = append(lines, line)
		if len(line) < 4 || line[3] != '-' {
			return strings.Join(lines, "\n")
		}
	}
}

// command sends a line and returns the reply.
func (c *client) command(line string) string {
	c.t.Helper()
	r := c.tryCommand(line)
	c.t.Logf("%s >> %.200s", c.conn.LocalAddr(), line)
	c.t.Logf("%s << %s", c.conn.LocalAddr(), r)
	return r
}

func (c *client) tryCommand(line string) string {
	if line != "" {
		fmt.Fprintf(c.conn, "%s\r\n", line)
	}
	return c.reply()
}

// mustCommand sends a line and fails the test unless the reply begins with what is expected.
func (c *client) mustCommand(expect, line string) {
	c.t.Helper()
	if r := c.command(line); !strings.HasPrefix(r, expect) {
		c.t.Fatalf("%.200q was answered %q, expected %q", line, r, expect)
	}
}

// text sends the message after DATA was answered 354, and returns the reply to its end.
func (c *client) text(message string) string {
	c.t.Helper()
	r := c.tryText(message)
	c.t.Logf("%s >> (message of %d bytes)", c.conn.LocalAddr(), len(message))
	c.t.Logf("%s << %s", c.conn.LocalAddr(), r)
	return r
}

func (c *client) tryText(message string) string {
	message = strings.ReplaceAll(strings.TrimRight(message, "\n"), "\n", "\r\n")
	message = strings.ReplaceAll(message, "\r\n.", "\r\n..")
	fmt.Fprintf(c.conn, "%s\r\n.\r\n", message)
	return c.reply()
}

// attempt tries to send a message and returns the last reply: that of the first command that was refused, or that of
// the end of the message.
func (c *client) attempt(from string, to []string, message string) string {
	commands := []string{"MAIL FROM:<" + from + ">"}
	for _, address := range to {
		commands = append(commands, "RCPT TO:<"+address+">")
	}
	for _, command := range commands {
		if r := c.tryCommand(command); r[0] != '2' {
			return r
		}
	}
	if r := c.tryCommand("DATA"); r[0] != '3' {
		return r
	}
	return c.tryText(message)
}

// send sends a message and fails the test unless it is accepted.
func (c *client) send(from string, to []string, message string) {
	c.t.Helper()
	if r := c.attempt(from, to, message); r[0] != '2' {
		c.t.Fatalf("message from <%s> to %q was answered %q", from, to, r)
	}
}

func (c *client) quit() {
	c.tryCommand("QUIT")
	c.conn.Close()
}
