package filter

import (
	"context"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/d--j/go-milter"

	"github.com/bouncefilter/bouncefilter/filter/wire"
	"github.com/bouncefilter/bouncefilter/prvs"
)

// session serves one connection of an MTA. The library calls its methods one after the other, in one goroutine.
type session struct {
	milter.NoOpMilter
	server *Server
	conn   *wire.Conn

	client netip.Addr
	port   uint16
	helo   string
	msg    message
}

// NewConnection is called at the start, and again if the MTA uses the connection for another SMTP session.
func (s *session) NewConnection(m milter.Modifier) error {
	s.conn.Negotiated(m.Protocol())
	s.client, s.port, s.helo = netip.Addr{}, 0, ""
	s.reset()
	return nil
}

// Connect notes who the client is. It has no reply.
func (s *session) Connect(_, family string, port uint16, addr string, _ milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	s.client, s.port = netip.Addr{}, port
	if family == "tcp4" || family == "tcp6" {
		s.client, _ = netip.ParseAddr(addr)
		s.client = s.client.Unmap().WithZone("")
	}
	return milter.RespContinue, nil
}

// Helo notes the client's name, if the policy asks for it. It has no reply.
func (s *session) Helo(name string, _ milter.Modifier) (*milter.Response, error) {
	s.helo = name
	return milter.RespContinue, nil
}

// MailFrom begins a message. It has no reply.
func (s *session) MailFrom(from, _ string, m milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	s.reset()
	s.conn.SetBusy(true)
	msg := &s.msg
	msg.state = s.server.state.Load()
	msg.now = s.server.now()
	defer msg.clock(time.Now())
	p := msg.state.policy
	msg.sender = from
	msg.own = p.Outbound(Origin{
		Authenticated: m.Get(milter.MacroAuthAuthen) != "",
		Daemon:        m.Get(milter.MacroDaemonName),
		Client:        s.client,
		Local:         s.port == 0 && s.client.IsLoopback(),
	})
	msg.from, err = prvs.ParseAddress(from)
	msg.badFrom = err != nil
	if !msg.badFrom && !msg.from.IsNull() && msg.from.Domain == "" {
		// Unqualified addresses arrive raw; the macro has what the MTA makes of them.
		if a, err := prvs.ParseAddress(m.Get(milter.MacroMailAddr)); err == nil && a.Domain != "" {
			msg.from = a
		}
	}
	switch {
	case !msg.badFrom && msg.from.IsNull():
		msg.kind = kindBounce
	case msg.own:
		msg.kind = kindOutbound
	}
	return milter.RespContinue, nil
}

// RcptTo notes a recipient and refuses a bad tag.
func (s *session) RcptTo(to, args string, m milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	msg := &s.msg
	if msg.state == nil || msg.failed {
		return s.tempfail(), nil
	}
	defer msg.clock(time.Now())
	if msg.first == "" {
		msg.first = to
	}
	if msg.queueID == "" {
		msg.queueID = m.Get(milter.MacroQueueId)
	}
	a, err := prvs.ParseAddress(to)
	if err == nil && a.Domain == "" {
		if q, err := prvs.ParseAddress(m.Get(milter.MacroRcptAddr)); err == nil {
			a = q
		}
	}
	if err != nil || a.IsNull() {
		a = prvs.Address{} // no address of ours: left to the MTA
	}
	rcpt := recipient{raw: to, args: args, address: a}
	if msg.kind == kindBounce {
		return s.bounceRecipient(rcpt), nil
	}
	msg.count++
	p := msg.state.policy
	if msg.kind == kindOutbound && !msg.doNotTag {
		msg.doNotTag = p.DoNotTag(a)
	}
	if d := p.Domain(lower(a.Domain)); d != nil && len(msg.recipients) < maxTagged {
		rcpt.verdict = p.Ordinary(a, msg.now)
		if rcpt.verdict.Reason == Untag {
			msg.recipients = append(msg.recipients, rcpt)
		}
	}
	return milter.RespContinue, nil
}

