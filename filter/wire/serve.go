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

	"github.com/bouncefilter/bouncefilter/filter/limit"
)

// maxVersion is the version of the milter protocol that is spoken; MTAs speak it or an older one.
const maxVersion = 6

// Milter is what a connection is served by. Its methods are called one after the other.
type Milter interface {
	// Negotiate returns what is agreed on of what the MTA offers.
	Negotiate(mtaVersion, ownVersion uint32, offered milter.OptAction, offeredProtocol milter.OptProtocol) (
		version uint32, actions milter.OptAction, protocol milter.OptProtocol, err error)
	// MacroRequests returns the macros that the MTA is asked for.
	MacroRequests() *Requests
	// Fault is told of each frame at fault.
	Fault(Fault)
	// Reached is told of a limit of this connection that is reached.
	Reached(n limit.Name, value any)
	// NoMemory is told that a part of the current message was dropped for want of memory.
	NoMemory()
	// Failed is told the error for which the connection ends, if it is neither its regular end nor a fault of the MTA.
	Failed(error)
	// Panicked is told the value of a panic, a fault of this program, for which the connection ends.
	Panicked(value any)
	// Closed is called last, once.
	Closed()
	milter.Milter
}

// Serve serves the connection by m until its end, and closes it.
func (c *Conn) Serve(m Milter) {
	c.milter = m
	defer c.close()
	defer func() {
		if p := recover(); p != nil { // other connections go on
			c.out = nil // it may be half of a reply
			m.Panicked(p)
		}
	}()
	if err := c.negotiate(); err != nil {
		c.failed(err)
		return
	}
	if err := c.milter.NewConnection(modifier{c}); err != nil {
		c.failed(err)
		return
	}
	c.failed(c.events())
}

// failed reports an error for which the connection ends, unless that is its regular end or a fault of the MTA.
func (c *Conn) failed(err error) {
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		c.milter.Failed(err)
	}
}

// negotiate reads the MTA's offer and answers it.
func (c *Conn) negotiate() error {
	_, data, err := c.next() // a negotiation, or there is an error
	if err != nil {
		return err
	}
	const internal = 0xf << 28 // flags of libmilter, among them the size of body chunks: they have 64 KiB
	offered := milter.OptAction(binary.BigEndian.Uint32(data[4:]))
	protocol := milter.OptProtocol(binary.BigEndian.Uint32(data[8:]) &^ internal)
	c.version, c.actions, c.protocol, err = c.milter.Negotiate(binary.BigEndian.Uint32(data), maxVersion, offered, protocol)
	if err != nil {
		return fmt.Errorf("negotiate: %w", err)
	}
	requests := ""
	if offered&milter.OptSetMacros != 0 {
		requests = c.milter.MacroRequests().encoded
	}
	return c.write(cmdNegotiate, uint32String(int(c.version)), uint32String(int(c.actions)), uint32String(int(c.protocol)), requests)
}

// ordered are the events in the order in which they come: connection, HELO, MAIL, RCPT, DATA, header, its end, body, its end.
const ordered = "CHMRTLNBE"

// place returns the place of an event in that order, counted from 1; 0 for one that has none.
func place(event byte) int { return 1 + strings.IndexByte(ordered, event) }

// events passes on the events until the connection ends.
func (c *Conn) events() error {
	requests := c.milter.MacroRequests()
	var last byte  // the command before
	lastOrder := 0 // the place of the last one that is ordered
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
		switch n := place(event); {
		case n > 0 && lastOrder > n && last != cmdAbort:
			if err := c.abort(); err != nil {
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
		if err := c.event(cmd, data); err != nil {
			return err
		}
	}
}

// abort ends the message.
func (c *Conn) abort() error {
	err := c.milter.Abort(modifier{c})
	c.macros.drop(cmdHelo)
	return err
}

// event passes on one event and writes the reply. The macros of events that come later in a message are forgotten.
func (c *Conn) event(cmd byte, data []byte) error {
	var reply *milter.Response
	var err error
	switch cmd {
	case cmdConnect:
		c.macros.drop(cmdHelo)
		reply, err = connect(c.milter, data, modifier{c})
	case cmdHelo:
		c.macros.drop(cmdMail)
		name, _ := cutString(data)
		reply, err = c.milter.Helo(name, modifier{c})
	case cmdMail:
		c.macros.drop(cmdRcpt)
		from, args := cutString(data)
		reply, err = c.milter.MailFrom(milter.RemoveAngle(from), arguments(args), modifier{c})
	case cmdRcpt:
		c.macros.drop(cmdData)
		to, args := cutString(data)
		reply, err = c.milter.RcptTo(milter.RemoveAngle(to), arguments(args), modifier{c})
	case cmdData:
		c.macros.drop(cmdEndOfBody)
		reply, err = c.milter.Data(modifier{c})
	case cmdHeader:
		name, rest := cutString(data)
		reply, err = c.milter.Header(name, string(bytes.TrimSuffix(rest, []byte{0})), modifier{c})
	case cmdBody:
		reply, err = c.milter.BodyChunk(data, modifier{c})
	case cmdEndOfBody:
		c.atEnd = true
		reply, err = c.milter.EndOfMessage(modifier{c})
		c.atEnd = false
	case cmdAbort:
		return c.abort()
	case cmdQuitNewConn:
		c.macros.drop(cmdConnect)
		return c.milter.NewConnection(modifier{c})
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
