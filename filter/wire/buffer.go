package wire

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/bouncefilter/bouncefilter/filter/limit"
)

const (
	// bufferSize is the size of a pooled read buffer in octets: more than what Postfix sends at once of the envelope and headers of
	// an ordinary message.
	bufferSize = 16 << 10
	// maxRest is up to how many octets of a frame that has not come whole are kept in a buffer of just that size while the MTA is
	// silent. Postfix writes 4096 octets at a time, wherever a frame ends.
	maxRest = 4 << 10
)

var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// errNoMemory is returned by fill if what was sent of a frame may not be held.
var errNoMemory = errors.New("no memory for a long frame")

// fill reads until buf[r:w] has at least n octets. The buffer grows as octets arrive, whatever length was announced.
func (c *Conn) fill(n int) error {
	for c.w-c.r < n {
		if err := c.makeRoom(n); err != nil {
			return err
		}
		if err := c.wait(); err != nil {
			return err
		}
	}
	return nil
}

// makeRoom makes the buffer ready for a read, if there is one: n octets are wanted altogether.
func (c *Conn) makeRoom(n int) error {
	unread := c.w - c.r
	switch {
	case unread == 0:
		c.r, c.w = 0, 0
		if c.pooled == nil {
			return c.setBuffer(nil) // it was made for one long frame
		}
	case c.r > 0 && c.r+n > len(c.buf):
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	if c.w < len(c.buf) || unread < bufferSize {
		return nil // acquire takes a pooled buffer if this one is full
	}
	return c.setBuffer(make([]byte, min(n, 2*len(c.buf))))
}

// setBuffer replaces the buffer, whose unread octets it copies, by one that is not pooled. A long one is charged.
func (c *Conn) setBuffer(b []byte) error {
	if err := c.charge(len(b)); err != nil {
		return err
	}
	w := copy(b, c.buf[c.r:c.w])
	c.recycle()
	c.buf, c.r, c.w = b, 0, w
	return nil
}

// charge lets the connection hold a buffer of n octets, and no other. Short ones are part of what a connection costs.
func (c *Conn) charge(n int) error {
	if n <= maxRest {
		n = 0
	}
	if more := n - c.charged; more > 0 && !c.opts.Memory.Take(more) {
		return errNoMemory
	} else if more < 0 {
		c.opts.Memory.Give(-more)
	}
	c.charged = n
	return nil
}

// wait reads once into the free part of the buffer. Before it blocks it sends the pending replies and lets go of the buffer.
func (c *Conn) wait() error {
	for {
		got, err := c.readOnce()
		c.w += got
		switch {
		case got > 0:
			return nil
		case errors.Is(c.writeErr, os.ErrDeadlineExceeded):
			return io.EOF // and no read has timed out
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			if err == nil {
				err = io.EOF
			}
			return err
		}
		if !c.draining.Load() {
			c.timedOut()
			return io.EOF
		}
		if !c.busy.Load() {
			return io.EOF
		}
		c.deadline = time.Time{} // Drain woke this in the middle of a message: wait again
	}
}

// timedOut tells which time is over.
func (c *Conn) timedOut() {
	switch {
	case c.negotiating:
		c.milter.Reached(limit.NegotiateTimeout, c.opts.NegotiateTimeout)
	case c.inFrame:
		c.milter.Reached(limit.FrameTimeout, c.opts.ReadTimeout)
	default:
		c.milter.Reached(limit.ReadTimeout, c.opts.ReadTimeout)
	}
}

// beforeWait sends the pending replies and sets the deadline of a read that may block.
func (c *Conn) beforeWait() error {
	if err := c.flush(); err != nil {
		return err
	}
	if c.draining.Load() && !c.busy.Load() {
		return io.EOF
	}
	if deadline := c.nextDeadline(time.Now()); deadline != c.deadline {
		c.deadline = deadline
		if err := c.conn.SetReadDeadline(deadline); err != nil {
			return err
		}
		if c.draining.Load() && !c.busy.Load() { // this may have overwritten the deadline that Drain set
			return io.EOF
		}
	}
	return nil
}

// nextDeadline returns the deadline of a read. Setting one costs as much as a read. So it is later than ReadTimeout asks for by a
// third, and stays until that third is over. The octets of one frame have one deadline, however they are spread.
func (c *Conn) nextDeadline(now time.Time) time.Time {
	inside := c.skip > 0 || c.w > c.r
	switch {
	case c.negotiating:
		if c.deadline.IsZero() {
			return now.Add(c.opts.NegotiateTimeout)
		}
		return c.deadline
	case inside && c.inFrame && !c.deadline.IsZero():
		return c.deadline
	}
	c.inFrame = inside
	if c.deadline.Sub(now) < c.opts.ReadTimeout {
		return now.Add(c.opts.ReadTimeout / 3 * 4)
	}
	return c.deadline
}

// readOnce reads into the buffer what has arrived, or waits until something arrives.
func (c *Conn) readOnce() (int, error) {
	if err := c.beforeWait(); err != nil {
		return 0, err
	}
	if c.raw == nil {
		c.acquire()
		return c.conn.Read(c.buf[c.w:])
	}
	c.rawN, c.rawErr = 0, nil
	if err := c.raw.Read(c.rawRead); err != nil {
		return 0, err
	}
	return c.rawN, c.rawErr
}

// tryRead reads from a file descriptor that may be readable.
func (c *Conn) tryRead(fd uintptr) (done bool) {
	c.acquire()
	for {
		n, err := syscall.Read(int(fd), c.buf[c.w:])
		switch err {
		case nil:
			c.rawN = n
			return true
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			if c.rawErr = c.rest(); c.rawErr != nil {
				return true
			}
			return false
		default:
			c.rawErr = os.NewSyscallError("read", err)
			return true
		}
	}
}

// rest lets go of the pooled buffer while nothing comes: an idle connection holds none, one inside a short frame a buffer of just
// what has come of it.
func (c *Conn) rest() error {
	switch unread := c.buf[c.r:c.w]; {
	case c.pooled == nil:
		return nil // a long frame, charged already
	case len(unread) == 0:
		c.release()
		return nil
	case len(unread) <= maxRest:
		return c.setBuffer(make([]byte, len(unread)))
	}
	return c.charge(bufferSize)
}

// acquire takes a pooled buffer if the present one has no room.
func (c *Conn) acquire() {
	if c.w < len(c.buf) {
		return
	}
	pooled := buffers.Get().(*[]byte)
	w := copy(*pooled, c.buf[c.r:c.w])
	c.recycle()
	c.pooled, c.buf, c.r, c.w = pooled, *pooled, 0, w
}

// recycle gives the buffer back to the pool, if it is from there.
func (c *Conn) recycle() {
	if c.pooled != nil {
		buffers.Put(c.pooled)
	}
	c.pooled = nil
}

// release lets go of the buffer.
func (c *Conn) release() {
	_ = c.setBuffer(nil) // which holds less
}

// maxPending is the number of octets of replies that are collected before they are sent without waiting for more.
const maxPending = 16 << 10

// write collects replies until the next wait for the MTA, so that all replies to an event are sent together.
//
// QUIRK: Postfix and Sendmail over TCP wait 40 ms for a delayed acknowledgement when a reply comes in several segments.
func (c *Conn) write(code byte, parts ...string) error {
	if c.writeErr != nil {
		return c.writeErr
	}
	n := 1
	for _, p := range parts {
		n += len(p)
	}
	if c.out == nil {
		c.pooledOut = replies.Get().(*[]byte)
		c.out = (*c.pooledOut)[:0]
	}
	c.out = append(c.out, byte(n>>24), byte(n>>16), byte(n>>8), byte(n), code)
	for _, p := range parts {
		c.out = append(c.out, p...)
	}
	if len(c.out) >= maxPending {
		return c.flush()
	}
	return nil
}

// replies are buffers for replies; most need no more.
var replies = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

// flush sends the pending replies.
func (c *Conn) flush() error {
	if len(c.out) == 0 || c.writeErr != nil {
		return c.writeErr
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(c.opts.WriteTimeout)); err != nil {
		c.writeErr = err
		return err
	}
	if _, c.writeErr = c.conn.Write(c.out); errors.Is(c.writeErr, os.ErrDeadlineExceeded) {
		c.milter.Reached(limit.WriteTimeout, c.opts.WriteTimeout)
	}
	replies.Put(c.pooledOut) // what did not fit into it is dropped
	c.pooledOut, c.out = nil, nil
	return c.writeErr
}
