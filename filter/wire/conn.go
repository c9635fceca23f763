// Package wire is the layer between an MTA's connection and the milter library. It checks every frame before the library
// reads it, withholds what the current message does not need, reads ahead into a buffer that an idle connection does not
// hold, and sends the replies to one event in one write.
//
// [New] wraps a connection. [Conn.WantHeaders] and [Conn.WantContent] say which parts of the current message are passed
// on; the rest is withheld, and answered in the library's place where the MTA waits for a reply.
//
// The package knows the framing of the milter protocol and the commands in frame.go. It makes no decisions about mail, and
// it passes on no frame that fails its check.
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
	// ReadTimeout bounds the wait for the MTA's next frame. Between two commands of an SMTP session the MTA waits for the
	// SMTP client; libmilter's default is 7210 s.
	ReadTimeout time.Duration
	// WriteTimeout bounds how long the MTA may take to read a reply.
	WriteTimeout time.Duration
	// Fault is called for each frame at fault, in the connection's goroutine.
	Fault func(Fault)
	// Closed is called once when the connection is closed.
	Closed func(*Conn)
}

// Conn is the connection of an MTA as the milter library sees it. Its methods belong to the goroutine that reads, but
// Drain and Abandon may be called from any.
type Conn struct {
	net.Conn
	opts Options

	buf    []byte  // nil while there is nothing to read
	pooled *[]byte // buf, if it is from the pool
	r, w   int     // buf[r:w] was read from the MTA and not yet passed on
	pass   int     // octets of a checked frame that the library may read now
	skip   int     // octets of a withheld frame, yet to be read and dropped

	out      []byte // replies not yet sent
	writeErr error
	deadline time.Time // the read deadline set last

	raw     syscall.RawConn
	rawRead func(fd uintptr) bool // made once; allocating it at every wait would cost more than the read
	rawN    int
	rawErr  error

	negotiating bool // no frame has been seen yet
	protocol    milter.OptProtocol
	headers     []string // names of the headers that are passed on
	content     bool     // all headers and the body are passed on

	busy     atomic.Bool // inside a message
	draining atomic.Bool
	closed   atomic.Bool
}

// New wraps c. Headers and bodies of messages are withheld until [Conn.WantHeaders] or [Conn.WantContent] is called.
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

// Negotiated sets the protocol flags agreed with the MTA. They say for which withheld events the MTA waits for a reply.
func (c *Conn) Negotiated(p milter.OptProtocol) { c.protocol = p }

// WantHeaders says that of the current message the headers with these names are passed on, and no others. The caller does
// not change names afterwards. What is left of the body is withheld; an MTA that waits for a reply to a piece of the body
// is asked to send no more.
func (c *Conn) WantHeaders(names []string) { c.headers, c.content = names, false }

// WantContent says that all headers of the current message and its body are passed on.
func (c *Conn) WantContent() { c.headers, c.content = nil, true }

// SetBusy says whether a message is under way; see [Conn.Drain].
func (c *Conn) SetBusy(b bool) { c.busy.Store(b) }

// Drain ends the connection as soon as no message is under way. It does not wait.
func (c *Conn) Drain() {
	c.draining.Store(true)
	// This wakes a Read that waits for the next frame. If a message is under way, Read waits again.
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
}

// SetDeadline does nothing: the timeouts are those of [Options]. The library sets a deadline for every frame, and a fixed
// one of one second for the negotiation, which is too short on a busy machine.
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
	if c.r == c.w { // inside a body chunk longer than the buffer
		if err := c.fill(1); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.buf[c.r:c.w])
	c.r += n
	c.pass -= n
	return n, nil
}

