package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/d--j/go-milter"
)

// maxVersion is the version of the milter protocol that is spoken; MTAs speak it or an older one.
const maxVersion = 6

// Milter is what a connection is served by. Its methods are called one after the other.
type Milter interface {
	// Negotiate returns what is agreed on of what the MTA offers.
	Negotiate(mtaVersion, ownVersion uint32, offered milter.OptAction, offeredProtocol milter.OptProtocol) (
		version uint32, actions milter.OptAction, protocol milter.OptProtocol, err error)
	// MacroRequests returns the macros that the MTA is asked for. Others are not kept.
	MacroRequests() []MacroRequest
	milter.Milter
}

// Serve serves the connection by m until its end, and closes it.
func (c *Conn) Serve(m Milter) {
	defer c.close()
	if err := c.negotiate(m); err != nil {
		c.failed(err)
		return
	}
	if err := m.NewConnection(modifier{c}); err != nil {
		c.failed(err)
		return
	}
	c.failed(c.events(m))
}

// failed reports an error for which the connection ends, unless that is its regular end or a fault of the MTA.
func (c *Conn) failed(err error) {
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		c.opts.Failed(err)
	}
}

// negotiate reads the MTA's offer and answers it.
func (c *Conn) negotiate(m Milter) error {
	_, data, err := c.next() // a negotiation, or there is an error
	if err != nil {
		return err
	}
	const internal = 0xf << 28 // flags of libmilter, among them the size of body chunks: they have 64 KiB
	offered := milter.OptAction(binary.BigEndian.Uint32(data[4:]))
	protocol := milter.OptProtocol(binary.BigEndian.Uint32(data[8:]) &^ internal)
	c.version, c.actions, c.protocol, err = m.Negotiate(binary.BigEndian.Uint32(data), maxVersion, offered, protocol)
	if err != nil {
		return fmt.Errorf("negotiate: %w", err)
	}
	parts := []string{uint32String(int(c.version)), uint32String(int(c.actions)), uint32String(int(c.protocol))}
	if offered&milter.OptSetMacros != 0 {
		for _, r := range m.MacroRequests() {
			parts = append(parts, uint32String(int(r.Stage)), strings.Join(r.Names, " "), "\x00")
		}
	}
	return c.write(cmdNegotiate, parts...)
}

// order says in which order the events of a message come; 0 is for those without an order.
func order(cmd byte) int {
	return 1 + bytes.IndexByte([]byte{cmdConnect, cmdHelo, cmdMail, cmdRcpt, cmdData, cmdHeader, cmdEndOfHeader, cmdBody, cmdEndOfBody}, cmd)
}

// events passes on the events until the connection ends.
func (c *Conn) events(m Milter) error {
	requests := m.MacroRequests()
	var last byte  // the command before
	lastOrder := 0 // the order of the last one that has one
	for {
		cmd, data, err := c.next()
		if err != nil {
			return err
		}
		event := cmd
		if cmd == cmdMacro {
			event = data[0]
		}
		// QUIRK: Sendmail sends no ABORT after a message that was accepted or refused before its end. Postfix sends two.
		switch n := order(event); {
		case n > 0 && lastOrder > n && last != cmdAbort:
			if err := c.abort(m); err != nil {
				return err
			}
			lastOrder = n
		case n > 0:
			lastOrder = n
		case event == cmdAbort && last == cmdAbort:
			continue
		}
		last = event
		if cmd == cmdMacro {
			c.macros.set(data, requests)
			continue
		}
		if err := c.event(m, cmd, data); err != nil {
			return err
		}
	}
}

// abort ends the message.
func (c *Conn) abort(m Milter) error {
	err := m.Abort(modifier{c})
	c.macros.drop(cmdHelo)
	return err
}

