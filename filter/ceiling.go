package filter

import (
	"sync/atomic"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/limit"
	"github.com/bouncefilter/bouncefilter/filter/policy"
)

// ceiling bounds what all messages under way hold in memory: contents, recipients, and frames that have not come whole.
type ceiling struct {
	limit int64 // octets
	held  atomic.Int64
}

// Take implements [wire.Memory].
func (c *ceiling) Take(n int) bool {
	if c.held.Add(int64(n)) <= c.limit {
		return true
	}
	c.held.Add(-int64(n))
	return false
}

// Give implements [wire.Memory].
func (c *ceiling) Give(n int) { c.held.Add(-int64(n)) }

// recipientCost is how many octets a recipient takes besides its text.
const recipientCost = 512

// hold takes what a part of the envelope needs until the next message. It returns false if the message is to be deferred.
func (s *session) hold(octets int) bool {
	msg := s.message()
	if msg.short || !s.server.memory.Take(octets) {
		s.NoMemory()
		return false
	}
	msg.heldEnvelope += octets
	return true
}

// holdContent takes what the content of the message has grown to. If that is too much, the content is dropped.
func (s *session) holdContent() {
	msg := s.message()
	if msg.content == nil {
		return
	}
	more := msg.content.text.Held() - msg.heldContent
	if more > 0 && !s.server.memory.Take(more) {
		s.NoMemory()
		return
	}
	msg.heldContent += more
}

// NoMemory drops what the message holds of its content, and lets it be deferred at the next reply.
func (s *session) NoMemory() {
	msg := s.message()
	if !msg.short {
		msg.short = true
		s.Reached(limit.Memory, s.server.memory.limit)
	}
	s.dropContent()
	s.conn.WantHeaders(nil)
}

// dropContent gives back what the content of the message has taken.
func (s *session) dropContent() {
	if s.msg == nil {
		return
	}
	if c := s.msg.content; c != nil {
		c.text.Free()
	}
	s.server.memory.Give(s.msg.heldContent)
	s.msg.content, s.msg.judged.Report, s.msg.heldContent = nil, nil, 0
}

// dropMessage gives back all that the message has taken.
func (s *session) dropMessage() {
	s.dropContent()
	if s.msg != nil {
		s.server.memory.Give(s.msg.heldEnvelope)
		s.msg.heldEnvelope = 0
	}
}

// deferBusy defers a message for which there is no memory, or no place among those that are read.
func (s *session) deferBusy() *milter.Response {
	v := policy.Verdict{Reason: policy.Busy, Action: policy.ActionDefer}
	s.decided(&v, s.msg.first, s.msg.count)
	return s.server.replies.of(&v)
}