// next reads up to the next frame: it either withholds that frame, or checks it and lets Read pass it on.
func (c *Conn) next() error {
	if err := c.drop(); err != nil {
		return err
	}
	cmd, total, err := c.head()
	if err != nil {
		return err
	}
	t, err := c.treatmentOf(cmd, total)
	if err != nil {
		return err
	}
	if t == answer {
		c.reply(cmd)
	}
	if t != passOn {
		c.skip = total
		return nil
	}
	if cmd != cmdBody { // a body chunk has no structure, and a long one does not fit into the buffer
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

// head reads the length and the command of the next frame, and checks both. total is the frame's length in octets with
// the length field itself.
func (c *Conn) head() (cmd byte, total int, err error) {
	if err := c.fill(4); err != nil {
		return 0, 0, err
	}
	length := binary.BigEndian.Uint32(c.buf[c.r:])
	if f := checkLength(length); f != "" {
		return 0, 0, c.fail(f)
	}
	if err := c.fill(5); err != nil {
		return 0, 0, err
	}
	cmd = c.buf[c.r+4]
	if c.negotiating != (cmd == cmdNegotiate) {
		return 0, 0, c.fail(FaultOrder)
	}
	c.negotiating = false
	return cmd, 4 + int(length), nil
}

// treatment is what happens to a frame.
type treatment uint8

const (
	passOn treatment = iota // the library reads it
	answer                  // it is withheld, and the MTA gets its reply if it waits for one
	ignore                  // it is withheld, and the protocol has no reply to it
)

// treatmentOf decides what happens to the frame at hand. It ends the connection for a frame that is neither passed on nor
// withheld.
func (c *Conn) treatmentOf(cmd byte, total int) (treatment, error) {
	if total > 4+MaxFrame {
		if cmd != cmdHeader && cmd != cmdBody {
			return 0, c.fail(FaultLength)
		}
		c.opts.Fault(FaultOversized)
		return answer, nil
	}
	switch cmd {
	case cmdAbort, cmdEndOfBody, cmdQuitNewConn, cmdQuit, cmdData, cmdConnect, cmdHelo, cmdMail, cmdRcpt, cmdNegotiate:
		return passOn, nil
	case cmdMacro:
		return c.macroTreatment(total)
	case cmdHeader:
		return c.headerTreatment(total)
	case cmdBody:
		if c.content {
			return passOn, nil
		}
		return answer, nil
	case cmdEndOfHeader, cmdUnknown:
		return answer, nil
	}
	return 0, c.fail(FaultCommand)
}

// macroTreatment withholds the macros of events that are withheld themselves or whose macros the milter does not read.
func (c *Conn) macroTreatment(total int) (treatment, error) {
	if total < 6 {
		return passOn, nil // to the check, which refuses macros without an event
	}
	if err := c.fill(6); err != nil {
		return 0, err
	}
	switch event := c.buf[c.r+5]; event {
	case cmdConnect, cmdHelo, cmdMail, cmdRcpt, cmdData, cmdEndOfBody:
		return passOn, nil
	}
	return ignore, nil
}

// headerTreatment passes on the headers that the current message wants.
func (c *Conn) headerTreatment(total int) (treatment, error) {
	if c.content {
		return passOn, nil
	}
	if len(c.headers) == 0 {
		return answer, nil
	}
	if err := c.fill(total); err != nil {
		return 0, err
	}
	name, _, _ := bytes.Cut(c.buf[c.r+5:c.r+total], []byte{0})
	for _, wanted := range c.headers {
		if len(name) == len(wanted) && strings.EqualFold(string(name), wanted) {
			return passOn, nil
		}
	}
	return answer, nil
}

// reply replies to a withheld event if the MTA waits for a reply.
func (c *Conn) reply(cmd byte) {
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
	code := byte('c') // SMFIR_CONTINUE
	if cmd == cmdBody && c.protocol&milter.OptSkip != 0 {
		code = 's' // SMFIR_SKIP
	}
	c.out = append(c.out, 0, 0, 0, 1, code)
}

// drop reads and drops what is left of a withheld frame.
func (c *Conn) drop() error {
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

// fail ends the connection because of a frame. The library sees the end of the stream, which it does not log; what it logs
// about a malformed frame would contain what the other side sent.
func (c *Conn) fail(f Fault) error {
	c.opts.Fault(f)
	c.r, c.w = 0, 0
	_ = c.Conn.Close()
	return io.EOF
}

// Close ends the connection. The milter library calls it once the session is over, from the goroutine that reads, and does
// not use the Conn afterwards. Other goroutines call Abandon.
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