// event passes on one event and writes the reply. The macros of events that come later in a message are forgotten.
func (c *Conn) event(m Milter, cmd byte, data []byte) error {
	var reply *milter.Response
	var err error
	switch cmd {
	case cmdConnect:
		c.macros.drop(cmdHelo)
		reply, err = connect(m, data, modifier{c})
	case cmdHelo:
		c.macros.drop(cmdMail)
		name, _ := cutString(data)
		reply, err = m.Helo(name, modifier{c})
	case cmdMail:
		c.macros.drop(cmdRcpt)
		from, args := cutString(data)
		reply, err = m.MailFrom(milter.RemoveAngle(from), arguments(args), modifier{c})
	case cmdRcpt:
		c.macros.drop(cmdData)
		to, args := cutString(data)
		reply, err = m.RcptTo(milter.RemoveAngle(to), arguments(args), modifier{c})
	case cmdData:
		c.macros.drop(cmdEndOfBody)
		reply, err = m.Data(modifier{c})
	case cmdHeader:
		name, rest := cutString(data)
		reply, err = m.Header(name, string(bytes.TrimSuffix(rest, []byte{0})), modifier{c})
	case cmdBody:
		reply, err = m.BodyChunk(data, modifier{c})
	case cmdEndOfBody:
		c.atEnd = true
		reply, err = m.EndOfMessage(modifier{c})
		c.atEnd = false
	case cmdAbort:
		return c.abort(m)
	case cmdQuitNewConn:
		c.macros.drop(cmdConnect)
		return m.NewConnection(modifier{c})
	case cmdQuit:
		return io.EOF
	}
	if err != nil {
		return err
	}
	return c.answer(cmd, reply)
}

// answer writes the reply to an event, if the MTA waits for one.
func (c *Conn) answer(cmd byte, reply *milter.Response) error {
	if !reply.Continue() && (cmd != cmdRcpt || reply == milter.RespDiscard) {
		c.macros.drop(cmdMail) // the message is decided about
	}
	if c.protocol&noReply(cmd) != 0 {
		return nil
	}
	r := reply.Response()
	return c.write(byte(r.Code), string(r.Data))
}

// noReply returns the flag which says that the MTA waits for no reply to an event; 0 if there is none.
func noReply(cmd byte) milter.OptProtocol {
	switch cmd {
	case cmdConnect:
		return milter.OptNoConnReply
	case cmdHelo:
		return milter.OptNoHeloReply
	case cmdMail:
		return milter.OptNoMailReply
	case cmdRcpt:
		return milter.OptNoRcptReply
	case cmdData:
		return milter.OptNoDataReply
	case cmdHeader:
		return milter.OptNoHeaderReply
	case cmdEndOfHeader:
		return milter.OptNoEOHReply
	case cmdBody:
		return milter.OptNoBodyReply
	case cmdUnknown:
		return milter.OptNoUnknownReply
	}
	return 0
}

// connect passes on who the client is. The content has passed the check.
func connect(m Milter, data []byte, mod milter.Modifier) (*milter.Response, error) {
	host, rest := cutString(data)
	if rest[0] == 'U' {
		return m.Connect(host, "unknown", 0, "", mod)
	}
	port := binary.BigEndian.Uint16(rest[1:])
	address, _ := cutString(rest[3:])
	switch rest[0] {
	case '4':
		return m.Connect(host, "tcp4", port, address, mod)
	case '6':
		return m.Connect(host, "tcp6", port, strings.Trim(strings.TrimPrefix(address, "IPv6:"), "[]"), mod)
	}
	return m.Connect(host, "unix", port, address, mod)
}

// cutString returns what is before the first NUL, and what is behind it.
func cutString(data []byte) (string, []byte) {
	s, rest, _ := bytes.Cut(data, []byte{0})
	return string(s), rest
}

// arguments returns ESMTP arguments, each with its NUL, with spaces between them.
func arguments(data []byte) string {
	if len(data) == 0 {
		return ""
	}
	return strings.ReplaceAll(string(bytes.TrimSuffix(data, []byte{0})), "\x00", " ")
}
