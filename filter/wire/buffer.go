package wire

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// bufferSize is the size of a read buffer in octets: more than what Postfix sends at once of the envelope and headers of an
// ordinary message.
const bufferSize = 16 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}

// fill reads until buf[r:w] has at least n octets.
func (c *Conn) fill(n int) error {
	for c.w-c.r < n {
		if c.r == c.w {
			c.r, c.w = 0, 0
			if c.pooled == nil {
				c.buf = nil // it was made for one long frame
			}
		}
		if c.buf != nil && c.r+n > len(c.buf) {
			c.makeRoom(n)
		}
		if err := c.wait(n); err != nil {
			return err
		}
	}
	return nil
}

// makeRoom moves what is unread to the front of a buffer that has room for n octets.
func (c *Conn) makeRoom(n int) {
	if n <= len(c.buf) {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
		return
	}
	bigger := make([]byte, n)
	w := copy(bigger, c.buf[c.r:c.w])
	c.release()
	c.buf, c.r, c.w = bigger, 0, w
}

// wait reads once into the free part of the buffer. Before it blocks it sends the pending replies and returns an empty
// buffer to the pool.
func (c *Conn) wait(n int) error {
	for {
		got, err := c.readOnce()
		c.w += got
		if got > 0 {
			return nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			if err == nil {
				err = io.EOF
			}
			return err
		}
		if !c.draining.Load() || !c.busy.Load() {
			return io.EOF // timed out, or drained between two messages
		}
		c.deadline = time.Time{} // Drain woke this in the middle of a message: wait again
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
	// Setting a deadline costs as much as a read. It is set a third later than ReadTimeout asks for, and not again until
	// that third is over.
	if now := time.Now(); c.deadline.Sub(now) < c.opts.ReadTimeout {
		c.deadline = now.Add(c.opts.ReadTimeout / 3 * 4)
		if err := c.Conn.SetReadDeadline(c.deadline); err != nil {
			return err
		}
		if c.draining.Load() && !c.busy.Load() { // this may have overwritten the deadline that Drain set
			return io.EOF
		}
	}
	return nil
}

// readOnce reads into the buffer what has arrived, or waits until something arrives.
func (c *Conn) readOnce() (int, error) {
	if err := c.beforeWait(); err != nil {
		return 0, err
	}
	if c.raw == nil {
		c.acquire()
		return c.Conn.Read(c.buf[c.w:])
	}
	c.rawN, c.rawErr = 0, nil
	if err := c.raw.Read(c.rawRead); err != nil {
		return 0, err
	}
	return c.rawN, c.rawErr
}

// tryRead reads from a file descriptor that may be readable. If nothing has arrived, it returns an empty buffer to the
// pool, so that an idle connection holds none.
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
			if c.r == c.w {
				c.release()
			}
			return false
		default:
			c.rawErr = os.NewSyscallError("read", err)
			return true
		}
	}
}

func (c *Conn) acquire() {
	if c.buf == nil {
		c.pooled = buffers.Get().(*[]byte)
		c.buf = *c.pooled
		c.r, c.w = 0, 0
	}
}

func (c *Conn) release() {
	if c.pooled != nil {
		buffers.Put(c.pooled)
	}
	c.pooled, c.buf, c.r, c.w = nil, nil, 0, 0
}

// maxPending is the number of octets of replies at which Write sends them without waiting for more.
const maxPending = 16 << 10

// Write collects replies until the next wait for the MTA, so that all replies to an event are sent together.
//
// QUIRK: Postfix and Sendmail over TCP wait 40 ms for a delayed acknowledgement when a reply comes in several segments.
func (c *Conn) Write(p []byte) (int, error) {
	if c.writeErr != nil {
		return 0, c.writeErr
	}
	c.out = append(c.out, p...)
	if len(c.out) >= maxPending {
		if err := c.flush(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// flush sends the pending replies.
func (c *Conn) flush() error {
	if len(c.out) == 0 || c.writeErr != nil {
		return c.writeErr
	}
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.opts.WriteTimeout)); err != nil {
		c.writeErr = err
		return err
	}
	_, c.writeErr = c.Conn.Write(c.out)
	if cap(c.out) > 1024 {
		c.out = nil
	} else {
		c.out = c.out[:0]
	}
	return c.writeErr
}
