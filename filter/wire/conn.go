// Package wire stands between an MTA's connection and the milter library: it checks every frame before the library reads
// it, keeps from the library what the current message does not need, reads ahead into a buffer that an idle connection
// does not hold, and sends the replies to one event in one write.
//
// [New] wraps a connection; [Conn.Negotiated] and [Conn.Want] tell it what to keep back. It understands the framing of
// the milter protocol and the few commands named in frame.go, and takes no decisions about mail.
package wire

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/d--j/go-milter"
)

// Options of a [Conn].
type Options struct {
	// ReadTimeout bounds the wait for the MTA's next frame. Between two commands of an SMTP session it waits as long as
	// the SMTP client takes; libmilter's default is 7210 s.
	ReadTimeout time.Duration
	// WriteTimeout bounds how long the MTA may take to read a reply.
	WriteTimeout time.Duration
	// Fault is called for each frame at fault, in the connection's goroutine.
	Fault func(Fault)
	// Closed is called once when the connection is closed.
	Closed func(*Conn)
}

// Conn is the connection of an MTA, as the milter library sees it. Read, Write and Want belong to one goroutine; Drain
// and Close may be called from any.
type Conn struct {
	net.Conn
	opts Options

	buf    []byte  // nil while there is nothing to read
	pooled *[]byte // buf, if it is from the pool
	r, w   int     // buf[r:w] was read from the MTA and not yet passed on
	pass   int     // octets of a checked frame that the library may read now
	skip   int     // octets of a frame that nobody wants

	out      []byte // replies not yet sent
	writeErr error
	deadline time.Time // of the read deadline set last

	raw     syscall.RawConn
	rawRead func(fd uintptr) bool // made once; allocating it at every wait would cost more than the read
	rawN    int
	rawErr  error

	negotiating bool // no frame has been seen yet
	protocol    milter.OptProtocol
	headers     []string // names of the headers that are passed on
	content     bool     // all headers and the body are

	busy     atomic.Bool // inside a message
	draining atomic.Bool
	closed   atomic.Bool
}

// New wraps c. Until [Conn.WantHeaders] or [Conn.WantContent] says otherwise, headers and body of messages are kept back.
func New(c net.Conn, o Options) *Conn {
	w := &Conn{Conn: c, opts: o, negotiating: true}
	if sc, ok := c.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			w.raw = raw
			w.rawRead = w.tryRead
		}
	}
	return w
}

// Negotiated tells what was agreed with the MTA, so that events which are kept back are answered where it waits for an
// answer.
func (c *Conn) Negotiated(p milter.OptProtocol) { c.protocol = p }

// WantHeaders says which headers of the current message are passed on: those of some names, which must not change, or none. What is
// left of the body is not; where the MTA waits for an answer to a piece of it, it is asked to send no more.
func (c *Conn) WantHeaders(names []string) { c.headers, c.content = names, false }

// WantContent says that all headers of the current message and its body are passed on.
func (c *Conn) WantContent() { c.headers, c.content = nil, true }

// SetBusy says whether a message is under way; see [Conn.Drain].
func (c *Conn) SetBusy(b bool) { c.busy.Store(b) }

// Drain ends the connection as soon as no message is under way. It does not wait.
func (c *Conn) Drain() {
	c.draining.Store(true)
	// Wakes a Read that waits for the next frame; it goes on waiting if a message is under way.
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
}

// SetDeadline does nothing: the timeouts are those of [Options]. The library sets deadlines at every packet, and a
// fixed one second for the negotiation, which is short for a busy machine.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing, see [Conn.SetDeadline].
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing, see [Conn.SetDeadline].
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// Read passes on octets of checked frames. It returns io.EOF at the end of the connection and after a frame that cannot
// be passed on.
func (c *Conn) Read(p []byte) (int, error) {
	for c.pass == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	if len(p) > c.pass {
		p = p[:c.pass]
	}
	if c.r == c.w { // inside a long frame that was not looked at as a whole
		if err := c.fill(1); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.buf[c.r:c.w])
	c.r += n
	c.pass -= n
	return n, nil
}

