package filter

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/judge"
	"github.com/bouncefilter/bouncefilter/filter/limit"
	"github.com/bouncefilter/bouncefilter/filter/policy"
	"github.com/bouncefilter/bouncefilter/filter/wire"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// session serves one connection of an MTA. Package wire calls its methods one after the other, in one goroutine.
type session struct {
	milter.NoOpMilter
	server *Server
	conn   *wire.Conn
	role   policy.Role

	skip      bool // the MTA can be asked to send no more of a body
	client    netip.Addr
	local     bool // the MTA's sendmail command
	rcptReply bool // the MTA waits for replies to RCPT
	helo      string
	msg       *message // nil before the first MAIL: most connections that are idle are new

	event atomic.Int64 // when work on the event under way began, in nanoseconds since the server was made; 0 if none is
}

// NewConnection is called at the start, and again if the MTA uses the connection for another SMTP session.
func (s *session) NewConnection(m milter.Modifier) error {
	s.rcptReply = m.Protocol()&milter.OptNoRcptReply == 0
	s.skip = m.Protocol()&milter.OptSkip != 0
	s.client, s.local, s.helo = netip.Addr{}, false, ""
	s.reset()
	s.done()
	return nil
}

// Connect notes who the client is. It has no reply.
//
// QUIRK: mail handed in with the sendmail command comes from port 0 of 127.0.0.1 in Postfix, and as a client of unknown
// family with the name localhost in Sendmail.
func (s *session) Connect(host, family string, port uint16, addr string, _ milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	s.client, s.local = netip.Addr{}, false
	switch family {
	case "tcp4", "tcp6":
		s.client, _ = netip.ParseAddr(addr)
		s.client = s.client.Unmap().WithZone("")
		s.local = port == 0 && s.client.IsLoopback()
	case "unix":
		s.local = true
	default:
		s.local = host == "localhost"
	}
	return milter.RespContinue, nil
}

// Helo notes the client's name, if the policy asks for it. It has no reply.
func (s *session) Helo(name string, _ milter.Modifier) (*milter.Response, error) {
	if s.helo = name; len(name) > maxHelo {
		s.helo = "" // no host has such a name, and a connection may stay open for long
	}
	return milter.RespContinue, nil
}

// MailFrom begins a message. It has no reply.
func (s *session) MailFrom(from, args string, m milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	s.reset()
	s.conn.SetBusy(true)
	msg := s.message()
	msg.state = s.server.state.Load()
	s.begin()
	defer s.end()
	msg.now = msg.began
	p := msg.state.policy
	msg.sender = from
	msg.test = s.server.testMarks.marks(args, msg.now)
	outbound := p.Outbound(policy.Origin{
		Authenticated: m.Get(milter.MacroAuthAuthen) != "",
		Daemon:        m.Get(milter.MacroDaemonName),
		Client:        s.client,
		Local:         s.local,
	})
	msg.judged.Message = judge.Message{
		Policy: p, Hasher: s.server.hasher, Record: s.server.view, Guesses: s.server.guesses, Now: msg.now,
		Client: s.client, Helo: s.helo, Sender: from, Own: outbound || s.local, AnyUser: s.server.anyUser.Load(),
	}
	if msg.test {
		msg.judged.Guesses = nil
	}
	s.hold(len(from) + len(m.Get(milter.MacroMailAddr)))
	var usable bool
	msg.from, usable = p.Address(from, m.Get(milter.MacroMailAddr))
	msg.badFrom = !usable
	msg.kind = p.Kind(s.role, msg.from, usable, outbound)
	s.want() // for MTAs that do not announce DATA: old ones, and those that were asked not to
	return milter.RespContinue, nil
}

// want asks for what a message of its kind may need of the content.
func (s *session) want() {
	switch s.msg.kind {
	case policy.Bounce, policy.Daemon:
		s.read(fullBody())
	case policy.Outgoing:
		s.conn.WantHeaders(s.server.sentHeaders)
	}
}