// Data decides what can be decided without the content.
func (s *session) Data(m milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	msg := &s.msg
	if msg.state == nil || msg.failed {
		return s.tempfail(), nil
	}
	defer msg.clock(time.Now())
	if id := m.Get(milter.MacroQueueId); id != "" {
		msg.queueID = id
	}
	switch {
	case msg.kind == kindBounce:
		return s.bounceData(), nil
	case len(msg.recipients) > 0:
		return milter.RespContinue, nil
	case msg.kind == kindOutbound:
		v := s.senderVerdict()
		if v.Reason == Signed || v.Reason == DoNotTag {
			return milter.RespContinue, nil
		}
		s.decided(&v, msg.first, msg.count)
	}
	// Nothing is left to do: the MTA need not send the content.
	s.done()
	return milter.RespAccept, nil
}

// EndOfMessage decides everything else and carries it out.
func (s *session) EndOfMessage(m milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	msg := &s.msg
	defer s.done()
	if msg.state == nil || msg.failed {
		return s.tempfail(), nil
	}
	if id := m.Get(milter.MacroQueueId); id != "" {
		msg.queueID = id
	}
	defer msg.clock(time.Now())
	if msg.kind == kindBounce {
		return s.bounceEnd(m)
	}
	if msg.kind == kindOutbound {
		if r, err := s.sign(m); r != nil || err != nil {
			return r, err
		}
	}
	for i := range msg.recipients {
		rcpt := &msg.recipients[i]
		if err := replaceRecipient(m, rcpt); err != nil {
			return nil, err
		}
		s.decided(&rcpt.verdict, rcpt.raw, 1)
	}
	return milter.RespAccept, nil
}

// Header counts the copies of our header on an incoming bounce; others are kept back on the connection. It has no reply.
func (s *session) Header(name, _ string, _ milter.Modifier) (r *milter.Response, err error) {
	defer s.contain(&r)
	s.msg.ownHeader(name)
	return milter.RespContinue, nil
}

// Abort is called for RSET, but also by the library when RCPT follows DATA and by Postfix between two messages. What is
// known of the message therefore stays until the next MAIL.
func (s *session) Abort(milter.Modifier) error {
	s.conn.SetBusy(false)
	return nil
}

// Headers and BodyChunk are not asked for.

// clock adds the time since start to what the message has cost. It is deferred.
func (msg *message) clock(start time.Time) { msg.spent += time.Since(start) }

// reset forgets the message.
func (s *session) reset() {
	recipients := s.msg.recipients
	clear(recipients)
	if cap(recipients) > 16 {
		recipients = nil // a connection may stay open for long
	}
	s.msg = message{recipients: recipients[:0]}
	s.conn.Want("", false)
}

// done notes that the MTA has been told about the message.
func (s *session) done() { s.conn.SetBusy(false) }

// contain turns a panic of a callback into a reply that makes the MTA try again; other sessions go on. At a stage without
// a reply the next one carries it.
func (s *session) contain(r **milter.Response) {
	p := recover()
	if p == nil {
		return
	}
	s.msg.failed = true
	s.server.stats.panics.Add(1)
	s.server.log.Error("callback failed, the MTA is told to try again", "panic", p, "stack", string(debug.Stack()))
	v := Verdict{Reason: Failure, Action: ActionDefer}
	if s.msg.state == nil {
		s.msg.state = s.server.state.Load()
	}
	s.decided(&v, s.msg.first, s.msg.count)
	*r = s.tempfail()
}

func (s *session) tempfail() *milter.Response { return s.server.replies.of(Failure, ActionDefer) }

// decided counts and logs one verdict.
func (s *session) decided(v *Verdict, rcpt string, recipients int) {
	s.msg.state.count(v)
	s.server.logVerdict(context.Background(), s, v, rcpt, recipients)
}

// replaceRecipient removes a recipient's tag.
//
// QUIRK: Sendmail loses the message if ADDRCPT comes before DELRCPT. Postfix keeps NOTIFY and ORCPT only with
// ADDRCPT_PAR.
func replaceRecipient(m milter.Modifier, r *recipient) error {
	if err := m.DeleteRecipient(r.raw); err != nil {
		return err
	}
	args := r.args
	if m.Actions()&milter.OptAddRcptWithArgs == 0 {
		args = ""
	}
	return m.AddRecipient(r.verdict.Tag.Original.String(), args)
}