// next finds the next frame to pass on and swallows those before it.
func (c *Conn) next() error {
	if err := c.swallow(); err != nil {
		return err
	}
	if err := c.fill(4); err != nil {
		return err
	}
	length := binary.BigEndian.Uint32(c.buf[c.r:])
	switch {
	case length == 0:
		return c.fail(FaultEmpty)
	case length > maxSwallow:
		return c.fail(FaultLength)
	}
	if err := c.fill(5); err != nil {
		return err
	}
	cmd := c.buf[c.r+4]
	total := 4 + int(length)
	if c.negotiating != (cmd == cmdNegotiate) {
		return c.fail(FaultOrder)
	}
	if length > MaxFrame {
		if cmd != cmdHeader && cmd != cmdBody {
			return c.fail(FaultLength)
		}
		c.opts.Fault(FaultOversized)
		return c.keepBack(cmd, total)
	}
	c.negotiating = false
	switch cmd {
	case cmdAbort, cmdEndOfBody, cmdQuitNewConn, cmdQuit, cmdData, cmdConnect, cmdHelo, cmdMail, cmdRcpt, cmdNegotiate:
	case cmdMacro:
		// Macros of events that are kept back or whose macros nobody reads.
		if err := c.fill(min(total, 6)); err != nil {
			return err
		}
		if length > 1 && !macroWanted(c.buf[c.r+5]) {
			c.skip = total
			return nil
		}
	case cmdHeader:
		wanted, err := c.wantsHeader(total)
		if err != nil {
			return err
		}
		if !wanted {
			return c.keepBack(cmd, total)
		}
	case cmdBody:
		if !c.content {
			return c.keepBack(cmd, total)
		}
	case cmdEndOfHeader, cmdUnknown:
		return c.keepBack(cmd, total)
	default:
		return c.fail(FaultCommand)
	}
	if cmd != cmdBody { // body chunks have no structure and go past the buffer if they are long
		if err := c.fill(total); err != nil {
			return err
		}
		if f, fatal := check(cmd, c.buf[c.r+5:c.r+total]); fatal {
			return c.fail(f)
		} else if f != "" {
			c.opts.Fault(f)
		}
	}
	c.pass = total
	return nil
}

// wantsHeader says whether the header in the frame at hand is passed on.
func (c *Conn) wantsHeader(total int) (bool, error) {
	if c.content || len(c.headers) == 0 {
		return c.content, nil
	}
	if err := c.fill(total); err != nil {
		return false, err
	}
	name, _, _ := bytes.Cut(c.buf[c.r+5:c.r+total], []byte{0})
	for _, wanted := range c.headers {
		if len(name) == len(wanted) && strings.EqualFold(string(name), wanted) {
			return true, nil
		}
	}
	return false, nil
}

// keepBack lets nobody see the frame at hand.
func (c *Conn) keepBack(cmd byte, total int) error {
	c.answer(cmd)
	c.skip = total
	return nil
}

// macroWanted says whether the macros of an event are passed on.
func macroWanted(event byte) bool {
	switch event {
	case cmdConnect, cmdHelo, cmdMail, cmdRcpt, cmdData, cmdEndOfBody:
		return true
	}
	return false
}

// answer replies to an event that the library does not get to see, if the MTA waits for a reply.
func (c *Conn) answer(cmd byte) {
	var noReply milter.OptProtocol
	switch cmd {
	case cmdHeader:
		noReply = milter.OptNoHeaderReply
	case cmdBody:
		noReply = milter.OptNoBodyReply
	case cmdEndOfHeader:
		noReply = milter.OptNoEOHReply
	case cmdUnknown:
		noReply = milter.OptNoUnknownReply
	}
	if c.protocol&noReply != 0 {
		return
	}
	reply := byte('c') // SMFIR_CONTINUE
	if cmd == cmdBody && c.protocol&milter.OptSkip != 0 {
		reply = 's' // SMFIR_SKIP
	}
	c.out = append(c.out, 0, 0, 0, 1, reply)
}

// swallow reads and forgets the rest of a frame that nobody wants.
func (c *Conn) swallow() error {
	for c.skip > 0 {
		if c.r == c.w {
			if err := c.fill(1); err != nil {
				return err
			}
		}
		n := min(c.skip, c.w-c.r)
		c.r += n
		c.skip -= n
	}
	return nil
}

// fail ends the connection because of a frame. The library sees the end of the stream: it has nothing to say about it,
// and its words would carry what the other side sent.
func (c *Conn) fail(f Fault) error {
	c.opts.Fault(f)
	c.r, c.w = 0, 0
	_ = c.Conn.Close()
	return io.EOF
}

// Close ends the connection. The milter library calls it when the session is over, from the goroutine that reads, and
// [Conn] is then no longer used; Abandon is for everybody else.
func (c *Conn) Close() error {
	if !c.closed.CompareAndSwap(false, true) {
		return net.ErrClosed
	}
	_ = c.flush()
	err := c.Conn.Close()
	c.release()
	if c.opts.Closed != nil {
		c.opts.Closed(c)
	}
	return err
}

// Abandon cuts the connection, whatever is under way. It may be called from any goroutine.
func (c *Conn) Abandon() { _ = c.Conn.Close() }