// RcptTo notes a recipient and refuses a bad tag.
func (s *session) RcptTo(to, args string, m milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	msg := s.message()
	if msg.state == nil || msg.failed {
		return s.tempfail(), nil
	}
	s.begin()
	defer s.end()
	s.conn.SetBusy(true) // a message that was refused at DATA may go on
	if msg.first == "" {
		msg.first = to
	}
	if msg.queueID == "" {
		msg.queueID = m.Get(milter.MacroQueueId)
	}
	p := msg.state.policy
	rcpt := judge.Recipient{Raw: to, MTA: m.Get(milter.MacroRcptAddr), Args: args}
	a, ok := p.Address(to, rcpt.MTA)
	if !ok {
		a = prvs.Address{} // no address of ours: left to the MTA
	}
	rcpt.Address = a
	if !s.hold(len(to) + len(rcpt.MTA) + len(args) + recipientCost) {
		if s.rcptReply {
			return s.deferBusy(), nil
		}
		return milter.RespContinue, nil
	}
	if msg.kind == policy.Bounce {
		return s.bounceRecipient(&rcpt), nil
	}
	msg.count++
	if msg.kind == policy.Outgoing || msg.kind == policy.Unsigned {
		msg.sent.Recipient(a)
		msg.noteDestination(a)
		msg.doNotTag = msg.doNotTag || p.DoNotTag(msg.from, a)
	}
	if s.role.Verifies() {
		return s.ordinaryRecipient(&rcpt), nil
	}
	return milter.RespContinue, nil
}

// Data decides what can be decided without the content.
func (s *session) Data(m milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	if r = s.data(m); r == milter.RespContinue {
		s.conn.SetBusy(true)
	} else {
		s.done()
	}
	return r, nil
}

func (s *session) data(m milter.Modifier) *milter.Response {
	msg := s.message()
	if msg.state == nil || msg.failed {
		return s.tempfail()
	}
	s.begin()
	defer s.end()
	if id := m.Get(milter.MacroQueueId); id != "" {
		msg.queueID = id
	}
	if msg.kind == policy.Unsigned {
		s.warnUnsigned()
	}
	switch {
	case msg.short:
		return s.deferBusy()
	case msg.kind == policy.Bounce:
		return s.bounceData()
	case msg.invalid != nil && msg.kind != policy.Daemon: // which may be a bounce, that its content proves
		return s.refuseInvalid()
	case len(msg.judged.Recipients) > 0:
		s.want()
		return milter.RespContinue
	case msg.kind == policy.Outgoing:
		// Mail that is not signed is recorded, too: it may be answered to an address of ours in its header.
		s.want()
		return milter.RespContinue
	}
	// Nothing is left to do: the MTA need not send the content.
	return milter.RespAccept
}

// EndOfMessage decides everything else and carries it out.
func (s *session) EndOfMessage(m milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	msg := s.message()
	defer s.done()
	if msg.state == nil || msg.failed {
		return s.tempfail(), nil
	}
	s.begin()
	defer s.end()
	if id := m.Get(milter.MacroQueueId); id != "" {
		msg.queueID = id
	}
	if msg.short {
		return s.deferBusy(), nil
	}
	if !s.readContent() {
		s.Reached(limit.Readers, cap(s.server.readers.places))
		return s.deferBusy(), nil
	}
	if msg.kind == policy.Daemon && (len(msg.judged.Recipients) == 0 || !msg.judged.MayBeBounce()) {
		msg.kind, msg.judged.Report = policy.Inbound, nil
	}
	if msg.kind == policy.Bounce || msg.kind == policy.Daemon {
		msg.judged.Daemon = msg.kind == policy.Daemon
		return s.bounceEnd(m)
	}
	if r := s.refuseInvalid(); r != nil {
		return r, nil
	}
	var changes changes
	var signing policy.Verdict
	if msg.kind == policy.Outgoing {
		if signing = s.sign(m, &changes); signing.Refuses() {
			s.decided(&signing, msg.first, msg.count)
			return s.server.replies.of(&signing), nil
		}
	}
	for i := range msg.judged.Recipients {
		if rcpt := &msg.judged.Recipients[i]; rcpt.Verdict.UntagsOrdinary() {
			changes.untag(m, rcpt, nil)
		}
	}
	if err := changes.apply(m); err != nil {
		return nil, err
	}
	if msg.kind == policy.Outgoing {
		s.decided(&signing, msg.first, msg.count)
	}
	for i := range msg.judged.Recipients {
		if rcpt := &msg.judged.Recipients[i]; rcpt.Verdict.OfTag() {
			s.decided(&rcpt.Verdict, rcpt.Raw, 1)
		}
	}
	return milter.RespAccept, nil
}

