// Package wire speaks the milter protocol with an MTA. It checks every frame, withholds what the current message does not need, and
// passes the rest on as the events of a [milter.Milter]. It reads into a buffer that an idle connection does not hold and that grows
// as octets arrive, and sends the replies to one event in one write.
//
// [New] wraps a connection, [Conn.Serve] serves it. [Conn.WantHeaders] and [Conn.WantContent] say which parts of the current message
// are passed on; the rest is withheld, and answered where the MTA waits for a reply.
//
// The package makes no decisions about mail, and it passes on no frame that fails its check.
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

	"github.com/bouncefilter/bouncefilter/filter/limit"
)

// Memory says how much may be held. Its methods are called from the goroutines of all connections.
type Memory interface {
	// Take says whether n octets more may be held; Give gives them back.
	Take(n int) bool
	Give(n int)
}

// Options of connections. All are needed.
type Options struct {
	// NegotiateTimeout bounds the wait for the MTA's first frame.
	NegotiateTimeout time.Duration
	// ReadTimeout bounds the wait for the MTA's next frame, and for all of that frame once its first octets are there. Between two
	// commands of an SMTP session the MTA waits for the SMTP client; libmilter's default is 7210 s. It is one third longer at most.
	ReadTimeout time.Duration
	// WriteTimeout bounds how long the MTA may take to read a reply.
	WriteTimeout time.Duration
	// Memory is asked before a long frame is held.
	Memory Memory
}

// Conn is the connection of an MTA. Its methods belong to the goroutine of Serve, but Drain and Abandon may be called from any.
type Conn struct {
	conn   net.Conn
	opts   *Options
	milter Milter

	buf     []byte  // nil while there is nothing to read
	pooled  *[]byte // buf, if it is from the pool
	r, w    int     // buf[r:w] was read from the MTA and not yet passed on
	skip    int     // octets of a withheld frame, yet to be read and dropped
	charged int     // octets of buf that Memory has given

	out       []byte  // replies not yet sent; nil if there are none
	pooledOut *[]byte // the buffer from the pool in which they began
	writeErr  error
	deadline  time.Time // the read deadline set last
	inFrame   bool      // that deadline is the one of the frame at hand

	raw     syscall.RawConn
	rawRead func(fd uintptr) bool // made once; allocating it at every wait would cost more than the read
	rawN    int
	rawErr  error

	negotiating bool // no frame has been seen yet
	atEnd       bool // the milter may change the message
	version     uint32
	actions     milter.OptAction
	protocol    milter.OptProtocol
	macros      macros
	headers     []string // names of the headers that are passed on
	content     bool     // all headers and the body are passed on

	busy     atomic.Bool // inside a message
	draining atomic.Bool
	closed   atomic.Bool
}

// New wraps c. Headers and bodies of messages are withheld until [Conn.WantHeaders] or [Conn.WantContent] is called. The caller does
// not change o afterwards; connections may share it.
func New(c net.Conn, o *Options) *Conn {
	w := &Conn{conn: c, opts: o, negotiating: true}
	if sc, ok := c.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			w.raw = raw
			w.rawRead = w.tryRead
		}
	}
	return w
}

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
	// This wakes a read that waits for the next frame. If a message is under way, it waits again.
	_ = c.conn.SetReadDeadline(time.Unix(1, 0))
}

// next reads up to the next frame that is passed on, and returns its command and content, which are valid until next is called again.
// It returns io.EOF at the end of the connection and after a frame that cannot be passed on.
func (c *Conn) next() (cmd byte, data []byte, err error) {
	for {
		c.inFrame = false
		if err := c.drop(); err != nil {
			return 0, nil, err
		}
		cmd, total, err := c.head()
		if err != nil {
			return 0, nil, err
		}
		t, err := c.treatmentOf(cmd, total)
		if err == nil && t == passOn {
			err = c.fill(total)
		}
		switch {
		case err == errNoMemory && (cmd == cmdHeader || cmd == cmdBody):
			c.milter.NoMemory()
			t = answer
		case err == errNoMemory:
			return 0, nil, c.fail(FaultMemory)
		case err != nil:
			return 0, nil, err
		}
		if t == answer {
			c.reply(cmd)
		}
		if t != passOn {
			c.skip = total
			continue
		}
		data := c.buf[c.r+5 : c.r+total]
		if f, fatal := check(cmd, data); fatal {
			return 0, nil, c.fail(f)
		} else if f != "" {
			c.milter.Fault(f)
		}
		c.r += total
		if c.negotiating {
			c.negotiating, c.deadline = false, time.Time{}
		}
		return cmd, data, nil
	}
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
	return cmd, 4 + int(length), nil
}

// treatment is what happens to a frame.
type treatment uint8

const (
	passOn treatment = iota // it becomes an event
	answer                  // it is withheld, and the MTA gets its reply if it waits for one
	ignore                  // it is withheld, and the protocol has no reply to it
)

// treatmentOf decides what happens to the frame at hand. It ends the connection for a frame that is neither passed on nor
// withheld.
func (c *Conn) treatmentOf(cmd byte, total int) (treatment, error) {
	if content := cmd == cmdHeader || cmd == cmdBody; content && total > 4+MaxFrame {
		c.milter.Fault(FaultOversized)
		c.milter.Reached(limit.FrameLength, MaxFrame)
		return answer, nil
	} else if !content && total > 4+MaxCommand {
		c.milter.Reached(limit.FrameLength, MaxCommand)
		return 0, c.fail(FaultLength)
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
	if c.protocol&noReply(cmd) != 0 {
		return
	}
	code := byte('c') // SMFIR_CONTINUE
	if cmd == cmdBody && c.protocol&milter.OptSkip != 0 {
		code = 's' // SMFIR_SKIP
	}
	_ = c.write(code) // an error comes again at the next wait
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

// fail ends the connection because of a frame.
func (c *Conn) fail(f Fault) error {
	c.milter.Fault(f)
	return io.EOF
}

// close ends the connection, after the replies that are pending.
func (c *Conn) close() {
	if !c.closed.CompareAndSwap(false, true) {
		return
	}
	_ = c.flush() // the MTA may be gone
	_ = c.conn.Close()
	c.release()
	c.milter.Closed()
}

// NetConn returns the connection that is wrapped.
func (c *Conn) NetConn() net.Conn { return c.conn }

// Abandon cuts the connection, whatever is under way. It may be called from any goroutine.
func (c *Conn) Abandon() { _ = c.conn.Close() }