// Header notes what is of use in a header field; other fields are held back on the connection. It has no reply.
func (s *session) Header(name, value string, _ milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	msg := s.message()
	if msg.state == nil {
		return milter.RespContinue, nil
	}
	s.begin()
	defer s.end()
	msg.ownHeader(name)
	switch {
	case msg.content != nil:
		msg.content.addHeader(name, value)
		s.holdContent()
	case msg.kind == policy.Outgoing:
		msg.sent.Header(msg.state.policy, name, value)
	}
	return milter.RespContinue, nil
}

// BodyChunk takes a piece of the body of a bounce; other bodies are held back on the connection.
func (s *session) BodyChunk(chunk []byte, _ milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	s.begin()
	defer s.end()
	if s.msg.content != nil {
		more := s.msg.content.addBody(chunk)
		s.holdContent()
		if more && !s.msg.short {
			return milter.RespContinue, nil
		}
	}
	s.conn.WantHeaders(nil)
	if s.skip {
		return milter.RespSkip, nil
	}
	return milter.RespContinue, nil
}

// Abort is called for RSET, but also by the library when RCPT follows DATA and by Postfix between two messages. What is
// known of the message therefore stays until the next MAIL.
func (s *session) Abort(milter.Modifier) error {
	s.done()
	return nil
}

// Headers is not asked for.

// begin notes that a callback begins to work on the message.
func (s *session) begin() {
	now := s.server.now()
	s.message().began = now
	s.watch(now)
}

// message returns the message under way. An MTA that sends no MAIL gets one that belongs to no policy.
func (s *session) message() *message {
	if s.msg == nil {
		s.msg = &message{}
	}
	return s.msg
}

// end adds what the callback has cost to what the message has. It is deferred.
func (s *session) end() {
	s.msg.spent = s.spent()
	s.msg.began = time.Time{}
	s.event.Store(0)
}

// spent returns how long the message was worked on, the callback under way included: the log is written before its reply.
func (s *session) spent() time.Duration {
	if s.msg.began.IsZero() {
		return s.msg.spent
	}
	return s.msg.spent + s.server.now().Sub(s.msg.began)
}

// reset forgets the message.
func (s *session) reset() {
	s.decisionMade()
	s.dropMessage()
	if s.msg != nil {
		recipients := s.msg.judged.Recipients
		clear(recipients)
		if cap(recipients) > 16 {
			recipients = nil // a connection may stay open for long
		}
		*s.msg = message{}
		s.msg.judged.Recipients = recipients[:0]
	}
	s.conn.WantHeaders(nil)
}

// done notes that the MTA has the reply about the message. Its content is dropped, which may be large: a connection may stay
// open for long.
func (s *session) done() {
	s.decisionMade()
	s.dropContent()
	s.conn.SetBusy(false)
}

// contain turns a panic of a callback into a reply that makes the MTA try again; other sessions go on. At a stage without
// a reply the next one carries it.
func (s *session) contain(r **milter.Response) {
	p := recover()
	if p == nil {
		return
	}
	s.message().failed = true
	s.server.panicked("callback failed, the MTA is asked to try again", p)
	v := failure
	if s.msg.state == nil {
		s.msg.state = s.server.state.Load()
	}
	s.decided(&v, s.msg.first, s.msg.count)
	*r = s.tempfail()
}

// failure is the verdict about a message on which a callback failed.
var failure = policy.Verdict{Reason: policy.Failure, Action: policy.ActionDefer}

func (s *session) tempfail() *milter.Response { return s.server.replies.of(&failure) }
